"""`Handle.cancel`, with a worker inside this process."""

import asyncio
import logging
import threading
import time
from typing import ClassVar

import pytest
from attrs import frozen
from returns.result import Failure, Success

from fq import (
    App,
    Cancelled,
    Enqueue,
    Fault,
    GroupCallbacks,
    Message,
    Middleware,
    Outcome,
    Retry,
    Rule,
    Step,
    age_limit,
    poison_limit,
    rate_limit,
)
from fq.testing import message
from fq.wire.codec import decode_result
from fq.worker.process.prefetch import Prefetch


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
        try:
            started.set()
            await asyncio.sleep(60)
        finally:
            seen.append("cleaned up")
        return 1

    with app.worker(threads=1):
        handle = wait.send()
        started.wait(60)
        assert handle.cancel() is True
        assert fault(handle.get()) == "Cancelled"

    assert seen == ["cleaned up"]


def test_a_running_sync_actor_that_opted_in_is_interrupted(app: App) -> None:
    started, seen = threading.Event(), []

    @app.actor(cancellable=True)
    def spin() -> int:
        try:
            started.set()
            while True:
                time.sleep(0.001)
        except Cancelled:
            seen.append("interrupted")
            raise

    with app.worker(threads=1):
        handle = spin.send()
        started.wait(60)
        handle.cancel()
        assert fault(handle.get()) == "Cancelled"

    assert seen == ["interrupted"]


def test_a_running_sync_actor_that_did_not_opt_in_finishes(app: App) -> None:
    started, go_on = threading.Event(), threading.Event()

    @app.actor
    def hold() -> int:
        started.set()
        go_on.wait(60)
        return 1

    with app.worker(threads=1):
        handle = hold.send()
        started.wait(60)
        assert handle.cancel() is True
        time.sleep(1.3)  # longer than the worker goes without hearing from its broker
        go_on.set()
        assert handle.get() == Success(1)


def test_a_claimed_message_that_has_not_started_never_starts(app: App) -> None:
    started, go_on, runs = threading.Event(), threading.Event(), []

    @app.actor
    def hold() -> int:
        started.set()
        go_on.wait(60)
        return 1

    @app.actor
    def run() -> int:
        runs.append(1)
        return 1

    with app.worker(threads=1) as worker:
        first = hold.send()
        started.wait(60)
        worker.dispatcher._policy.prefetch = Prefetch(rate=1.0)  # a worker that claims ahead
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


@frozen
class NotNow(Step):
    """A layer that puts off whatever comes."""

    outside_of: ClassVar[tuple[Rule, ...]] = (Rule(GroupCallbacks, "so that nothing is outside of it"),)

    def before(self, message: Message) -> Message | Outcome:
        return Outcome(Failure(Retry(message, 3_600_000)))


OUTSIDE = [NotNow(), age_limit(max_age=1), poison_limit(max_deliveries=1)]


@pytest.mark.parametrize("layer", OUTSIDE, ids=lambda layer: type(layer).__name__)
@pytest.mark.parametrize("is_async", [False, True])
def test_a_cancelled_message_ends_as_that_whatever_a_layer_would_have_said(app: App, layer: Middleware, is_async: bool) -> None:
    def run() -> int:
        return 1

    async def arun() -> int:
        return 1

    actor = app.actor(layer)(arun if is_async else run)
    handle = actor.call().delay(60_000).send()
    handle.cancel()
    app.run_until_idle()

    assert fault(handle.get(0)) == "Cancelled"
    assert app.broker.dead_letters() == ()


def test_a_cancelled_message_takes_no_slot_of_a_limit(app: App) -> None:
    @app.actor(rate_limit(limit=1, window=3_600_000))
    def run() -> int:
        return 1

    run.send()
    app.run_until_idle()
    began = app.broker.now()
    handle = run.send()
    handle.cancel()
    app.run_until_idle()

    assert fault(handle.get(0)) == "Cancelled"
    assert app.broker.now() - began < 60_000, "it did not wait for the next window"


def test_a_cancelled_message_of_an_unknown_actor_does_not_wait_for_one(app: App) -> None:
    app.enqueue(Enqueue(message("nobody", message_id="m1"), 60_000))

    assert app.broker.cancel("m1") is True
    assert app.run_until_idle() == 1
    assert decode_result(app.broker.result("m1") or b"").failure().type == "Cancelled"


def test_what_was_cancelled_is_no_dead_letter_and_no_error(app: App, caplog: pytest.LogCaptureFixture) -> None:
    @app.actor
    def run() -> int:
        return 1

    @app.actor
    def told(message: object, error: dict[str, str]) -> None:
        heard.append(error["type"])

    heard: list[str] = []
    handle = run.call().with_options(on_failure=told).delay(60_000).send()
    handle.cancel()
    app.run_until_idle()

    assert app.broker.dead_letters() == ()
    assert app.requeue([handle.message_id]) == 0
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert heard == ["Cancelled"]
