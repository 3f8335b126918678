"""
What passes between a broker and the planner of a requeue: the broker shows a `RequeueView`, and carries out the `RequeuePlan` that the planner returns.

A broker reads no messages. The planner does: it finds the groups of a dead letter, and lets a message start afresh. See ``fq.execution.requeue_plan``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol, TypeAlias

from attrs import frozen

from fq.brokers.records import DeferredEnqueue, EnqueueOp


@frozen
class LiveMessage:
    """A message that waits, or is *running*; *op* enqueues it again."""

    op: EnqueueOp
    running: bool


class RequeueView(Protocol):
    """What a broker has at the moment of a requeue."""

    def dead_letters(self, message_ids: Sequence[str]) -> Mapping[str, EnqueueOp]:
        """Return the dead letters of *message_ids*, as operations that enqueue them again."""
        ...

    def live_messages(self, message_ids: Sequence[str]) -> Mapping[str, LiveMessage]:
        """Return those of *message_ids* that wait or run."""
        ...

    def open_groups(self, groups: Sequence[str]) -> AbstractSet[str]:
        """Return those of *groups* that have arrivals and are not complete."""
        ...


@frozen
class ReopenedGroup:
    """A *group* that is open again: the *values* that have arrived, by member number, and what comes *then*."""

    group: str
    values: Mapping[int, bytes]
    then: tuple[DeferredEnqueue, ...]


@frozen
class RequeuePlan:
    """
    What a broker does, all or nothing.

    Attributes:
        enqueues: dead letters to enqueue again.

        taken_letters: other dead letters to delete: their groups will enqueue them.

        taken_messages: waiting messages to delete, for the same reason.

        reopened: groups that were complete, and are open again.

        removed: member numbers to delete from the arrivals of open groups, by group.
    """

    enqueues: tuple[EnqueueOp, ...] = ()
    taken_letters: tuple[str, ...] = ()
    taken_messages: tuple[str, ...] = ()
    reopened: tuple[ReopenedGroup, ...] = ()
    removed: Mapping[str, AbstractSet[int]] = {}

    @property
    def deleted_letters(self) -> tuple[str, ...]:
        """The ids of all dead letters that the plan deletes."""
        return (*self.taken_letters, *(op.message_id for op in self.enqueues))

    def count(self, message_ids: Iterable[str]) -> int:
        """Return how many of *message_ids*, the ids that the plan was made for, it requeues."""
        return len(self.enqueues) + len(set(message_ids).intersection(self.taken_letters))


RequeuePlanner: TypeAlias = Callable[[Iterable[str], RequeueView, int], RequeuePlan]
"""A pure function of the ids of dead letters, the view, and the broker's clock. A broker calls it again if what it showed has changed."""


_fallback: list[RequeuePlanner] = []


def use_by_default(plan: RequeuePlanner) -> None:
    """Let `Broker.requeue` call *plan* when it is given no planner: the one that reads messages, which brokers do not import."""
    _fallback[:] = [plan]


def planner(plan: RequeuePlanner | None) -> RequeuePlanner:
    """Return *plan*, or the default."""
    return plan or _fallback[0]
