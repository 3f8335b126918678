"""
What passes between a worker and a broker: immutable records, with message bodies as bytes. Operations are in ``fq.brokers.operations``.

A broker never encodes or decodes a body, and knows no actors. ``fq.execution.outcome_encoding`` makes these records from outcomes, the same for all
brokers. The protocol is in ``fq.brokers.protocol``.
"""

from collections.abc import Iterable
from typing import TypeAlias

from attrs import field, frozen

from fq.brokers.operations import (
    ABSENT,
    ANYTHING,
    DUE,
    OPEN_GROUP_TTL_MS,
    ArriveOp,
    DeferredEnqueue,
    EnqueueOp,
    Mark,
    Operation,
    Placement,
    SetMarkOp,
    StoreResultOp,
    UniqueKey,
    new_enqueue_op,
    new_placement,
    new_store_result_op,
)
from fq.brokers.sights import ClaimedMessage, DeadKind, DeadKinds, DeadLetter, QueueStats, Status, WorkerStats
from fq.core.fault import Fault
from fq.core.frozen import unchecked_constructor
from fq.core.uniqueness import MAX_KEY_BYTES


@frozen
class Ack:
    """The message is done: delete it."""


@frozen
class Reschedule:
    """Put *op*, which has the same message id, in the place of the message. Its deliveries are counted from 0. *fault* is kept for inspection."""

    op: EnqueueOp
    fault: Fault | None = None


@frozen
class Bury:
    """Move the message, with the body that the broker has, to the dead letters."""

    fault: Fault


@frozen
class Release:
    """
    Hand the message back: it is ready at once, in its former place in the order.

    *counted* says whether this delivery counts; the next worker that claims the message is given *interrupted*.
    """

    counted: bool = False
    interrupted: str = ""


@frozen
class Continue:
    """The message goes on running: apply the operations, if the token is current, and change nothing else."""


Disposition: TypeAlias = Ack | Reschedule | Bury | Release | Continue

ACK = Ack()
RELEASE = Release()
CONTINUE = Continue()


@frozen(weakref_slot=False)
class Commit:
    """
    Everything that must happen with one claimed message, together or not at all.

    Only the current *token* is valid: otherwise the commit is stale, and nothing of it is applied.
    """

    message_id: str
    queue_name: str
    token: int
    disposition: Disposition = ACK
    operations: tuple[Operation, ...] = ()
    checked: bool = field(default=False, init=False, eq=False, repr=False)
    """Set by ``fq.brokers.validation.checked`` and lost by `attrs.evolve`: brokers validate only commits without it."""


new_commit = unchecked_constructor(Commit)


MAX_CLAIM_BYTES = 2**24
"""The default bound for the bodies of one claim: 16 MB."""


def _own(names: Iterable[str]) -> tuple[str, ...]:
    """Return a copy of *names* that their caller cannot change."""
    return tuple(names)


@frozen
class ClaimRequest:
    """
    What a worker wants to claim.

    Attributes:
        worker: the name of the worker; it holds the lease of everything that it claims.

        queues: the queues to claim from.

        limit: how many messages at most; 0 to commit only.

        lease: how long the worker's lease runs from now, ms, unless renewed.

        max_bytes: the most that the bodies of one claim come to. A first message that is larger is claimed alone.
    """

    worker: str
    queues: tuple[str, ...] = field(converter=_own)
    limit: int
    lease: int = 15_000
    max_bytes: int = MAX_CLAIM_BYTES


@frozen(weakref_slot=False)
class Delivery:
    """A claimed message: *token* goes into the commit, *deliveries* includes this claim, *received_at* is the broker's clock, ms."""

    message_id: str
    queue_name: str
    actor_name: str
    body: bytes
    token: int
    deliveries: int
    received_at: int
    interrupted: str = ""


new_delivery = unchecked_constructor(Delivery)


MAX_IDLE_MS = 60_000
"""The most that `Turn.idle_for` says."""


@frozen
class Turn:
    """
    The result of one turn.

    Attributes:
        deliveries: the messages claimed, by (priority, arrival) within each queue.

        stale: ids of the messages whose commit was not applied.

        cancelled: ids of messages that this worker holds and that have been cancelled; each is reported at least once.

        idle_for: ms until the next delay or lease that the broker knows of ends, or the next mark falls due. A worker with nothing to do must not wait longer.

        has_due_marks: is there a mark in the index `DUE` whose time has come?
    """

    deliveries: tuple[Delivery, ...] = ()
    stale: tuple[str, ...] = ()
    idle_for: int = 1_000
    cancelled: tuple[str, ...] = ()
    has_due_marks: bool = False


Post, Keep, Join, Splice, Replace = EnqueueOp, StoreResultOp, ArriveOp, DeferredEnqueue, Reschedule
Want, Held = ClaimRequest, ClaimedMessage  # former names, removed at 1.0

__all__ = [
    "ABSENT",
    "ACK",
    "ANYTHING",
    "CONTINUE",
    "DUE",
    "MAX_CLAIM_BYTES",
    "MAX_IDLE_MS",
    "MAX_KEY_BYTES",
    "OPEN_GROUP_TTL_MS",
    "RELEASE",
    "Ack",
    "ArriveOp",
    "Bury",
    "ClaimRequest",
    "ClaimedMessage",
    "Commit",
    "Continue",
    "DeadKind",
    "DeadKinds",
    "DeadLetter",
    "DeferredEnqueue",
    "Delivery",
    "Disposition",
    "EnqueueOp",
    "Held",
    "Join",
    "Keep",
    "Mark",
    "Operation",
    "Placement",
    "Post",
    "QueueStats",
    "Release",
    "Replace",
    "Reschedule",
    "SetMarkOp",
    "Splice",
    "Status",
    "StoreResultOp",
    "Turn",
    "UniqueKey",
    "Want",
    "WorkerStats",
    "new_commit",
    "new_delivery",
    "new_enqueue_op",
    "new_placement",
    "new_store_result_op",
]
