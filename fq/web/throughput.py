"""`Throughput`: how many messages were processed and failed in each minute of the last two hours, from the counters of the broker."""

from typing import TYPE_CHECKING

from attrs import define, field

from fq.web.site import View

if TYPE_CHECKING:
    from fq.app.app import App

MINUTES, IN_A_BAR = 120, 4
"""How many minutes are shown, and how many of them in a bar of a queue."""

MINUTE_MS = 60_000


@define
class Series:
    """Mutable: runs by minute, the oldest first."""

    processed: list[int] = field(factory=lambda: [0] * MINUTES)
    failed: list[int] = field(factory=lambda: [0] * MINUTES)

    def add(self, at: int, processed: int, failed: int) -> None:
        """Count runs in minute *at*."""
        self.processed[at] += processed
        self.failed[at] += failed

    def as_view(self) -> dict[str, object]:
        """Return it as JSON."""
        return {"processed": self.processed, "failed": self.failed, "sum": sum(self.processed), "sum_failed": sum(self.failed)}


@define
class Throughput:
    """Mutable: the runs of all queues, and of each."""

    whole: Series = field(factory=Series)
    queues: dict[str, Series] = field(factory=dict)

    def of(self, queue: str) -> View:
        """Return the runs of *queue*, some minutes in each number."""
        series = self.queues.get(queue) or Series()
        return {"processed": _summed(series.processed), "failed": _summed(series.failed)}


def _summed(values: list[int]) -> list[int]:
    return [sum(values[at : at + IN_A_BAR]) for at in range(0, len(values), IN_A_BAR)]


def throughput(app: "App") -> Throughput:
    """Return the throughput of *app*."""
    found, last = Throughput(), app.broker.now() // MINUTE_MS
    for counts in app.counters(minutes=MINUTES):
        at = MINUTES - 1 - (last - counts.at // MINUTE_MS)
        if 0 <= at < MINUTES:
            found.whole.add(at, counts.processed, counts.failed)
            found.queues.setdefault(counts.queue, Series()).add(at, counts.processed, counts.failed)
    return found
