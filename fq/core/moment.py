"""`epoch_ms`: a point in time, given as a `datetime`, in ms since the epoch."""

from datetime import UTC, datetime, timedelta

from fq.errors import OptionError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def epoch_ms(moment: datetime) -> int:
    """
    Return *moment* in ms since the epoch.

    >>> epoch_ms(datetime(2030, 3, 1, 9, tzinfo=UTC))
    1898586000000

    Raises:
        OptionError: it is no datetime, or has no time zone.
    """
    if not isinstance(moment, datetime):
        raise OptionError(f"found {moment!r}, expected a datetime with a time zone, such as datetime(2030, 3, 1, 9, tzinfo=UTC)")
    if moment.utcoffset() is None:
        raise OptionError(
            f"found {moment!r} without a time zone, expected one: write .replace(tzinfo=ZoneInfo('Europe/Berlin')) after it, "
            "or .astimezone() for the zone of this machine"
        )
    return (moment - _EPOCH) // timedelta(milliseconds=1)
