"""
What passes between a worker and a broker: immutable records, with message bodies as bytes.

A broker never encodes or decodes a body, and knows no actors. ``fq.execution.outcome_encoding`` makes these records from outcomes, the same for all
brokers. The protocol is in ``fq.brokers.protocol``.
"""

from collections.abc import Iterable
from typing import TypeAlias

from attrs import field, frozen

from fq.core.fault import Fault
from fq.core.frozen import unchecked_constructor


@frozen(weakref_slot=False)
class EnqueueOp:
    """
    Put a message on a queue: ready, by the broker's clock, *delay* ms after the commit.

    *continues*: is it the next part of the workflow of the message whose commit enqueues it? Then it is cancelled if that message is. It is not stored.
    """

    message_id: str
    queue_name: str
    actor_name: str
    priority: int
    delay: int
    body: bytes
    continues: bool = False


new_enqueue_op = unchecked_constructor(EnqueueOp)


@frozen
class DeferredEnqueue:
    """
    An enqueue for later, when a group is complete. The broker makes the body: ``head + b"[" + b",".join(values) + b"]" + tail``, the values in member order.

    If *rest* is not empty, the broker's clock, ms since the epoch, and *rest* follow.
    """

    op: EnqueueOp
    head: bytes
    tail: bytes
    rest: bytes = b""


OPEN_GROUP_TTL_MS = 45 * 24 * 60 * 60 * 1000
"""How long an open group is kept, and a result that waits for one: 45 days, the time that a member may take with the default options."""


@frozen(weakref_slot=False)
class StoreResultOp:
    """
    Store *body* as the result of *message_id* for *ttl* ms.

    *hold* may name a group: while that is not complete, the result is kept for `OPEN_GROUP_TTL_MS`, and from its completion on for *ttl* ms.
    """

    message_id: str
    body: bytes
    ttl: int
    hold: str = ""


new_store_result_op = unchecked_constructor(StoreResultOp)


@frozen
class ArriveOp:
    """
    Record that member number *member* (0 to size - 1) of *group* has arrived with *value* (JSON).

    The first arrival of a member counts; later ones change nothing. The arrival that completes the group enqueues all of *then*, once; if it has no *then*,
    the first arrival that had one provides it. If the group is cancelled, these messages are cancelled. A group is forgotten *ttl* ms after its latest
    arrival, a complete one after 7 days at most; until then, arrivals at a complete group change nothing. A group of one member that nothing follows is
    not stored.
    """

    group: str
    member: int
    size: int
    value: bytes
    then: tuple[DeferredEnqueue, ...]
    ttl: int


Operation: TypeAlias = EnqueueOp | StoreResultOp | ArriveOp


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


Disposition: TypeAlias = Ack | Reschedule | Bury | Release

ACK = Ack()
RELEASE = Release()


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

        idle_for: ms until the next delay or lease that the broker knows of ends. A worker with nothing to do must not wait longer.
    """

    deliveries: tuple[Delivery, ...] = ()
    stale: tuple[str, ...] = ()
    idle_for: int = 1_000
    cancelled: tuple[str, ...] = ()


@frozen
class QueueStats:
    """One queue: how many messages are *ready*, *delayed*, *in_flight* and *dead*; *oldest* is how long the oldest ready one has waited, ms."""

    queue_name: str
    ready: int = 0
    delayed: int = 0
    in_flight: int = 0
    dead: int = 0
    oldest: int = 0
    paused: bool = False


@frozen
class Status:
    """
    Where a message is.

    *state* is ``"ready"``, ``"delayed"``, ``"running"``, ``"dead"``, ``"done"`` (a result is kept, or was until lately) or ``"unknown"``.
    *due* is when a delayed message will be ready, ms since the epoch on the broker's clock; *fault* is the latest error.
    """

    message_id: str
    state: str
    queue_name: str = ""
    actor_name: str = ""
    deliveries: int = 0
    due: int = 0
    worker: str = ""
    fault: Fault | None = None


@frozen
class DeadLetter:
    """A message that failed and is not retried: *body* as it was sent, and *died_at*, ms since the epoch on the broker's clock."""

    message_id: str
    queue_name: str
    actor_name: str
    body: bytes = field(repr=False)
    fault: Fault
    died_at: int


@frozen
class WorkerStats:
    """
    A worker process with a lease: *lease_left* in ms, and how many messages it holds.

    *queues* are those that it has asked for during its lease, by name; empty if the broker does not know them.
    """

    worker: str
    lease_left: int
    in_flight: int
    queues: tuple[str, ...] = ()


@frozen
class ClaimedMessage:
    """A message that a worker holds; it was claimed at *since*, ms since the epoch on the broker's clock."""

    message_id: str
    queue_name: str
    actor_name: str
    worker: str
    since: int


Post, Keep, Join, Splice, Replace = EnqueueOp, StoreResultOp, ArriveOp, DeferredEnqueue, Reschedule
Want, Held = ClaimRequest, ClaimedMessage  # former names, removed at 1.0
