"""Times and durations for people. Pure."""

from datetime import UTC, datetime

from fq.core.duration import SECOND, duration


def clock_time(at: int) -> str:
    """
    Return *at*, ms since the epoch, as date and time of UTC; ``-`` for 0.

    >>> clock_time(1_800_000_000_123)
    '2027-01-15 08:00:00.123Z'
    """
    return f"{_seconds(at)}.{at % 1_000:03d}Z" if at else "-"


def moment(at: int, now: int) -> str:
    """
    Return *at* as date and time of UTC, to the second, and how long before or after *now* that is; ``-`` for 0.

    >>> moment(1_800_000_000_123, 1_800_000_090_123), moment(1_800_000_000_123, 1_799_999_995_123)
    ('2027-01-15 08:00:00Z (1 m 30 s ago)', '2027-01-15 08:00:00Z (in 5.0 s)')
    """
    return f"{_seconds(at)}Z ({relative(at, now)})" if at else "-"


def relative(at: int, now: int) -> str:
    """
    Return how long before or after *now* the time *at* is.

    >>> relative(0, 90_000), relative(90_000, 0), relative(100, 0)
    ('1 m 30 s ago', 'in 1 m 30 s', 'now')
    """
    if abs(at - now) < SECOND:
        return "now"
    return f"{duration(now - at)} ago" if at < now else f"in {duration(at - now)}"


def _seconds(at: int) -> str:
    try:
        return datetime.fromtimestamp(at // 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{at // 1_000} s after 1970"


__all__ = ["clock_time", "duration", "moment", "relative"]
