"""The decisions of limiters, as pure functions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fq.brokers.limits.policy import (
    INITIAL_HOLD_MS,
    SHORT_WAIT_MS,
    Bucket,
    FirstSlot,
    Slots,
    Window,
    admits,
    estimated_wait,
    retry_delay,
    updated_hold_estimate,
)
from fq.errors import OptionError

limits = st.one_of(
    st.builds(Slots, st.integers(1, 100), st.integers(1, 10**9)),
    st.builds(Window, st.integers(1, 100), st.integers(1, 10**9)),
    st.builds(Bucket, st.integers(1, 100), st.integers(1, 10**9)),
)


@pytest.mark.parametrize("found", [0, -1, True, 1.5, "2", None])
@pytest.mark.parametrize("kind", [Slots, Window, Bucket])
def test_a_limit_is_a_whole_number_from_one(kind, found):
    with pytest.raises(OptionError, match=r"limit: found .* expected a whole number from 1"):
        kind(found, 1_000)


@pytest.mark.parametrize("found", [0, -1, 1.5, "2", None])
@pytest.mark.parametrize("kind", [Slots, Window, Bucket])
def test_a_time_is_at_least_a_millisecond(kind, found):
    with pytest.raises(OptionError, match="expected a duration"):
        kind(1, found)


def test_windows_and_buckets_of_different_length_are_counted_apart():
    names = {
        limit.name("mail") for limit in (Slots(1, 1), Slots(1, 2), Window(1, 1), Window(1, 2), Window(9, 2), Bucket(1, 1), Bucket(1, 2))
    }

    assert names == {"slots:mail", "window:1:mail", "window:2:mail", "bucket:1:mail", "bucket:2:mail"}


@given(limits, st.integers(0, 2**42))
def test_a_slot_ends_later_than_it_begins(limit, now):
    assert now < limit.expires_at(now)


@given(st.builds(Bucket, st.integers(1, 9), st.integers(1, 10**9)), st.integers(0, 2**42))
def test_a_bucket_ends_at_a_multiple_of_its_length(bucket, now):
    expires_at = bucket.expires_at(now)

    assert expires_at % bucket.bucket == 0
    assert expires_at - now <= bucket.bucket


@given(limits, st.integers(0, 100))
def test_nobody_is_admitted_without_a_slot(limit, ahead):
    assert not admits(limit, limit.limit, ahead)


@given(limits, st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 1_000))
def test_a_wait_is_at_least_a_millisecond_and_grows_with_the_line(limit, age, left, hold, rank):
    now = 10**9
    first = FirstSlot(now - age, now + left, hold)
    queues_up = [estimated_wait(limit, limit.limit, n, first, now) for n in (rank, rank + 1, rank + limit.limit)]

    assert 1 <= queues_up[0] <= queues_up[1] <= queues_up[2]


@given(st.integers(1, 20), st.integers(1, 10**6), st.integers(0, 50))
def test_the_turns_of_a_line_keep_to_the_rate(count, window, rank):
    """Between one turn and the turn of who is *limit* places behind there is a whole window, less what rounding takes."""
    window = max(window, count)
    turns = [estimated_wait(Window(count, window), count, n, FirstSlot(0, 500), now=100) for n in (rank, rank + count)]

    assert turns[1] - turns[0] >= window - 1


def test_an_exact_wait_is_slept_through_and_an_estimate_is_looked_at_again():
    first = FirstSlot(since=0, until=10**9, hold=1, known=0)

    assert retry_delay(Window(1, 10**6), 10**6, first, now=10**6) == 10**6
    assert retry_delay(Slots(1, 10**6), 10**6, first, now=10**6) == 333_333


def test_nobody_sleeps_longer_on_an_estimate_than_it_is_old():
    first = FirstSlot(since=0, until=10**9, hold=1, known=0)

    assert [retry_delay(Slots(1, 10**6), 10**6, first, now) for now in (0, 5_000, 50_000)] == [SHORT_WAIT_MS, 5_000, 50_000]


def test_a_slot_is_expected_free_when_as_long_has_passed_as_they_are_held_lately():
    assert estimated_wait(Slots(1, 10**6), 1, 0, FirstSlot(since=0, until=10**6, hold=1_000), now=300) == 700


def test_a_slot_is_never_expected_later_than_it_lapses():
    assert estimated_wait(Slots(1, 500), 1, 0, FirstSlot(since=0, until=500, hold=1_000), now=300) == 200


def test_who_holds_a_slot_for_longer_than_expected_is_looked_at_ever_less_often():
    first = FirstSlot(since=0, until=10**6, hold=160)
    queues_up = [estimated_wait(Slots(1, 10**6), 1, 0, first, now) for now in (160, 170, 200, 400, 10_000)]

    assert queues_up == [10, 10, 40, 240, 1_000]


def test_as_long_as_nothing_is_known_the_age_of_the_slot_is_the_guess():
    first = FirstSlot(since=0, until=10**6)
    queues_up = [estimated_wait(Slots(1, 10**6), 1, 0, first, now) for now in (0, 5, 300, 10_000)]

    assert queues_up == [INITIAL_HOLD_MS, INITIAL_HOLD_MS, 300, 1_000]


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_what_is_learnt_lies_between_what_was_known_and_what_was_seen(hold, held):
    low, high = (held, held) if hold == 0 else sorted((hold, held))

    assert max(1, low) - 1 <= updated_hold_estimate(hold, held) <= max(1, high)
