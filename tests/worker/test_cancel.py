"""`Handle.cancel`, with a worker inside this process."""

import asyncio
import threading
import time

from returns.result import Success

from fq import App, Cancelled, Fault
from fq.worker.prefetch import Prefetch


def fault(result: object) -> str:
    failure = getattr(result, "failure")()  # noqa: B009  # of any Result
    assert isinstance(failure, Fault)
    return failure.type


def test_a_message_that_waits_never_starts_and_its_result_says_why(app: App) -> None:
    runs: list[int] = []

    @app.actor
    def run() -> int:
        runs.append(1)
        return 1

    handle = run.call().delay(60_000).send()

    assert handle.cancel() is True
    app.run_until_idle()
    assert fault(handle.get(0)) == "Cancelled"
    assert runs == []


def test_a_message_that_is_done_cannot_be_cancelled(app: App) -> None:
    @app.actor
    def run() -> int:
        return 1

    handle = run.send()
    app.run_until_idle()

    assert handle.cancel() is False
    assert handle.get(0) == Success(1)


def test_a_running_async_actor_is_cancelled_and_may_clean_up(app: App) -> None:
    started, seen = threading.Event(), []

    @app.actor
    async def wait() -> int:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            seen.append("cleaned up")
        return 1

    with app.worker(threads=1):
        handle = wait.send()
        started.wait(10)
        assert handle.cancel() is True
        assert fault(handle.get()) == "Cancelled"

    assert seen == ["cleaned up"]


def test_a_running_sync_actor_that_opted_in_is_interrupted(app: App) -> None:
    started, seen = threading.Event(), []

    @app.actor(cancellable=True)
    def spin() -> int:
        started.set()
        try:
            while True:
                time.sleep(0.001)
        except Cancelled:
            seen.append("interrupted")
            raise

    with app.worker(threads=1):
        handle = spin.send()
        started.wait(10)
        handle.cancel()
        assert fault(handle.get()) == "Cancelled"

    assert seen == ["interrupted"]


def test_a_running_sync_actor_that_did_not_opt_in_finishes(app: App) -> None:
    started, go_on = threading.Event(), threading.Event()

    @app.actor
    def hold() -> int:
        started.set()
        go_on.wait(10)
        return 1

    with app.worker(threads=1):
        handle = hold.send()
        started.wait(10)
        assert handle.cancel() is True
        time.sleep(1.3)  # longer than the worker goes without hearing from its broker
        go_on.set()
        assert handle.get() == Success(1)


def test_a_claimed_message_that_has_not_started_never_starts(app: App) -> None:
    started, go_on, runs = threading.Event(), threading.Event(), []

    @app.actor
    def hold() -> int:
        started.set()
        go_on.wait(10)
        return 1

    @app.actor
    def run() -> int:
        runs.append(1)
        return 1

    with app.worker(threads=1) as worker:
        first = hold.send()
        started.wait(10)
        worker.pump._appetite._prefetch = Prefetch(rate=1.0)  # a worker that claims ahead
        second = run.send()
        assert second.cancel() is True
        time.sleep(1.3)  # see above
        go_on.set()
        assert fault(second.get()) == "Cancelled"
        assert first.get() == Success(1)

    assert runs == []


def test_cancelling_a_pipeline_cancels_what_waits_of_it(app: App) -> None:
    @app.actor
    def one() -> int:
        return 1

    @app.actor
    def double(n: int) -> int:
        return 2 * n

    handle = (one.call().delay(60_000) | double).send()

    assert handle.cancel() is True
    app.run_until_idle()
    assert fault(handle.get(0)) == "Cancelled"
