"""Counts of messages by queue that stop at a bound, for brokers that count one by one. Pure."""

from collections.abc import Iterable, Mapping

from attrs import frozen

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


def within(found: Mapping[str, int], most: int) -> Counts:
    """
    Return counts of which each stopped at *most* + 1.

    >>> within({"mail": 11, "reports": 3}, 10)
    Counts(by_queue={'mail': 10, 'reports': 3}, more=frozenset({'mail'}), may_all_have_more=False)
    """
    return Counts(
        {queue: min(count, most) for queue, count in found.items()}, frozenset(queue for queue, count in found.items() if count > most)
    )


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
