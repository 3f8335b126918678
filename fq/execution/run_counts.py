"""
The names under which workers count what they have run, by minute and by hour. Pure.

``fq.worker.tally`` counts, ``fq.app.counters`` reads.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, TypeAlias

from attrs import frozen

from fq.brokers.counters import Count

Counted: TypeAlias = Literal["processed", "failed", "retried", "dead", "took"]

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
MINUTES_KEPT_MS, HOURS_KEPT_MS = 3 * HOUR_MS, 9 * 24 * HOUR_MS
"""How long the counters of a minute are kept, and those of an hour: more than two hours, and more than a week."""


@frozen
class RunCounter:
    """What is counted, of messages of *actor* that were claimed from *queue*."""

    what: Counted
    queue: str
    actor: str

    @property
    def name(self) -> str:
        """Its name; a queue has no colon in its name."""
        return f"{self.what}:{self.queue}:{self.actor}"

    @classmethod
    def from_name(cls, name: str) -> "RunCounter":
        """Return the counter whose name is *name*."""
        what, queue, actor = name.split(":", 2)
        return cls(what, queue, actor)  # type: ignore[arg-type]  # only this module writes names


def minute_bucket(at: int) -> str:
    """Return the bucket of the minute of *at*, ms since the epoch."""
    return f"m:{at // MINUTE_MS}"


def hour_bucket(at: int) -> str:
    """Return the bucket of the hour of *at*, ms since the epoch."""
    return f"h:{at // HOUR_MS}"


def counts_at(at: int, totals: Mapping[str, int]) -> Iterator[Count]:
    """Return what adds *totals*, by the name of a counter, to the minute and the hour of *at*, ms since the epoch."""
    for name, by in totals.items():
        yield Count(minute_bucket(at), name, by, MINUTES_KEPT_MS)
        yield Count(hour_bucket(at), name, by, HOURS_KEPT_MS)


def buckets(now: int, length: int, unit: int) -> Iterable[tuple[int, str]]:
    """Return the buckets of the last *length* minutes or hours, which *unit* is, before *now*, oldest first: when each begins, and its name."""
    prefix, latest = "m" if unit == MINUTE_MS else "h", now // unit
    return [(number * unit, f"{prefix}:{number}") for number in range(latest - length + 1, latest + 1)]
