"""Counts of messages by queue that stop at a bound, for brokers that count one by one. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from attrs import frozen

from fq.brokers.planning.bounded_counts import counted
from fq.brokers.records import QueueStats


@frozen
class Counts:
    """How many messages queues have; *more* are the queues that may have more, or all queues if *may_all_have_more*."""

    by_queue: Mapping[str, int]
    more: frozenset[str] = frozenset()
    may_all_have_more: bool = False

    def __add__(self, other: "Counts") -> "Counts":
        names = {*self.by_queue, *other.by_queue}
        return Counts(
            {name: self.of(name) + other.of(name) for name in names},
            self.more | other.more,
            self.may_all_have_more or other.may_all_have_more,
        )

    def of(self, queue: str) -> int:
        """Return the count of *queue*."""
        return self.by_queue.get(queue, 0)

    def has_more(self, queue: str) -> bool:
        """May there be more in *queue*?"""
        return self.may_all_have_more or queue in self.more


MOST_OF_ALL = 10
"""How many times as many messages as of one queue are counted of all queues together."""


def by_queue(queues: Sequence[str], most: int, count: Callable[[Sequence[str], int], Sequence[int]]) -> Counts:
    """
    Return the counts of *queues*, each of *most* or less: see `counted`, to which *count* is passed.

    >>> sizes = {"mail": 11, "reports": 3}
    >>> by_queue(["mail", "reports"], 10, lambda queues, limit: [min(limit, sizes[queue]) for queue in queues])
    Counts(by_queue={'mail': 10, 'reports': 3}, more=frozenset({'mail'}), may_all_have_more=False)
    """
    found = dict(zip(queues, counted(queues, most, count, MOST_OF_ALL * most), strict=True))
    return Counts({queue: number for queue, (number, _) in found.items()}, frozenset(queue for queue, (_, more) in found.items() if more))


def live_counts(queues: Sequence[str], most: int, gone: Mapping[str, int], count: Callable[[Sequence[str], int], Sequence[int]]) -> Counts:
    """
    Return the counts of *queues* without what is *gone* of each, which *count* counts, too.

    >>> sizes = {"mail": 11, "reports": 3}
    >>> live_counts(["mail", "reports"], 10, {"mail": 4}, lambda queues, limit: [min(limit, sizes[queue]) for queue in queues]).by_queue
    {'mail': 7, 'reports': 3}
    """
    most_gone = max(gone.values(), default=0)

    def count_live(names: Sequence[str], limit: int) -> list[int]:
        found = count(names, limit + most_gone)
        return [min(limit, number - gone.get(queue, 0)) for queue, number in zip(names, found, strict=True)]

    return by_queue(queues, most, count_live)


def bounded(found: Mapping[str, int], most: int) -> Counts:
    """
    Return counts of which all together stopped at *most* + 1.

    >>> bounded({"mail": 8, "reports": 3}, 10).has_more("default")
    True
    """
    return Counts({queue: min(count, most) for queue, count in found.items()}, may_all_have_more=sum(found.values()) > most)


def queue_stats(
    names: Iterable[tuple[str, bool | int]], ready: Counts, delayed: Counts, in_flight: Counts, dead: Counts, waited: Mapping[str, int]
) -> tuple[QueueStats, ...]:
    """Return the queues *names*, each with whether it is paused; *waited* is for how long the oldest ready message of each has waited, ms."""
    counts = {"ready": ready, "delayed": delayed, "in_flight": in_flight, "dead": dead}
    return tuple(
        QueueStats(
            name,
            **{what: each.of(name) for what, each in counts.items()},
            oldest=waited.get(name, 0),
            paused=bool(paused),
            at_least=tuple(what for what, each in counts.items() if each.has_more(name)),
        )
        for name, paused in names
    )
