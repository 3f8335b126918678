"""Children that drain: they finish what runs, however long that takes, and only a stop of the worker hurries them."""

import signal
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import pytest
from returns.pipeline import is_successful

from fq import App
from tests.chaos.harness import ROOT, Rig, children, suspend_between_writes
from tests.wait_until import wait_until

IMPATIENT = ("--processes", "1", "--threads", "2", "--shutdown-timeout", "300")


def reload(app: App, rig: Rig, process: Popen[bytes]) -> None:
    """Have the worker reloaded, and return when another child answers."""
    replaced(app, rig, lambda: process.send_signal(signal.SIGHUP))


def replaced(app: App, rig: Rig, order: Callable[[], object]) -> None:
    """Return when, after *order*, the child that answered before drains, and another answers."""
    from tests.chaos.tasks import pid

    first = pid.send().get(60_000).unwrap()
    order()
    wait_until(lambda: f"{first} drains" in rig.log(), what="the draining")
    wait_until(lambda: pid.send().get(60_000).unwrap() != first, what="the answer of another")


def recycle(app: App, rig: Rig, process: Popen[bytes]) -> None:
    """Let the child run as many messages as it may, and return when another answers."""
    from tests.chaos.tasks import pid

    replaced(app, rig, lambda: app.send_many(pid.call() for _ in range(20)))


KINDS = ("wait_at_gate", "await_gate")
RECYCLED = ("--max-tasks-per-child", "10")
EACH_ONCE = [pytest.param(reload, (), KINDS[0]), pytest.param(recycle, RECYCLED, KINDS[1])]
CROSSED = [pytest.param(reload, (), KINDS[1], marks=pytest.mark.chaos), pytest.param(recycle, RECYCLED, KINDS[0], marks=pytest.mark.chaos)]


@pytest.mark.parametrize(("replace", "options", "kind"), EACH_ONCE + CROSSED)
def test_a_child_whose_place_is_taken_finishes_what_takes_longer_than_a_stop_would_wait(
    app: App, rig: Rig, replace: Callable[..., None], options: tuple[str, ...], kind: str
) -> None:
    from tests.chaos import tasks

    with rig.worker(*IMPATIENT, *options) as process:
        handle = getattr(tasks, kind).send(4)
        wait_until(lambda: rig.runs("waits"), what="the first run")
        replace(app, rig, process)
        replace(app, rig, process)
        time.sleep(0.6)  # twice as long as a stop would wait
        tasks.gate_of(rig.folder).touch()

        assert is_successful(handle.get(60_000))
        assert rig.runs("waits") == {"4": 1}


@pytest.mark.parametrize(("replace", "options"), [(reload, ()), (recycle, RECYCLED)])
def test_one_stop_does_not_count_as_the_second_of_a_draining_child(
    app: App, rig: Rig, replace: Callable[..., None], options: tuple[str, ...]
) -> None:
    from tests.chaos.tasks import gate_of, wait_at_gate

    process = rig.start("--processes", "1", "--threads", "2", *options)
    handle = wait_at_gate.send(4)
    wait_until(lambda: rig.runs("waits"), what="the first run")
    replace(app, rig, process)
    process.send_signal(signal.SIGTERM)
    wait_until(lambda: "stopping" in rig.log(), what="the stop")
    time.sleep(0.5)  # by now the child has heard of it
    gate_of(rig.folder).touch()

    assert process.wait(60) == 0
    assert handle.status().state == "done"
    assert rig.runs("waits") == {"4": 1}


def test_a_stop_sets_children_that_retire_a_limit(app: App, rig: Rig) -> None:
    from tests.chaos.tasks import nap

    with rig.worker(*IMPATIENT) as process:
        handle = nap.send(100.0)
        wait_until(lambda: rig.runs("nap"), what="the first run")
        reload(app, rig, process)

    assert handle.status().state == "ready"


def test_a_second_stop_ends_children_that_retire_at_once(app: App, rig: Rig) -> None:
    from tests.chaos.tasks import nap

    with rig.worker("--processes", "1", "--threads", "2") as process:
        handle = nap.send(100.0)
        wait_until(lambda: rig.runs("nap"), what="the first run")
        reload(app, rig, process)
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: "stopping" in rig.log(), what="the first stop")

    assert handle.status().state == "ready"


def test_a_draining_child_ends_when_its_supervisor_is_killed(app: App, rig: Rig, tmp_path: Path) -> None:
    from tests.chaos.tasks import nap

    process = rig.start("--processes", "1", "--threads", "2", "--heartbeat", "500")
    nap.send(100.0)
    wait_until(lambda: rig.runs("nap"), what="the first run")
    reload(app, rig, process)
    orphans = children(process)
    process.kill()
    process.wait()

    wait_until(lambda: not any(orphan.is_running() for orphan in orphans), what="the orphans' end")


def test_a_child_that_cannot_hear_since_its_gil_is_held_is_killed_some_time_after_the_shutdown_timeout(
    app: App, rig: Rig, tmp_path: Path
) -> None:
    from tests.chaos.tasks import grip

    (tmp_path / "hurried.py").write_text(
        "from fq.worker.supervisor import supervisor\nfrom tests.chaos.tasks import *\nsupervisor.LAST_WAIT = 1.0\n"
    )
    rig.more = {"PYTHONPATH": f"{ROOT}:{tmp_path}"}
    process = rig.start(*IMPATIENT, app="hurried:app")
    handle = grip.send(50)
    wait_until(lambda: rig.runs("grip"), what="the first run")
    process.send_signal(signal.SIGTERM)

    assert process.wait(60) == 0
    assert handle.status().state == "ready", "it was handed back at once"


def test_a_child_that_is_stopped_when_its_worker_reloads_is_still_known_to_be(app: App, rig: Rig) -> None:
    from tests.chaos.tasks import nap

    with rig.worker("--processes", "1", "--heartbeat", "500") as process:
        handle = nap.send(1.0)
        wait_until(lambda: rig.runs("nap"), what="the first run")
        (stopped,) = children(process)
        suspend_between_writes(stopped, rig.folder / "chaos.db")
        wait_until(lambda: "was stopped" in rig.log(), what="the notice")
        process.send_signal(signal.SIGHUP)
        result = handle.get(60_000)
        stopped.resume()
        wait_until(lambda: not stopped.is_running(), what="the end of the stopped child")

    assert result.unwrap() != stopped.pid, "its lease was not renewed"


def test_children_are_numbered_on_after_a_reload_so_that_no_two_have_the_same_name(app: App, rig: Rig) -> None:
    with rig.worker("--processes", "2") as process:
        reload(app, rig, process)
        wait_until(lambda: len(app.broker.workers()) == 2, what="the end of those before")
        names = [worker.worker for worker in app.broker.workers()]

    assert {name.rpartition("-")[2] for name in names} == {"3", "4"}
