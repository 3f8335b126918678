"""Unique keys under many senders, and while workers are killed with ``kill -9`` at every step: never two messages at once, and no key that nobody frees."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from returns.result import Success

from fq import App
from tests.brokers.redis.servers import Server, binaries
from tests.chaos.brokers import broker
from tests.chaos.harness import ROOT, Rig
from tests.wait_until import wait_until

OPTIONS = ("--processes", "1", "--threads", "4", "--heartbeat", "300")


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("redis", marks=[pytest.mark.chaos, pytest.mark.skipif("valkey" not in binaries(), reason="no server here")]),
    ]
)
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    if request.param == "sqlite":
        yield Rig(f"sqlite:///{tmp_path}/chaos.db", tmp_path)
        return
    server = Server("valkey").start()
    yield Rig(server.url, tmp_path)
    server.remove()


@pytest.fixture
def tasks(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module of the application, on the broker of the rig."""
    from tests.chaos import unique_tasks

    app = App(broker=broker(rig.environment), middleware=unique_tasks.app.stack)
    for actor in unique_tasks.app.actors.values():
        monkeypatch.setattr(actor.owner, "app", None)
    app.include(*unique_tasks.app.actors.values())
    monkeypatch.setattr(unique_tasks, "app", app)
    yield unique_tasks
    app.broker.close()


def start(rig: Rig) -> "subprocess.Popen[bytes]":
    return rig.start(*OPTIONS, app="tests.chaos.unique_tasks:app")


@pytest.mark.parametrize("step", ["claimed", "running", "committing"])
def test_a_killed_worker_neither_frees_the_key_nor_keeps_it(rig: Rig, tasks: Any, step: str) -> None:
    rig.more["FQ_KILL_AT"] = step
    call = tasks.hold.call(1).unique("k1")
    first = call.send()
    assert start(rig).wait(60) == -9

    assert call.send().message_id == first.message_id, "the lease runs"
    with rig.worker(*OPTIONS, app="tests.chaos.unique_tasks:app"):
        assert first.get(60_000) == Success(True), "the key was held while the message ran again"
        wait_until(lambda: first.status().state == "done", what="the end")

    assert rig.runs()["1"] == (1 if step == "claimed" else 2)
    assert not call.send().is_duplicate


def test_a_worker_that_is_killed_after_its_commit_has_freed_the_key(rig: Rig, tasks: Any) -> None:
    rig.more["FQ_KILL_AT"] = "committed"
    call = tasks.hold.call(1).unique("k1")
    first = call.send()
    assert start(rig).wait(60) == -9

    assert first.get(0) == Success(True)
    assert not call.send().is_duplicate
    assert rig.runs()["1"] == 1


def contend(rig: Rig, processes: int, count: int, keys: int) -> int:
    """Send *count* calls from each of so many processes at once, and return how many were new."""
    command = [sys.executable, "-m", "tests.chaos.unique_tasks", str(count), str(keys)]
    senders = [subprocess.Popen(command, env=rig.environment, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    return sum(int(sender.communicate()[0]) for sender in senders)


def test_many_processes_send_one_key_once(rig: Rig, tasks: Any) -> None:
    assert contend(rig, processes=4, count=50, keys=1) == 1
    assert [queue.ready for queue in tasks.app.broker.queues()] == [1]


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_sixteen_processes_send_one_key_fifty_thousand_times(rig: Rig, tasks: Any) -> None:
    assert contend(rig, processes=16, count=3_125, keys=1) == 1
    assert [queue.ready for queue in tasks.app.broker.queues()] == [1]


def account_for(rig: Rig, tasks: Any, new: int) -> None:
    """Hold the account against what was sent: each new message ran once, and none while another one with its key did."""
    wait_until(lambda: not any(q.ready + q.delayed + q.in_flight for q in tasks.app.broker.queues()), 120, "the end of the work")
    running: set[str] = set()
    for event, key in rig.account():
        if event == "begin":
            assert key not in running, f"two messages with {key} ran at once"
            running.add(key)
        elif event == "end":
            running.discard(key)

    assert sum(rig.runs("begin").values()) == new


def test_messages_with_one_key_never_run_at_once(rig: Rig, tasks: Any) -> None:
    with rig.worker("--processes", "2", "--threads", "4", app="tests.chaos.unique_tasks:app"):
        account_for(rig, tasks, contend(rig, processes=3, count=100, keys=5))


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_messages_with_one_key_never_run_at_once_for_long(rig: Rig, tasks: Any) -> None:
    with rig.worker("--processes", "4", "--threads", "8", app="tests.chaos.unique_tasks:app"):
        account_for(rig, tasks, contend(rig, processes=16, count=1_000, keys=20))
