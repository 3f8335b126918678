"""`CounterReader`: what an app's workers have run, by minute or hour, queue and actor."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

from attrs import frozen

from fq.app.history import HasBroker
from fq.brokers.protocol import Broker
from fq.errors import OptionError
from fq.execution.run_counts import HOUR_MS, HOURS_KEPT_MS, MINUTE_MS, MINUTES_KEPT_MS, RunCounter, buckets


@frozen
class RunCounts:
    """
    What was run of one *actor* from one *queue* in the minute or hour that begins at *at*, ms since the epoch on the broker's clock.

    Attributes:
        processed: runs that came to an outcome, well or not. A run that is put off without using up an attempt is none.

        failed: those of them that failed.

        retried: failed runs after which the message is tried again.

        dead: failed runs after which it is a dead letter.

        took: how long all runs took together, ms.
    """

    at: int
    queue: str
    actor: str
    processed: int = 0
    failed: int = 0
    retried: int = 0
    dead: int = 0
    took: int = 0


class CounterReader(HasBroker):
    """The methods of an `App` that read counters."""

    def counters(
        self, *, minutes: int | None = None, hours: int | None = None, queue: str | None = None, actor: str | None = None
    ) -> tuple[RunCounts, ...]:
        """
        Return what workers have run in the last *minutes*, 60 by default and 180 at most, or the last *hours*, 216 at most; the present one is the last.

        There is a record for each minute or hour, queue and actor with any runs, oldest first. Workers count in memory, and add to the counters about once
        a second, so the latest runs are missing for a moment, and some are lost if a worker is killed.

        >>> from fq import App
        >>> app = App("memory://")
        >>> @app.actor
        ... def add(a: int, b: int) -> int:
        ...     return a + b
        >>> handles = app.send_many(add.call(n, n) for n in range(3))
        >>> app.run_until_idle()
        3
        >>> [(counts.actor, counts.processed, counts.failed) for counts in app.counters(minutes=2)]
        [('add', 3, 0)]

        Raises:
            OptionError: a number of minutes or hours for which nothing is kept, or both.
        """
        unit, length = _checked_span(minutes, hours)
        return tuple(
            counts for counts in _read(self.broker, unit, length) if queue in (None, counts.queue) and actor in (None, counts.actor)
        )

    async def acounters(
        self, *, minutes: int | None = None, hours: int | None = None, queue: str | None = None, actor: str | None = None
    ) -> tuple[RunCounts, ...]:
        """`counters`, for async callers."""
        return await asyncio.to_thread(lambda: self.counters(minutes=minutes, hours=hours, queue=queue, actor=actor))


def _checked_span(minutes: int | None, hours: int | None) -> tuple[int, int]:
    """Return the unit, ms, and how many of it."""
    if minutes is not None and hours is not None:
        raise OptionError(f"found minutes={minutes!r} and hours={hours!r}, expected one of them")
    unit, length, most = (
        (MINUTE_MS, 60 if minutes is None else minutes, MINUTES_KEPT_MS) if hours is None else (HOUR_MS, hours, HOURS_KEPT_MS)
    )
    if type(length) is not int or not 1 <= length <= most // unit:
        name = "minutes" if unit == MINUTE_MS else "hours"
        raise OptionError(
            f"found {name}={length!r}, expected a whole number from 1 to {most // unit}: {timedelta(milliseconds=most)} are kept"
        )
    return unit, length


def _read(broker: Broker, unit: int, length: int) -> Iterator[RunCounts]:
    wanted = buckets(broker.now(), length, unit)
    found = broker.counts([bucket for _, bucket in wanted])
    for at, bucket in wanted:
        yield from _by_actor(at, found.get(bucket, {}).items())


def _by_actor(at: int, counts: Iterable[tuple[str, int]]) -> Iterator[RunCounts]:
    rows: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for name, number in counts:
        counter = RunCounter.from_name(name)
        rows[counter.queue, counter.actor][counter.what] = number
    for (queue, actor), row in sorted(rows.items()):
        yield _counts(at, queue, actor, row)


def _counts(at: int, queue: str, actor: str, row: Mapping[str, int]) -> RunCounts:
    get = row.get
    return RunCounts(at, queue, actor, get("processed", 0), get("failed", 0), get("retried", 0), get("dead", 0), get("took", 0))
