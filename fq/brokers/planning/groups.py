"""Groups: `plan_arrivals` says which arrivals change something, and which complete a group. Pure."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from attrs import evolve, frozen

from fq.brokers.records import ArriveOp, DeferredEnqueue
from fq.brokers.validation import group_ttl

COMPLETE, CANCELLED = 1, 2
"""The flags of the column ``complete``, added up. An older fq takes a cancelled group for complete, so nothing follows it."""


@frozen
class Progress:
    """The state of a group: how many members have *arrived*, whether it is *complete* or *cancelled*, and *until* when it is kept."""

    arrived: int = 0
    complete: bool = False
    until: int = 0
    cancelled: bool = False


@frozen
class Arrivals:
    """
    The plan of some arrivals.

    *counted* are those that change something, *last* the positions of those that complete a group, *groups* the state afterwards. A group of one member that
    nothing follows is not stored: *alone* are the names of such groups.
    """

    counted: tuple[ArriveOp, ...]
    last: tuple[int, ...]
    groups: Mapping[str, Progress]
    alone: AbstractSet[str]


def plan_arrivals(
    arrive_ops: Sequence[ArriveOp], groups: Mapping[str, Progress], present: AbstractSet[tuple[str, int]], now: int
) -> Arrivals:
    """Plan *arrive_ops*, in order, given the state of the *groups* and which of these members were *present* already."""
    after = dict(groups)
    seen = set(present)
    counted: list[ArriveOp] = []
    last: list[int] = []
    alone: set[str] = set()
    for position, arrive_op in enumerate(arrive_ops):
        group = after.get(arrive_op.group, Progress())
        if group.complete or (arrive_op.group, arrive_op.member) in seen:
            continue
        if arrive_op.size == 1 and not arrive_op.then and arrive_op.group not in after:
            alone.add(arrive_op.group)
            continue
        seen.add((arrive_op.group, arrive_op.member))
        counted.append(arrive_op)
        complete = group.arrived + 1 >= arrive_op.size
        after[arrive_op.group] = evolve(group, arrived=group.arrived + 1, complete=complete, until=now + group_ttl(arrive_op, complete))
        if complete:
            last.append(position)
    return Arrivals(tuple(counted), tuple(last), after, frozenset(alone))


@frozen
class CompletedGroup:
    """The *values* of all members of a complete group, what comes *then*, and whether that is *cancelled*."""

    values: list[bytes]
    then: tuple[DeferredEnqueue, ...]
    cancelled: bool
