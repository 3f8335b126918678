"""
What passes between a worker and a broker: plain immutable records, with message bodies as bytes.

A broker never encodes or decodes a body, and never asks what an actor is. ``fq.execution.outcome_encoding`` makes these records of outcomes, the same for all
brokers.
The protocol itself is in ``fq.brokers.protocol``.
"""

from collections.abc import Iterable
from typing import TypeAlias

from attrs import field, frozen

from fq.core.fault import Fault
from fq.core.frozen import unchecked_constructor


@frozen(weakref_slot=False)
class EnqueueOp:
    """
    A message on its way to a queue: ready, by the broker's clock, *delay* ms after the commit.

    *continues*: is it the next part of the workflow of the message whose commit posts it? Then it is cancelled if that message is. It is not kept.
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
    A post whose body is made by the broker as ``head + b"[" + b",".join(values) + b"]" + tail``, with the values of a group's members in order.

    With a *rest*, its clock, ms since the epoch, and that come after it.
    """

    op: EnqueueOp
    head: bytes
    tail: bytes
    rest: bytes = b""


OPEN_GROUP_TTL_MS = 45 * 24 * 60 * 60 * 1000
"""How long a group that is open, and a result that waits for one, is kept at most: 45 days, as a member may take by the defaults."""


@frozen(weakref_slot=False)
class StoreResultOp:
    """
    Keep *body* as the result of *message_id* for *ttl* ms.

    With *hold*, the name of a group that is not complete, it is kept for `OPEN_GROUP_TTL_MS`; when that group is complete, for *ttl* ms from then.
    """

    message_id: str
    body: bytes
    ttl: int
    hold: str = ""


new_store_result_op = unchecked_constructor(StoreResultOp)


@frozen
class ArriveOp:
    """
    Member number *member* (0 to size - 1) of *group* has arrived with *value* (JSON).

    The first arrival of a member counts, later ones change nothing. The arrival that makes the group complete posts all of *then*, once; where it brings
    nothing, what the first that brought something did; as cancelled, if the group is. What is kept of a group goes away *ttl* ms after its latest arrival,
    of one that is complete after 7 days at the latest; until then, arrivals at a completed group change nothing. Of a group of one that nothing
    follows, nothing is kept.
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
    """The message is done: forget it."""


@frozen
class Reschedule:
    """Put *post*, which has the same message id, in the message's place; its deliveries count from nought. *fault* is kept for inspection."""

    op: EnqueueOp
    fault: Fault | None = None


@frozen
class Bury:
    """Move the message, with its body as the broker has it, to the dead letters."""

    fault: Fault


@frozen
class Release:
    """
    Hand the message back, ready at once, in the place in the order that it had.

    *counted* says if this delivery counts; *interrupted* is told to whoever claims it next.
    """

    counted: bool = False
    interrupted: str = ""


Disposition: TypeAlias = Ack | Reschedule | Bury | Release

ACK = Ack()
RELEASE = Release()


@frozen(weakref_slot=False)
class Commit:
    """
    All that must happen with one claimed message, together or not at all.

    Only the holder of the current *token* may: else the commit is stale and nothing of it is applied.
    """

    message_id: str
    queue_name: str
    token: int
    disposition: Disposition = ACK
    operations: tuple[Operation, ...] = ()
    checked: bool = field(default=False, init=False, eq=False, repr=False)
    """Set by ``fq.brokers.validation.checked``, and lost by `attrs.evolve`: then brokers do not validate the commit a second time."""


new_commit = unchecked_constructor(Commit)


MAX_CLAIM_BYTES = 2**24
"""What a claim brings at once stays below 16 MB unless told otherwise."""


def _own(names: Iterable[str]) -> tuple[str, ...]:
    """Return *names* as what their caller cannot change."""
    return tuple(names)


@frozen
class ClaimRequest:
    """
    What a worker asks for.

    Attributes:
        worker: who asks; holds the lease of everything that it claims.

        queues: claim from these.

        limit: at most so many; 0 to commit only.

        lease: how long the worker's lease runs from now, ms, unless renewed.

        max_bytes: the bodies of all that is claimed come to no more than this. The first message may be larger, and is claimed alone then.
    """

    worker: str
    queues: tuple[str, ...] = field(converter=_own)
    limit: int
    lease: int = 15_000
    max_bytes: int = MAX_CLAIM_BYTES


@frozen(weakref_slot=False)
class Delivery:
    """A claimed message: *token* goes into the commit, *deliveries* counts this claim, *received_at* is the broker's clock, ms."""

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
"""The longest `Turn.idle_for`."""


@frozen
class Turn:
    """
    What came of one turn.

    Attributes:
        deliveries: the messages claimed, by (priority, arrival) within each queue.

        stale: ids of the messages whose commit was not applied.

        cancelled: ids of messages that this worker holds and that have been cancelled; each is told at least once.

        idle_for: ms until something that the broker knows of falls due (a delay, a lease): with nothing to do, wait no longer than that.
    """

    deliveries: tuple[Delivery, ...] = ()
    stale: tuple[str, ...] = ()
    idle_for: int = 1_000
    cancelled: tuple[str, ...] = ()


@frozen
class QueueStats:
    """One queue: messages *ready*, *delayed*, *in_flight* and *dead*; *oldest* is how long the oldest ready one has waited, ms."""

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
    """A message that failed for good, with *body* as it was sent, and when, ms since the epoch on the broker's clock."""

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

    *queues* are those that it has asked for since it has the lease, by name; none where that is not known.
    """

    worker: str
    lease_left: int
    in_flight: int
    queues: tuple[str, ...] = ()


@frozen
class ClaimedMessage:
    """A message that a worker holds: claimed at *since*, ms since the epoch on the broker's clock."""

    message_id: str
    queue_name: str
    actor_name: str
    worker: str
    since: int
