"""`AgeLimit`: a message that waited too long is not run."""

from datetime import timedelta

import pytest

from fq import AgeLimit, AgeLimitExceeded, Dead, LayerError, Message, Outcome, Results, Store, age_limit, default_middleware
from fq.testing import message


def ran(layer: AgeLimit, sent: Message) -> bool:
    reached: list[Message] = []

    def handler(message: Message) -> Outcome:
        reached.append(message)
        return Outcome.success()

    layer.wrap(handler)(sent)
    return reached == [sent]


@pytest.mark.parametrize(("age", "runs"), [(0, True), (99, True), (100, False), (101, False), (10**15, False), (-5, True)])
def test_a_message_runs_while_it_is_younger_than_max_age(age: int, runs: bool) -> None:
    assert ran(age_limit(max_age=100), message("add", message_timestamp=1_000, received_at=1_000 + age)) is runs


def test_an_expired_message_is_a_dead_letter_that_says_how_old_it_was() -> None:
    outcome = age_limit(max_age=100).wrap(lambda _: Outcome.success())(message("add", message_timestamp=1_000, received_at=1_250))

    assert outcome == Outcome.failure(AgeLimitExceeded("add was 250 ms old, its max_age is 100 ms"))


def test_no_limit_is_the_default() -> None:
    assert AgeLimit() == age_limit() == age_limit(max_age=None)
    assert ran(age_limit(), message("add", received_at=10**15))


def test_the_limit_may_be_a_timedelta() -> None:
    assert age_limit(max_age=timedelta(minutes=1)) == age_limit(max_age=60_000)


def test_a_message_may_set_or_lift_the_limit() -> None:
    assert not ran(age_limit(), message("add", received_at=200, max_age=100))
    assert ran(age_limit(max_age=100), message("add", received_at=200, max_age=None))
    assert ran(age_limit(max_age=100), message("add", received_at=200, max_age=300))


def test_delays_and_retries_count_towards_the_age() -> None:
    layer = age_limit(max_age=1_000)
    sent = message("add", message_timestamp=1_000, received_at=1_500)

    assert ran(layer, sent)
    assert not ran(layer, message("add", message_timestamp=1_000, received_at=2_000, retries=1))


def test_an_expired_message_is_not_retried_and_its_failure_is_stored() -> None:
    stack = default_middleware.replace(age_limit(max_age=1))
    outcome = stack.wrap(lambda _: Outcome.success())(message("add", received_at=2))

    assert isinstance(outcome.result.failure(), Dead)
    (store,) = outcome.effects
    assert isinstance(store, Store)
    assert store.result.failure() == AgeLimitExceeded("add was 2 ms old, its max_age is 1 ms")
    assert isinstance(stack.get(Results), Results)


@pytest.mark.parametrize("value", ["abc", -1, 1.5, True, [1]])
def test_a_limit_that_is_none_is_a_dead_letter_that_says_so(value: object) -> None:
    outcome = age_limit().wrap(lambda _: Outcome.success())(message("add", max_age=value))

    assert isinstance(outcome.error, LayerError)
    assert str(outcome.error).startswith(f"AgeLimit raised OptionError: max_age: found {value!r}, expected a duration")
