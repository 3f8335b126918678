"""``kill -9`` at random moments: nothing lost, no result missing, no follow-up twice. The account is kept outside of the queue."""

import os
import random
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil
import pytest
from returns.pipeline import is_successful
from returns.result import Success

from fq import App, Handle
from tests.chaos.harness import ROOT, Rig, children, kill_all, runs_actors, suspend_between_writes
from tests.wait_until import wait_until

OPTIONS = ("--processes", "2", "--threads", "4", "--heartbeat", "300")


def torment(app: App, rig: Rig, count: int, seed: int, fault: Callable[[], None] | None = None, faults: int = 6) -> None:
    """Send *count* messages while workers are killed, and *fault* happens, then let them finish and hold the account against what was sent."""
    from tests.chaos.tasks import awork, follow, work

    chance = random.Random(seed)
    calls = [(work.call(n) | follow).delay(chance.choice([0, 0, 0, 50])) if n % 2 else awork.call(n) | follow for n in range(count)]
    handles = app.send_many(calls)
    process = rig.start(*OPTIONS)
    for _ in range(faults):
        time.sleep(chance.uniform(0.2, 0.5))
        dice = chance.random()
        if dice < 0.3:
            kill_all(process)
            process = rig.start(*OPTIONS)
        elif fault is not None and dice < 0.7:
            fault()
        elif runs_actors(process) and (victims := children(process)):
            chance.choice(victims).kill()
    wait_until(lambda: not any(q.ready + q.delayed + q.in_flight for q in app.broker.queues()), 150, "the end of the work")
    wait_until(lambda: runs_actors(process), what="the start of the last worker")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    reconcile(app, rig, handles)
    assert app.broker.dead_letters() == ()


def reconcile(app: App, rig: Rig, handles: Sequence[Handle[int]]) -> None:
    """`settle` the account where every send was acknowledged."""
    settle(rig, dict(enumerate(handles)), len(handles))


def settle(rig: Rig, acknowledged: Mapping[int, Handle[int]], count: int) -> None:
    """
    Hold the account against what was sent, as Jepsen's total-queue does: lost, unexpected, duplicated, and what a rerun recovered.

    *acknowledged* are those of *count* sends that are known to have been made. The others may have been made or not, but not by half.
    """
    runs, follows = rig.runs(), rig.runs("follow")
    begun = {*map(str, acknowledged), *runs}
    lost = [n for n in begun if not runs[n] or not follows[str(2 * int(n))]]
    missing = [n for n, handle in acknowledged.items() if handle.get(0) != Success(2 * n)]
    unexpected = [number for number in runs if int(number) >= count] + [number for number in follows if int(number) >= 2 * count]
    duplicated = [message_id for message_id, times in rig.runs("committed").items() if times > 1]
    recovered = sum(times - 1 for times in follows.values()) + sum(times - 1 for n, times in runs.items() if int(n) % 2 == 0)
    found = f"{len(lost)} lost, {len(missing)} results missing, {len(unexpected)} unexpected, {len(duplicated)} committed twice"
    print(f"{count} sent, {len(acknowledged)} acknowledged: {found}, {recovered} run again")  # noqa: T201  # the figures of a long run

    assert (lost, missing, unexpected, duplicated) == ([], [], [], [])
    assert miscounted(rig) == [], "no attempt is used up by a process that dies"


def miscounted(rig: Rig) -> list[tuple[str, str]]:
    """Return the runs of `work` that took themselves for a later attempt than they were."""
    from tests.chaos.tasks import failures

    tried = [(event, number) for event, number in rig.account() if event.startswith("attempt-")]
    return [(event, number) for event, number in tried if int(event.removeprefix("attempt-")) > failures(int(number))]


def test_killed_workers_lose_nothing_and_send_no_follow_up_twice(app: App, rig: Rig) -> None:
    torment(app, rig, 600, seed=1)


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(10))
def test_killed_workers_lose_nothing_round(app: App, rig: Rig, seed: int) -> None:
    torment(app, rig, 2_000, seed)


def test_a_child_that_is_killed_is_replaced_and_its_messages_are_run_at_once(app: App, rig: Rig) -> None:
    from tests.chaos.tasks import nap

    with rig.worker("--processes", "1", "--threads", "2") as process:
        handle = nap.send(1.0)
        wait_until(lambda: rig.runs("nap"), what="the first run")
        first = children(process)[0].pid
        os.kill(first, signal.SIGKILL)
        result = handle.get(10_000)

    assert rig.runs("nap")["1.0"] == 2
    assert result.unwrap() != first


def test_children_end_when_their_supervisor_is_killed_and_what_they_held_runs_elsewhere(app: App, rig: Rig) -> None:
    from tests.chaos.tasks import nap

    process = rig.start("--processes", "2", "--heartbeat", "500")
    handle = nap.send(3.0)
    wait_until(lambda: rig.runs("nap"), what="the first run")
    orphans = children(process)
    process.kill()
    process.wait()
    with rig.worker("--processes", "1", "--heartbeat", "500"):
        result = handle.get(60_000)
        wait_until(lambda: not any(orphan.is_running() for orphan in orphans), what="the orphans' end")

    assert result.unwrap() not in [orphan.pid for orphan in orphans]


@pytest.mark.parametrize(("how", "imports"), [((), 2), (("--preload",), 0)], ids=["in its import", "after the fork"])
def test_a_child_that_hangs_before_its_first_sign_of_life_is_replaced(rig: Rig, tmp_path: Path, how: tuple[str, ...], imports: int) -> None:
    sign = tmp_path / "imports"
    hang = f"""
import os, pathlib, time
sign = pathlib.Path({str(sign)!r})
def hang(at):
    with sign.open("a") as file:
        file.write("x")
    if sign.stat().st_size == at:
        time.sleep(600)
if {imports}:
    hang({imports})
else:
    os.register_at_fork(after_in_child=lambda: hang(1))
"""
    (tmp_path / "hanging.py").write_text(f"{hang}from tests.chaos.tasks import *\n")
    rig.more = {"PYTHONPATH": f"{ROOT}:{tmp_path}"}
    app = App(rig.url)

    @app.actor
    def pid() -> int:
        raise NotImplementedError

    process = rig.start("--processes", "1", "--boot-timeout", "1000", "--heartbeat", "500", *how, app="hanging:app")
    assert is_successful(pid.send().get(60_000))
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert "has not booted" in rig.log()
    app.broker.close()


def test_a_stopped_child_loses_its_messages_and_its_late_outcome_changes_nothing(app: App, rig: Rig) -> None:
    from tests.chaos.tasks import nap

    with rig.worker("--processes", "2", "--threads", "1", "--heartbeat", "300") as process:
        handle = nap.send(1.5)
        wait_until(lambda: rig.runs("nap"), what="the first run")
        holder = next(worker for worker in app.broker.workers() if worker.in_flight)
        stopped = int((rig.folder / "account").read_text().split()[2])
        suspend_between_writes(psutil.Process(stopped), rig.folder / "chaos.db")
        result = handle.get(60_000)
        os.kill(stopped, signal.SIGCONT)
        wait_until(lambda: "came too late" in rig.log(), what="the late outcome")

    assert result.unwrap() != stopped
    assert handle.get(0) == result
    assert holder.in_flight == 1
    assert process.returncode == 0
