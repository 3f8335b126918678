"""Durations: int milliseconds inside, `timedelta` welcome at the door."""

from datetime import timedelta
from typing import TypeAlias

from fq.errors import OptionError

Duration: TypeAlias = int | timedelta


def to_ms(duration: Duration) -> int:
    """
    Return *duration* in ms.

    >>> to_ms(timedelta(seconds=1.5)), to_ms(250)
    (1500, 250)

    Raises:
        OptionError: anything but an int (ms) or a timedelta, or a negative one.
    """
    milliseconds = duration // timedelta(milliseconds=1) if isinstance(duration, timedelta) else duration
    if type(milliseconds) is not int or milliseconds < 0:
        raise OptionError(f"found {duration!r}, expected a duration: a whole number of milliseconds, or a timedelta, not negative")
    return milliseconds


def optional_ms(duration: Duration | None) -> int | None:
    """Return *duration* in ms, or None for None."""
    return None if duration is None else to_ms(duration)


def limit_ms(duration: Duration | float) -> float:
    """Return *duration* in ms; ``float("inf")`` is allowed and means no limit."""
    return duration if duration == float("inf") else to_ms(duration)  # type: ignore[return-value, arg-type]  # inf is the only float let through
