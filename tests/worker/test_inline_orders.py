"""A worker inside this process reports itself and takes orders, on every broker. It cannot be stopped from outside."""

import logging
import threading
from collections.abc import Iterator

import pytest

from fq import App
from fq.app.worker_processes import WorkerProcess, chosen, order, worker_processes
from fq.errors import OptionError
from fq.execution.worker_orders import read_stacks, want
from tests.brokers.harness import Harness
from tests.every_broker import harness, kind
from tests.wait_until import wait_until

__all__ = ["harness", "kind"]


@pytest.fixture
def app(harness: Harness) -> Iterator[App]:
    app = App(broker=harness.broker(), queues=["default"])
    yield app
    app.broker.close()


def reported(app: App) -> WorkerProcess:
    """Return the one worker, once it has reported."""
    wait_until(lambda: any(process.report for process in worker_processes(app.broker)), what="a report")
    (process,) = worker_processes(app.broker)
    return process


def is_quiet(app: App) -> bool:
    return reported(app).report.is_quiet  # type: ignore[union-attr]  # it has reported


def test_a_quiet_worker_claims_nothing_until_it_is_resumed(app: App) -> None:
    @app.actor
    def add(a: int) -> int:
        return a + 1

    with app.worker(heartbeat=50, threads=1):
        order(app, "ann", "quiet_worker", [reported(app)])
        wait_until(lambda: is_quiet(app), what="the quiet")
        handle = add.send(1)
        held = worker_processes(app.broker)[0].stats.in_flight
        state = handle.status().state
        order(app, "ann", "resume_worker", [reported(app)])
        result = handle.get(60_000)

    assert (held, state, result.unwrap()) == (0, "ready", 2)


def test_its_stacks_show_the_actor_that_runs(app: App) -> None:
    begun, end = threading.Event(), threading.Event()

    @app.actor
    def slow() -> None:
        begun.set()
        end.wait()

    with app.worker(heartbeat=50, threads=1):
        message_id = slow.send().message_id
        begun.wait()
        process = reported(app)
        order(app, "ann", "stacks", [process])
        wait_until(lambda: read_stacks(app.broker, [process.name]), what="the answer")
        wait_until(lambda: [each for each, _ in reported(app).report.running] == [message_id], what="the report")  # type: ignore[union-attr]
        end.set()

    text = read_stacks(app.broker, [process.name])[process.name].text
    assert f"runs slow {message_id}\n" in text
    assert "in slow\n    end.wait()" in text


def test_it_cannot_be_stopped_from_outside(app: App, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "fq.worker"), app.worker(heartbeat=50, threads=1):
        process = reported(app)
        with pytest.raises(OptionError, match="inside a process of yours"):
            order(app, "ann", "stop_worker", [process])
        want(app.broker, [process.program], "stop", "ann", app.broker.now())
        wait_until(lambda: "ann asks this worker to be stop" in caplog.text, what="the refusal")
        assert worker_processes(app.broker)[0].is_alive


def test_a_name_that_no_worker_has_is_an_error_that_names_one(app: App) -> None:
    with app.worker(heartbeat=50, threads=1):
        processes = [reported(app)]

        assert chosen(processes, [processes[0].worker, processes[0].name, processes[0].host]) == processes
        with pytest.raises(OptionError, match=f"found no worker called 'nope', expected one of 2 names such as {processes[0].worker}"):
            chosen(processes, ["nope"])
