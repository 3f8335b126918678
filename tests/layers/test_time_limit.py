"""`TimeLimit`: sets the limit that the worker enforces. How it is enforced is tested in ``tests/worker``."""

from datetime import timedelta

import pytest

from fq import Dead, LayerError, Message, Outcome, Retry, TimeLimit, TimeLimitExceeded, compose, default_middleware, retries, time_limit
from fq.core.message import TIME_LIMIT
from fq.execution.handler import sync_handler
from fq.layers.time_limit import time_limit_exceeded
from fq.testing import message
from fq.wire.signature import Signature

INFINITE = float("inf")


def limit_of(layer: TimeLimit, sent: Message) -> object:
    """Return the limit that the actor runs under."""
    return layer.wrap(lambda message: Outcome.success(message.time_limit))(sent).result.unwrap()


def test_ten_minutes_are_the_default_looked_at_once_a_second() -> None:
    assert TimeLimit() == time_limit() == time_limit(time_limit=600_000, interval=1_000)
    assert limit_of(time_limit(), message("add")) == 600_000


def test_without_the_layer_there_is_no_limit() -> None:
    assert message("add").time_limit == INFINITE


def test_the_limit_may_be_a_timedelta_or_infinite() -> None:
    assert limit_of(time_limit(time_limit=timedelta(seconds=1)), message("add")) == 1_000
    assert limit_of(time_limit(time_limit=INFINITE), message("add")) == INFINITE


@pytest.mark.parametrize("limit", [0, 1, 5_000, INFINITE])
def test_the_message_has_its_way_over_the_actor(limit: float) -> None:
    assert limit_of(time_limit(time_limit=30), message("add", time_limit=limit)) == limit


def test_the_outcome_is_left_alone() -> None:
    for outcome in (Outcome.success(3), Outcome.failure(ValueError("no")), Outcome.drop("no")):
        assert time_limit().wrap(lambda _, outcome=outcome: outcome)(message("add")) is outcome


def never() -> None:
    raise AssertionError("it ran")


def test_a_message_whose_process_had_to_be_killed_is_answered_for_without_running_again() -> None:
    handle = time_limit(time_limit=50).wrap(sync_handler(never, Signature.of(never)))

    assert handle(message("add", interrupted=TIME_LIMIT)) == Outcome.failure(
        TimeLimitExceeded("add ran longer than its time limit of 50 ms")
    )


def test_such_an_attempt_is_retried_until_no_retries_are_left() -> None:
    handle = compose(retries(max_retries=1), time_limit()).wrap(sync_handler(never, Signature.of(never)))

    assert isinstance(handle(message("add", interrupted=TIME_LIMIT)).result.failure(), Retry)
    assert isinstance(handle(message("add", interrupted=TIME_LIMIT, retries=1)).result.failure(), Dead)


@pytest.mark.parametrize(("limit", "shown"), [(50, "50"), (600_000, "600000"), (86_400_000, "86400000"), (INFINITE, "inf")])
def test_the_error_gives_the_limit_in_whole_ms(limit: float, shown: str) -> None:
    assert str(time_limit_exceeded("add", limit)) == f"add ran longer than its time limit of {shown} ms"


@pytest.mark.parametrize("value", ["abc", -1, 1.5, None, float("nan"), True])
def test_a_limit_that_is_none_is_a_dead_letter_that_says_so(value: object) -> None:
    outcome = time_limit().wrap(lambda _: Outcome.success())(message("add", time_limit=value))

    assert isinstance(outcome.error, LayerError)
    assert str(outcome.error).startswith(f"TimeLimit raised OptionError: time_limit: found {value!r}, expected a duration")


def test_it_is_inside_retries_in_the_default_stack() -> None:
    assert list(default_middleware).index(time_limit()) > list(default_middleware).index(retries())
