"""Durations: `int` milliseconds inside fq, `timedelta` accepted in its interface."""

from datetime import timedelta
from typing import TypeAlias

from fq.errors import MAX_DURATION_MS, OptionError

Duration: TypeAlias = int | timedelta


def to_ms(duration: Duration) -> int:
    """
    Return *duration* in ms.

    >>> to_ms(timedelta(seconds=1.5)), to_ms(250)
    (1500, 250)

    Raises:
        OptionError: *duration* is neither an int (ms) nor a timedelta, or negative, or longer than `MAX_DURATION_MS`.
    """
    milliseconds = duration // timedelta(milliseconds=1) if isinstance(duration, timedelta) else duration
    if type(milliseconds) is not int or not 0 <= milliseconds <= MAX_DURATION_MS:
        raise OptionError(
            f"found {duration!r}, expected a duration: a timedelta, or milliseconds, a whole number from 0 to {MAX_DURATION_MS}"
        )
    return milliseconds


def optional_ms(duration: Duration | None) -> int | None:
    """Return *duration* in ms, or None for None."""
    return None if duration is None else to_ms(duration)


def limit_ms(duration: Duration | float) -> float:
    """Return *duration* in ms; ``float("inf")`` is allowed and means no limit."""
    return duration if duration == float("inf") else to_ms(duration)  # type: ignore[return-value, arg-type]  # inf is the only float allowed


__all__ = ["MAX_DURATION_MS", "Duration", "limit_ms", "optional_ms", "to_ms"]
