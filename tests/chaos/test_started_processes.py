"""What actors start: processes, programs, forks, exit handlers. They find a process like any other, and leave nothing behind when it ends."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen
from urllib.request import urlopen

import psutil
import pytest
from returns.result import Success

from fq import App, Fault
from tests.chaos.harness import Rig, children
from tests.wait_until import wait_until

APP = "tests.chaos.process_starters:app"
both_starts = pytest.mark.parametrize("how", [(), ("--spawn",)], ids=["fork", "spawn"])
fork_then_spawn = pytest.mark.parametrize(
    "how", [pytest.param((), id="fork"), pytest.param(("--spawn",), id="spawn", marks=pytest.mark.chaos)]
)
"""For what a child does at its end, which is the same however it was started."""

Start = Callable[..., "Popen[bytes]"]


@pytest.fixture
def app(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    from tests.chaos import process_starters

    app = App(rig.url, middleware=process_starters.app.stack)
    for actor in process_starters.app.actors.values():
        monkeypatch.setattr(actor.owner, "app", None)
    app.include(*process_starters.app.actors.values())
    yield app
    app.broker.close()


@pytest.fixture
def start(app: App, rig: Rig) -> Iterator[Start]:
    """Start a worker of one process; what has been noted of what it started is killed at the end."""
    started = []

    def start(*options: str) -> "Popen[bytes]":
        process = rig.start("--processes", "1", "--threads", "2", "--heartbeat", "500", *options, app=APP)
        started.append(process)
        wait_until(lambda: app.broker.workers(), what="the start")
        return process

    yield start
    for process in started:
        stop(process)
    for pid in pids(rig):
        if psutil.pid_exists(pid):
            os.kill(pid, signal.SIGKILL)


def stop(process: "Popen[bytes]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    assert process.wait(60) in (0, -signal.SIGKILL)


def pids(rig: Rig) -> list[int]:
    """Return the processes that actors have noted."""
    return [int(number) for event, number in rig.account() if event == "pid"]


def gone(rig: Rig) -> bool:
    """Have all of them ended?"""
    return not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids(rig))


@both_starts
def test_a_process_that_an_actor_forks_and_what_it_executes_hear_signals_as_usual(start: Start, how: tuple[str, ...]) -> None:
    from tests.chaos.process_starters import terminated, usual_signals

    start(*how)

    assert terminated.send().get(60_000) == Success(-signal.SIGTERM)
    assert usual_signals.send().get(60_000) == Success(["SIGINT", "SIGHUP", "SIGTERM", "SIGUSR1", "SIGUSR2"])


@fork_then_spawn
def test_the_processes_of_an_executor_end_with_the_process_that_has_it(rig: Rig, start: Start, how: tuple[str, ...]) -> None:
    from tests.chaos.process_starters import executor

    start("--max-tasks-per-child", "1", *how)
    first = executor.send().get(60_000).unwrap()
    second = executor.send().get(60_000).unwrap()

    wait_until(lambda: not psutil.pid_exists(first) and not psutil.pid_exists(second), what="the end of both")
    assert len(pids(rig)) >= 2
    wait_until(lambda: gone(rig), what="the end of what they started")


@fork_then_spawn
def test_exit_handlers_run_when_a_worker_process_ends(rig: Rig, start: Start, how: tuple[str, ...]) -> None:
    from tests.chaos.process_starters import handlers

    process = start(*how)
    pid = handlers.send().get(60_000).unwrap()
    stop(process)

    for event in ("handler", "finalizer", "thread", "import-handler"):
        assert (event, str(pid)) in rig.account()


def test_what_was_made_before_the_fork_is_not_cleared_away_by_a_child_that_ends(rig: Rig, start: Start) -> None:
    from tests.chaos.process_starters import terminated

    start("--preload", "--max-tasks-per-child", "1")
    terminated.send().get(60_000)
    wait_until(lambda: "drains" in rig.log(), what="the draining")
    wait_until(lambda: [event for event, _ in rig.account() if event == "import-handler"], what="its exit handlers")
    (folder,) = [Path(name) for event, name in rig.account() if event == "folder"]

    assert folder.is_dir()


def test_an_exit_handler_that_hangs_does_not_keep_a_worker_from_stopping(rig: Rig, start: Start) -> None:
    rig.more = {"STUCK": "1"}
    process = start("--spawn")
    (child,) = children(process)
    process.send_signal(signal.SIGTERM)

    wait_until(lambda: not child.is_running(), what="the end of the child")
    assert "the exit handlers of process" in rig.log()
    process.kill()


def test_a_child_that_is_killed_past_a_time_limit_takes_along_what_it_started(rig: Rig, start: Start) -> None:
    from tests.chaos.process_starters import waits

    start("--hard-limit-grace", "300")
    result = waits.send("600").get(60_000)

    assert isinstance(fault := result.failure(), Fault)
    assert fault.type == "TimeLimitExceeded"
    wait_until(lambda: gone(rig), what="the end of the program")


def test_a_child_that_dies_takes_along_what_it_started(rig: Rig, start: Start) -> None:
    from tests.chaos.process_starters import background, crash

    process = start()
    crash.send("600").get(60_000)
    wait_until(lambda: gone(rig), what="the end of the program")
    pid = background.send("600").get(60_000).unwrap()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: gone(rig), what="the end of the other program")
    stop(process)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_what_actors_started_ends_with_a_worker_that_stops_or_is_killed_unless_it_has_a_session_of_its_own(
    rig: Rig, start: Start, number: signal.Signals
) -> None:
    from tests.chaos.process_starters import background

    process = start()
    background.send("600", apart=True).get(60_000)
    (survivor,) = pids(rig)
    background.send("601").get(60_000)
    (child,) = children(process)
    process.send_signal(number)
    process.wait(60)

    wait_until(lambda: not child.is_running(), what="the end of the child")
    (victim,) = set(pids(rig)) - {survivor}
    wait_until(lambda: not psutil.pid_exists(victim), what="the end of the program")
    assert psutil.pid_exists(survivor)


@pytest.mark.parametrize("kind", ["fork", "afork"])
@pytest.mark.parametrize(("how", "code"), [("exit", 7), ("raise", 1), ("return", 0)])
def test_a_fork_that_does_not_end_by_itself_ends_with_the_call_of_its_actor(
    app: App, rig: Rig, start: Start, kind: str, how: str, code: int
) -> None:

    from tests.chaos import process_starters

    process = start()

    assert getattr(process_starters, kind).send(how).get(60_000) == Success(code)
    assert len(children(process)) == 1
    assert not app.broker.dead_letters()


def test_a_fork_of_an_event_loop_takes_no_step_for_others(rig: Rig, start: Start) -> None:
    from tests.chaos.process_starters import afork, ticks

    start()
    others = ticks.send()
    wait_until(lambda: rig.runs("tick"), what="the first tick")

    assert afork.send("await").get(60_000) == Success(0)
    assert others.get(60_000) == Success(20)
    assert len(rig.runs("tick")) == 1


def test_a_fork_that_a_layer_makes_runs_no_actor(rig: Rig, start: Start) -> None:
    from tests.chaos.process_starters import behind_a_fork

    start()
    pid = behind_a_fork.send().get(60_000).unwrap()

    wait_until(lambda: pids(rig) and gone(rig), what="the end of the fork")
    assert rig.runs() == {str(pid): 1}


@both_starts
def test_a_program_that_an_actor_starts_inherits_nothing_of_the_worker_also_after_a_reload(
    rig: Rig, start: Start, how: tuple[str, ...]
) -> None:
    from tests.chaos.process_starters import background, left_open

    place = f"127.0.0.1:{free_port()}"
    process = start("--metrics", place, *how)
    assert left_open.send("600").get(60_000) == Success([])
    first = background.send("600", apart=True).get(60_000).unwrap()
    process.send_signal(signal.SIGHUP)
    wait_until(lambda: background.send("600", apart=True).get(60_000).unwrap() != first, what="the reload")
    assert left_open.send("600").get(60_000) == Success([])
    with urlopen(f"http://{place}/metrics", timeout=20) as answer:
        assert b"fq_messages_total" in answer.read()
    stop(process)

    start("--metrics", place)
    assert "metrics cannot be served" not in rig.log()


def test_orphans_do_not_keep_the_port_of_the_metrics(rig: Rig, start: Start) -> None:
    from tests.chaos.process_starters import background

    place = f"127.0.0.1:{free_port()}"
    process = start("--metrics", place)
    pid = background.send("600").get(60_000).unwrap()
    os.kill(pid, signal.SIGSTOP)  # it does not end with its supervisor
    process.kill()
    process.wait()
    wait_until(lambda: is_free(place), what="the end of what serves them")
    os.kill(pid, signal.SIGKILL)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def is_free(place: str) -> bool:
    host, _, port = place.rpartition(":")
    try:
        socket.create_server((host, int(port))).close()
    except OSError:
        return False
    return True
