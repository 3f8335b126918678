"""Outcomes of actors on the memory and the SQLite broker: results, retries, failures, their log records, and time limits."""

import asyncio
import logging
from datetime import timedelta
from itertools import pairwise

import pytest
from returns.result import Failure, Result, Success

from fq import (
    ActorFailure,
    App,
    Fault,
    Message,
    Outcome,
    RetryAfter,
    SkipMessage,
    Snooze,
    Step,
    TimeLimitExceeded,
    get_current_message,
)
from tests.calls.actors import fault_of


def test_a_failing_actor_is_tried_again_and_its_result_is_that_of_the_last_attempt(memory: App) -> None:
    attempts: list[int] = []

    @memory.actor(max_retries=3)
    def third_time_lucky() -> int:
        attempts.append(1)
        if len(attempts) < 3:
            raise OSError("disk")
        return len(attempts)

    handle = third_time_lucky.send()

    assert memory.run_until_idle() == 3
    assert handle.get() == Success(3)
    assert memory.broker.dead_letters() == ()


def test_an_actor_that_keeps_failing_ends_as_a_dead_letter_whose_fault_is_the_result(app: App) -> None:
    @app.actor(max_retries=0)
    def fails() -> int:
        raise OSError("disk")

    handle = fails.send()
    app.run_until_idle()
    fault = handle.get().failure()

    assert isinstance(fault, Fault)
    assert (fault.type, fault.message) == ("OSError", "disk")
    assert 'raise OSError("disk")' in fault.traceback
    assert fault_of(app) == fault
    assert handle.status().state == "dead"


def test_retry_after_and_snooze_run_again_after_exactly_their_delay(memory: App) -> None:
    at: list[int] = []

    @memory.actor(max_retries=1)
    def stubborn() -> None:
        message = get_current_message()
        assert message is not None
        at.append(message.received_at)
        if len(at) < 3:
            raise Snooze(timedelta(minutes=1))
        if len(at) == 3:
            raise RetryAfter(2_500)

    stubborn.send()
    memory.run_until_idle()

    assert [later - sooner for sooner, later in pairwise(at)] == [60_000, 60_000, 2_500]
    assert memory.broker.dead_letters() == ()


def test_an_actor_may_return_a_result(app: App) -> None:
    @app.actor(max_retries=0)
    def divide(a: int, b: int) -> Result[float, ZeroDivisionError]:
        return Success(a / b) if b else Failure(ZeroDivisionError("by nought"))

    good, bad = divide.send(1, 2), divide.send(1, 0)
    app.run_until_idle()

    assert good.get() == Success(0.5)
    fault = bad.get().failure()
    assert isinstance(fault, Fault)
    assert (fault.type, fault.message) == ("ZeroDivisionError", "by nought")


def test_a_failure_of_something_that_is_no_exception_is_one_all_the_same(app: App) -> None:
    @app.actor(max_retries=0)
    def refuses() -> Result[int, str]:
        return Failure("out of paper")

    refuses.send()
    app.run_until_idle()

    assert fault_of(app) == Fault(ActorFailure.__name__, "out of paper")


def test_a_skipped_message_is_acknowledged_without_a_result(app: App) -> None:
    @app.actor
    def skips() -> int:
        raise SkipMessage("not on Sundays")

    handle = skips.send()

    assert app.run_until_idle() == 1
    assert app.broker.dead_letters() == ()
    assert app.broker.result(handle.message_id) is None


def test_a_message_that_a_layer_skips_never_reaches_the_actor(app: App) -> None:
    class Sabbath(Step):
        def before(self, message: Message) -> Message | Outcome:
            raise SkipMessage("not on Sundays")

    ran: list[int] = []

    @app.actor(Sabbath())
    def remember() -> None:
        ran.append(1)

    remember.send()

    assert app.run_until_idle() == 1
    assert ran == []


def test_a_layer_that_raises_fails_closed(app: App) -> None:
    class Guard(Step):
        def before(self, message: Message) -> Message:
            raise PermissionError("the vault is shut")

    ran: list[int] = []

    @app.actor(Guard(), max_retries=0)
    def remember() -> None:
        ran.append(1)

    remember.send()
    app.run_until_idle()

    assert ran == []
    assert fault_of(app).message == "Guard raised PermissionError: the vault is shut"


def test_a_message_that_is_too_old_never_reaches_the_actor() -> None:
    ran: list[int] = []
    memory = App("memory://")

    @memory.actor(max_age=60_000)
    def remember(n: int) -> int:
        ran.append(n)
        return n

    late = remember.call(1).delay(60_000).send()
    soon = remember.call(2).delay(30_000).send()
    own = remember.call(3).with_options(max_age=timedelta(hours=1)).delay(120_000).send()
    memory.run_until_idle()

    assert ran == [2, 3]
    assert (soon.get(), own.get()) == (Success(2), Success(3))
    fault = late.get().failure()
    assert isinstance(fault, Fault)
    assert fault.type == "AgeLimitExceeded"
    assert fault == fault_of(memory) == late.get().failure()


# Logging


def levels(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the levels of the records that the worker logged."""
    return [record.levelname for record in caplog.records if record.name.startswith("fq")]


def test_an_error_that_an_actor_raises_on_purpose_is_not_logged_as_an_error(memory: App, caplog: pytest.LogCaptureFixture) -> None:
    @memory.actor(throws=(KeyError, ValueError))
    def expects() -> None:
        raise ValueError("as it may")

    expects.send()
    with caplog.at_level(logging.INFO, "fq"):
        memory.run_until_idle()

    assert levels(caplog) == ["INFO"]
    assert "expects() failed, as expected: ValueError: as it may" in caplog.text


def test_a_retry_is_logged_as_a_warning_a_snooze_not_at_all_and_only_the_end_as_an_error(
    memory: App, caplog: pytest.LogCaptureFixture
) -> None:
    left = [Snooze(5), RetryAfter(5), OSError("disk"), OSError("disk")]

    @memory.actor(max_retries=2)
    def fails() -> None:
        raise left.pop(0)

    fails.send()
    with caplog.at_level(logging.INFO, "fq"):
        memory.run_until_idle()

    assert levels(caplog) == ["WARNING", "WARNING", "ERROR"]
    assert "fails() failed and is now a dead letter: OSError: disk" in caplog.text


# Time limits, with a worker


def spin() -> None:
    """Run until interrupted."""
    while True:
        pass


def test_an_actor_that_overruns_its_time_limit_is_cut_short(app: App) -> None:
    @app.actor(time_limit=50, interval=10, max_retries=0)
    def spins() -> int:
        spin()
        return 1

    @app.actor(time_limit=50, interval=10, max_retries=0)
    async def waits() -> int:
        await asyncio.Event().wait()
        return 1

    with app.worker(threads=2):
        faults = [actor.send().get(30_000).failure() for actor in (spins, waits)]

    assert faults[0] == Fault("TimeLimitExceeded", "spins ran longer than its time limit of 50 ms", faults[0].traceback)  # type: ignore[union-attr]
    assert faults[1] == Fault("TimeLimitExceeded", "waits ran longer than its time limit of 50 ms", faults[1].traceback)  # type: ignore[union-attr]


def test_a_message_may_have_a_time_limit_of_its_own(app: App) -> None:
    @app.actor(interval=10, max_retries=0)
    def spins() -> int:
        spin()
        return 1

    with app.worker(threads=1):
        fault = spins.call().with_options(time_limit=50).send().get(30_000).failure()

    assert isinstance(fault, Fault)
    assert fault.type == "TimeLimitExceeded"


def test_an_actor_may_catch_the_end_of_its_time_and_return_what_it_has(app: App) -> None:
    @app.actor(time_limit=50, interval=10, max_retries=0)
    def tidies_up() -> str:
        try:
            spin()
        except TimeLimitExceeded:
            return "as far as I got"
        return "all"

    with app.worker(threads=1):
        assert tidies_up.send().get_result(block=True, timeout=30_000) == "as far as I got"
