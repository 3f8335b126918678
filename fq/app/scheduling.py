"""`Scheduling`: the part of an `App` that declares schedules, and gives access to those in the broker."""

from datetime import datetime, timedelta
from typing import Protocol, Unpack
from zoneinfo import ZoneInfo

from fq.app.schedules import Schedules
from fq.brokers.protocol import Broker
from fq.calls.call import Call
from fq.core.duration import Duration, to_ms
from fq.errors import OptionError
from fq.execution.registry import Registry
from fq.schedules.schedule import Schedule, ScheduleOptions
from fq.schedules.when import EPOCH, cron, every


class HasSchedules(Protocol):
    """What `Scheduling` needs of the app."""

    @property
    def registry(self) -> Registry:
        """What the app declares."""
        ...

    @property
    def broker(self) -> Broker:
        """See `App.broker`."""
        ...


class Scheduling:
    """Schedules: in code, by `cron` and `every`; and at run time, by `schedules`."""

    def cron(
        self: HasSchedules,
        expression: str,
        call: Call[object],
        *,
        name: str,
        tz: str | ZoneInfo = "UTC",
        **options: Unpack[ScheduleOptions],
    ) -> Schedule:
        """
        Send *call* at the dates of a cron *expression*, on the clocks of *tz*. Workers of this app do that, and no other process is needed.

        >>> from fq import App
        >>> app = App("memory://")
        >>> @app.actor
        ... def report(kind: str) -> None: ...
        >>> schedule = app.cron("0 9 * * MON-FRI", report.call("daily"), tz="Europe/Berlin", name="daily report")
        >>> schedule.when
        Cron(expression='0 9 * * MON-FRI', tz='Europe/Berlin')

        *name* is its name in the broker. For *options* see `Schedule`.

        Raises:
            ScheduleError: a wrong expression, an unknown time zone, a bad option, or a name that is taken.
            ConfigError: CronSim is not installed: ``pip install 'fq[cron]'``.
            DeclarationError: an actor of another app.
        """
        schedule = Schedule(name, cron(expression, tz), call, **options)
        self.registry.schedules.add(schedule)
        return schedule

    def every(self: HasSchedules, period: Duration, call: Call[object], *, name: str, **options: Unpack[ScheduleOptions]) -> Schedule:
        """
        Send *call* at all whole multiples of *period* (ms or timedelta) since 1970 in UTC: every 30 seconds is at :00 and :30.

        >>> from fq import App
        >>> app = App("memory://")
        >>> @app.actor
        ... def poll() -> None: ...
        >>> schedule = app.every(30_000, poll.call(), name="poll", overlap="skip")
        >>> app.run_until_idle(until=60_000)
        2

        *name* is its name in the broker. For *options* see `Schedule`.

        Raises:
            ScheduleError: a period of less than 1 ms, a bad option, or a name that is taken.
            DeclarationError: an actor of another app.
        """
        schedule = Schedule(name, every(period), call, **options)
        self.registry.schedules.add(schedule)
        return schedule

    @property
    def schedules(self: HasSchedules) -> Schedules:
        """The schedules in the broker: to put more of them there, list, pause and remove them."""
        return Schedules(self.registry, self.broker)

    def run_until_idle(self: HasSchedules, *, until: Duration | datetime | None = None) -> int:
        """
        Run all waiting messages in this thread, one after the other, and return how many messages ran.

        With the memory broker, the clock jumps over delays, so retries and delayed messages run, too. With other brokers, messages that are not
        due yet stay where they are.

        Schedules fire only with *until*: a time from now on (ms or timedelta), or a date with a time zone. The clock of the memory broker then jumps
        from tick to tick and from delay to delay, and stops at *until*. With other brokers, what is due now fires.

        In a thread with a running event loop, such as an async test or a notebook, async actors run on another loop in another thread, and
        this method waits for each.

        Raises:
            OptionError: *until* is neither.
        """
        from fq.worker.inline import run_until_idle  # who only sends does not need it

        broker = self.broker
        return run_until_idle(self.registry, broker, None if until is None else time_of(until, broker))


def time_of(until: Duration | datetime, broker: Broker) -> int:
    """Return *until*, a time from now on or a date, in ms since the epoch."""
    if not isinstance(until, datetime):
        try:
            return broker.now() + to_ms(until)
        except OptionError as error:
            raise OptionError(f"until: {error}; or a datetime with a time zone") from None
    if until.tzinfo is None:
        raise OptionError(f"until: found {until!r}, which has no time zone: write datetime(..., tzinfo=UTC)")
    return (until - EPOCH) // timedelta(milliseconds=1)
