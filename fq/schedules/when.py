"""
When a schedule ticks: `Cron` and `Every`, and `next_tick`, `ticks` and `latest_tick`, functions of the time that they are given.

All times are ms since the epoch. CronSim finds the dates of a cron expression, with the rules of Debian's cron for the days on which the clocks change. It
is optional: ``fq[cron]``.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from difflib import get_close_matches
from functools import lru_cache
from itertools import takewhile
from types import ModuleType
from typing import TYPE_CHECKING, TypeAlias, cast
from zoneinfo import ZoneInfo, available_timezones

from attrs import field, frozen

from fq.core.duration import Duration, to_ms
from fq.errors import ConfigError, OptionError, ScheduleError
from fq.schedules.cron_errors import explain_cron_error

if TYPE_CHECKING:
    from cronsim import CronSim

FIRST_LOOK_BACK_MS = 3_600_000
"""`latest_tick` looks back this far first, then four times as far, and so on."""

UNITS = (("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1_000), ("ms", 1))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _expression(text: object) -> str:
    """Return *text* if it is a cron expression; raises `ScheduleError` that says where it is wrong."""
    if not isinstance(text, str):
        raise ScheduleError(f"found {text!r} as a cron expression, expected a text such as '0 9 * * MON-FRI'")
    if not _is_expression(text):
        raise ScheduleError(f"cron: {explain_cron_error(text, _is_expression)}")
    return " ".join(text.split())


@lru_cache(10_000)
def _is_expression(text: str) -> bool:
    try:
        return next(cron_dates(text, EPOCH), None) is not None
    except _cronsim().CronSimError:
        return False


def cron_dates(expression: str, after: datetime) -> "CronSim":
    """Return the dates of *expression* that come after *after*."""
    dates: CronSim = _cronsim().CronSim(expression, after)
    return dates


def _cronsim() -> ModuleType:
    try:
        import cronsim
    except ImportError:
        raise ConfigError(
            "cron expressions need CronSim, which is not installed: pip install 'fq[cron]'; `every` works without it"
        ) from None
    return cronsim


def _zone_name(zone: object) -> str:
    """Return the name of *zone*, a time zone; raises `ScheduleError` if there is none."""
    name = zone.key if isinstance(zone, ZoneInfo) else "UTC" if zone is UTC else zone
    if not isinstance(name, str) or not name:
        raise ScheduleError(f"tz: found {zone!r}, expected the name of a time zone, such as 'Europe/Berlin' or 'UTC'")
    zone_of(name)
    return name


def zone_of(name: str) -> tzinfo:
    """
    Return the time zone called *name*.

    Raises:
        ScheduleError: there is none; has the nearest names, and what to install.
    """
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        zones, place = sorted(available_timezones()), name.lower().replace(" ", "_")
        near = get_close_matches(name, zones, 1) or [zone for zone in zones if zone.lower().rpartition("/")[2] == place]
        meant = f"did you mean {near[0]!r}?" if near else "expected a name such as 'Europe/Berlin' or 'UTC'."
        raise ScheduleError(
            f"tz: found {name!r}, which is no time zone here: {meant} If this host has no time zones: pip install tzdata"
        ) from None


@frozen
class Cron:
    """
    The dates of a cron expression, on the clocks of a time zone.

    >>> Cron("0 9 * * MON-FRI", tz="Europe/Berlin")
    Cron(expression='0 9 * * MON-FRI', tz='Europe/Berlin')

    Attributes:
        expression: five fields: minute, hour, day of month, month, day of week; or six, with the second first.

        tz: the name of the time zone.

    Raises:
        ScheduleError: a wrong expression, or an unknown time zone.
        ConfigError: CronSim is not installed.
    """

    expression: str = field(converter=_expression)
    tz: str = field(default="UTC", converter=_zone_name)

    def __str__(self) -> str:
        return f"{self.expression} ({self.tz})"


def _period(duration: object) -> int:
    if isinstance(duration, timedelta) and duration % timedelta(milliseconds=1):
        raise ScheduleError(f"every: found {duration!r}, expected whole milliseconds")
    try:
        period = to_ms(cast("Duration", duration))
    except OptionError:
        period = 0
    if period < 1:
        raise ScheduleError(f"every: found {duration!r}, expected a timedelta, or milliseconds, of 1 ms at least")
    return period


@frozen
class Every:
    """
    The whole multiples of *period* ms since 1970 in UTC: so every worker, and every version of the code, knows the same ticks.

    >>> Every(timedelta(seconds=30))
    Every(period=30000)

    Raises:
        ScheduleError: a period of less than 1 ms, or of parts of a ms.
    """

    period: int = field(converter=_period)

    def __str__(self) -> str:
        return in_words(self)


When: TypeAlias = Cron | Every
"""When a schedule ticks."""


def cron(expression: str, tz: str | ZoneInfo = "UTC") -> Cron:
    """
    Return the dates of *expression*, five fields as in a crontab, on the clocks of *tz*.

    Raises:
        ScheduleError: a wrong expression, or an unknown time zone.
        ConfigError: CronSim is not installed: ``pip install 'fq[cron]'``.
    """
    return Cron(expression, cast("str", tz))


def every(period: Duration) -> Every:
    """
    Return all whole multiples of *period* (ms or timedelta) since 1970 in UTC.

    Raises:
        ScheduleError: a period of less than 1 ms, or of parts of a ms.
    """
    return Every(cast("int", period))


def next_tick(when: When, after: int) -> int:
    """
    Return the first tick later than *after*.

    >>> next_tick(every(30_000), 60_000)
    90000
    """
    return next(ticks(when, after))


def ticks(when: When, after: int, until: float = float("inf")) -> Iterator[int]:
    """Yield the ticks later than *after*, up to *until*."""
    return takewhile(lambda tick: tick <= until, _all_ticks(when, after))


def _all_ticks(when: When, after: int) -> Iterator[int]:
    match when:
        case Every(period):
            tick = after - after % period
            while True:
                tick += period
                yield tick
        case Cron(expression, tz):
            last = after
            for date in cron_dates(expression, at(after, zone_of(tz))):
                if (tick := _ms(date)) > last:  # an hour that the clocks repeat is over once; so is one that they leave out
                    yield tick
                    last = tick


def latest_tick(when: When, after: int, until: int) -> int | None:
    """
    Return the latest tick later than *after*, up to *until*; None if there is none.

    >>> latest_tick(every(30_000), 0, 100_000), latest_tick(every(30_000), 90_000, 100_000)
    (90000, None)
    """
    if isinstance(when, Every):
        tick = until - until % when.period
        return tick if tick > after else None
    back = FIRST_LOOK_BACK_MS
    while True:
        begin = max(after, until - back)
        latest = None
        for latest in ticks(when, begin, until):  # noqa: B007  # the last one is wanted
            pass
        if latest is not None or begin == after:
            return latest
        back *= 4


def at(time: int, zone: tzinfo = UTC) -> datetime:
    """Return *time* as a date in *zone*."""
    return (EPOCH + timedelta(milliseconds=time)).astimezone(zone)


def _ms(date: datetime) -> int:
    return (date - EPOCH) // timedelta(milliseconds=1)


def zone(when: When) -> tzinfo:
    """Return the time zone in which to show the ticks of *when*."""
    return zone_of(when.tz) if isinstance(when, Cron) else UTC


def in_words(when: When) -> str:
    """
    Return *when* in words.

    >>> in_words(every(90_000)), in_words(every(3_600_000))
    ('every 90 seconds', 'every hour')
    >>> in_words(cron("0 9 * * MON-FRI", "Europe/Berlin"))
    'At 09:00 on Monday through Friday, Europe/Berlin'
    """
    if isinstance(when, Cron):
        return f"{cron_dates(when.expression, EPOCH).explain()}, {when.tz}"
    unit, size = next(each for each in UNITS if when.period % each[1] == 0)
    count = when.period // size
    return f"every {unit}" if count == 1 else f"every {count} {unit}{'' if unit == 'ms' else 's'}"


def when_as_json(when: When) -> dict[str, object]:
    """Return *when* as JSON."""
    return {"every": when.period} if isinstance(when, Every) else {"cron": when.expression, "tz": when.tz}


def when_from_json(written: Mapping[str, object]) -> When:
    """Return what `when_as_json` has *written*."""
    if "every" in written:
        return Every(cast("int", written["every"]))
    return Cron(cast("str", written["cron"]), cast("str", written["tz"]))
