"""`Retries`: how long a message waits before the next attempt, by backoff or because its actor asked for a delay."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fq import (
    ActorFailure,
    Retries,
    Retry,
    RetryAfter,
    Snooze,
    retries,
)
from fq.core.derived_ids import jitter
from fq.core.duration import MAX_DURATION_MS
from fq.testing import message
from tests.layers.retrying import ERROR, WEEK, attempts, busy_machine, retry_of, setback_of


@pytest.mark.parametrize("n", range(12))
def test_the_delay_doubles_with_every_retry_and_jitter_adds_up_to_as_much_again(n: int) -> None:
    layer = retries(min_backoff=100, max_backoff=MAX_DURATION_MS)
    fraction = jitter("m1", n)

    assert layer.backoff_ms("m1", n) == int(100 * 2**n * (1 + fraction))
    assert 100 * 2**n <= layer.backoff_ms("m1", n) < 100 * 2 ** (n + 1)


@busy_machine
@given(st.integers(0, MAX_DURATION_MS), st.integers(0, MAX_DURATION_MS), st.integers(0, 10**9), st.text(min_size=1))
def test_the_delay_is_between_the_bounds(least: int, most: int, n: int, message_id: str) -> None:
    delay = retries(min_backoff=least, max_backoff=most).backoff_ms(message_id, n)

    assert 0 <= delay <= most
    assert delay >= min(least, most // 2)


@busy_machine
@given(st.integers(0, 40), st.text(min_size=1))
def test_a_delay_past_the_ceiling_lies_in_its_upper_half(n: int, message_id: str) -> None:
    delay = retries(min_backoff=10_000, max_backoff=8_000).backoff_ms(message_id, n)

    assert 4_000 <= delay < 8_000
    assert delay == int(8_000 * (1 + jitter(message_id, n)) / 2)


def test_the_default_delays_are_those_that_the_documentation_promises() -> None:
    for n in range(40):
        delay = Retries().backoff_ms("m1", n)
        assert delay < WEEK
        assert delay >= min(15_000 * 2**n, WEEK // 2)


def test_a_huge_number_of_retries_does_not_overflow() -> None:
    for n in (32, 33, 1_000, 10**6, 10**100):
        assert 0 < Retries().backoff_ms("m1", n) < WEEK
        assert retries(min_backoff=1, max_backoff=MAX_DURATION_MS).backoff_ms("m1", n) < 2**33


def test_no_backoff_means_at_once() -> None:
    assert retry_of(retries(min_backoff=0), message("add", retries=9)).delay == 0
    assert retry_of(retries(max_backoff=0), message("add", retries=9)).delay == 0


def test_the_same_message_waits_the_same_time_every_time() -> None:
    assert setback_of(retries(), message("add", retries=3)) == setback_of(retries(), message("add", retries=3))


def test_many_messages_that_fail_together_come_back_spread_out() -> None:
    delays = [retries(min_backoff=1_000).backoff_ms(f"message-{n}", 0) for n in range(1_000)]

    assert len(set(delays)) > 500
    assert min(delays) < 1_020
    assert max(delays) > 1_980
    assert all(sum(1_000 + 100 * tenth <= delay < 1_100 + 100 * tenth for delay in delays) > 60 for tenth in range(10))


def test_one_message_waits_another_fraction_each_time() -> None:
    layer = retries(min_backoff=1_000, max_backoff=MAX_DURATION_MS)

    assert len({layer.backoff_ms("m1", n) / 2**n for n in range(12)}) == 12


def test_backoffs_may_be_timedeltas() -> None:
    assert retries(min_backoff=timedelta(seconds=1), max_backoff=timedelta(hours=1)) == retries(min_backoff=1_000, max_backoff=3_600_000)


# RetryAfter and Snooze


@pytest.mark.parametrize("delay", [0, 100, timedelta(minutes=5), 2 * WEEK])
def test_an_actor_may_name_the_delay_of_its_retry_which_no_ceiling_cuts(delay: int | timedelta) -> None:
    error = RetryAfter(delay)
    retry = retry_of(retries(), message("add", retries=1), error)

    assert (retry.delay, retry.error) == (error.delay, error)
    assert retry.message.options == {"retries": 2}


def test_a_retry_after_uses_up_an_attempt() -> None:
    assert attempts(retries(max_retries=3), message("add"), RetryAfter(0)) == 4


def test_a_snooze_uses_up_no_attempt_and_is_no_error() -> None:
    sent = message("add", retries=3)

    assert setback_of(retries(max_retries=3), sent, Snooze(timedelta(hours=1))) == Retry(sent, 3_600_000)


def test_a_snooze_is_granted_with_any_settings_for_failures() -> None:
    assert setback_of(retries(max_retries=0), message("add"), Snooze(5)) == Retry(message("add"), 5)
    assert setback_of(retries(retry_when=lambda retries, error: False), message("add"), Snooze(5)) == Retry(message("add"), 5)


@pytest.mark.parametrize("kind", [RetryAfter, Snooze])
@pytest.mark.parametrize(("delay", "refusal"), [("soon", TypeError), (1.5, TypeError), (True, TypeError), (10**30, ValueError)])
def test_a_delay_that_is_none_is_refused_where_it_is_written(
    kind: Callable[[object], RetryAfter], delay: object, refusal: type[Exception]
) -> None:
    with pytest.raises(refusal, match="expected"):
        kind(delay)


@pytest.mark.parametrize("kind", [RetryAfter, Snooze])
@pytest.mark.parametrize("delay", [-1, timedelta(seconds=-5), -(10**30)])
def test_a_moment_that_has_passed_means_at_once(kind: Callable[[object], RetryAfter], delay: object) -> None:
    assert retry_of(retries(), message("add"), kind(delay)).delay == 0


@pytest.mark.parametrize("delay", ["soon", None, 1.5])
def test_a_subclass_that_asks_for_no_delay_waits_as_for_any_error(delay: object) -> None:
    class Odd(RetryAfter):
        def __init__(self) -> None:
            self.delay = delay  # type: ignore[assignment]  # as code without types may

    assert retry_of(retries(), message("add"), Odd()).delay == retry_of(retries(), message("add"), ERROR).delay


@pytest.mark.parametrize("raised", [AttributeError("no"), ValueError("no"), SystemExit(1)], ids=repr)
def test_an_error_that_cannot_be_asked_for_its_delay_is_tried_again_as_any_other(raised: BaseException) -> None:
    class Broken(RetryAfter):
        def __init__(self) -> None:
            pass

        @property
        def delay(self) -> int:  # type: ignore[override]  # as code without types may
            raise raised

    assert retry_of(retries(), message("add"), Broken()).delay == retry_of(retries(), message("add"), ERROR).delay


@pytest.mark.parametrize("raised", [AttributeError("no"), ValueError("no"), SystemExit(1)], ids=repr)
def test_an_error_that_cannot_be_asked_if_it_is_final_is_tried_again(raised: BaseException) -> None:
    class Broken(ActorFailure):
        @property
        def final(self) -> bool:  # type: ignore[override]  # as code without types may
            raise raised

    assert retry_of(retries(), message("add"), Broken("no")).delay == retry_of(retries(), message("add"), ERROR).delay
