"""Durations: `int` milliseconds inside fq, `timedelta` accepted in its interface."""

from datetime import timedelta
from typing import TypeAlias

from fq.errors import MAX_DURATION_MS, OptionError

Duration: TypeAlias = int | timedelta

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000


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


def duration(ms: int) -> str:
    """
    Return *ms* in the unit that suits it, with two figures or more.

    >>> [duration(ms) for ms in (7, 1_500, 90_000, 5_400_000, 200_000_000)]
    ['7 ms', '1.5 s', '1 m 30 s', '1 h 30 m', '2 d 7 h']
    """
    if ms < SECOND:
        return f"{ms} ms"
    if ms < MINUTE:
        return f"{ms / SECOND:.1f} s"
    unit, smaller, names = (DAY, HOUR, "dh") if ms >= DAY else (HOUR, MINUTE, "hm") if ms >= HOUR else (MINUTE, SECOND, "ms")
    return f"{ms // unit} {names[0]} {ms % unit // smaller} {names[1]}"


__all__ = ["DAY", "HOUR", "MAX_DURATION_MS", "MINUTE", "SECOND", "Duration", "duration", "limit_ms", "optional_ms", "to_ms"]
