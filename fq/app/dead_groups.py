"""`DeadGroups`: what has failed for good, by actor and type of error. For pages and commands."""

from attrs import frozen

from fq.brokers.protocol import Broker
from fq.brokers.sights import DeadKind


@frozen
class DeadGroup:
    """
    The dead letters of *actor_name* with one type of *error*, in all queues.

    *first* and *last* are when the first and the latest of them died, ms since the epoch; *message* is the text of the latest error. There are *count*, or
    more if *is_at_least*.
    """

    actor_name: str
    error: str
    count: int
    first: int
    last: int
    message: str
    is_at_least: bool = False


@frozen
class DeadGroups:
    """The *groups*, the largest first. There may be others if not *is_complete*."""

    groups: tuple[DeadGroup, ...]
    is_complete: bool

    @property
    def count(self) -> int:
        """How many letters all groups have."""
        return sum(group.count for group in self.groups)

    @property
    def is_at_least(self) -> bool:
        """May there be more letters than `count`?"""
        return not self.is_complete or any(group.is_at_least for group in self.groups)


def dead_groups(broker: Broker, queue: str | None = None, actor: str | None = None, error: str | None = None) -> DeadGroups:
    """Return the groups of one *queue*, *actor* and *error*, of which None is any."""
    found = broker.dead_kinds()
    by_group: dict[tuple[str, str], list[DeadKind]] = {}
    for kind in found.kinds:
        if queue in (None, kind.queue_name) and actor in (None, kind.actor_name) and error in (None, kind.error):
            by_group.setdefault((kind.actor_name, kind.error), []).append(kind)
    groups = [_merged(kinds) for kinds in by_group.values()]
    return DeadGroups(tuple(sorted(groups, key=lambda group: (-group.count, -group.last))), found.is_complete)


def _merged(kinds: list[DeadKind]) -> DeadGroup:
    """Return one group of *kinds*, which are those of several queues."""
    latest = max(kinds, key=lambda kind: kind.last)
    return DeadGroup(
        latest.actor_name,
        latest.error,
        sum(kind.count for kind in kinds),
        min(kind.first for kind in kinds),
        latest.last,
        latest.message,
        any(kind.is_at_least for kind in kinds),
    )
