"""Durations: ms inside, timedelta at the door."""

from datetime import timedelta

import pytest

from fq import OptionError
from fq.core.duration import MAX_DURATION_MS, limit_ms, optional_ms, to_ms

INFINITE = float("inf")


@pytest.mark.parametrize(
    ("duration", "milliseconds"),
    [
        (0, 0),
        (250, 250),
        (MAX_DURATION_MS, MAX_DURATION_MS),
        (timedelta(0), 0),
        (timedelta(seconds=1.5), 1_500),
        (timedelta(days=7), 604_800_000),
        (timedelta(microseconds=1_999), 1),
    ],
)
def test_a_duration_is_ms_or_a_timedelta(duration: int | timedelta, milliseconds: int) -> None:
    assert to_ms(duration) == milliseconds


@pytest.mark.parametrize(
    "duration", [-1, MAX_DURATION_MS + 1, 1.5, INFINITE, float("nan"), True, "1s", None, timedelta(seconds=-1), timedelta.max, [1]]
)
def test_anything_else_is_refused_with_what_was_found_and_expected(duration: object) -> None:
    with pytest.raises(OptionError) as caught:
        to_ms(duration)  # type: ignore[arg-type]

    assert str(caught.value) == (
        f"found {duration!r}, expected a duration: a timedelta, or milliseconds, a whole number from 0 to 4503599627370495"
    )


def test_an_optional_duration_may_be_none() -> None:
    assert optional_ms(None) is None
    assert optional_ms(timedelta(seconds=1)) == 1_000


def test_a_limit_may_be_infinite() -> None:
    assert limit_ms(INFINITE) == INFINITE
    assert limit_ms(timedelta(seconds=1)) == 1_000


@pytest.mark.parametrize("limit", [-INFINITE, float("nan"), 1.5, None, "inf"])
def test_a_limit_may_be_no_other_float(limit: object) -> None:
    with pytest.raises(OptionError):
        limit_ms(limit)  # type: ignore[arg-type]
