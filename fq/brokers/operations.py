"""
Operations: what a commit, or a producer, asks a broker to do beside ending a message. Immutable records, with message bodies as bytes.

``fq.brokers.records`` has the rest of what passes between a worker and a broker, and gives these names, too.
"""

from typing import Final, Literal, TypeAlias

from attrs import frozen

from fq.core.derived_ids import child_id
from fq.core.frozen import unchecked_constructor
from fq.core.uniqueness import MAX_KEY_BYTES


@frozen
class UniqueKey:
    """
    While a message holds *key*, no other message with it is enqueued. The key is taken by the enqueue, and kept across retries and lost leases.

    Attributes:
        key: a name, of 1,024 bytes at most.

        until: when the message frees the key: ``"start"``, when it is claimed; ``"end"``, when it is done, dead, discarded or purged, or is cancelled
            while it waits.

        window: the key is held for at least this long after the enqueue, ms, whatever becomes of the message.

        on_conflict: ``"keep"``: the new message is not enqueued. ``"after"``: the same, unless the holder has begun, that is it runs, was delivered before or
            has failed. Then the new message is put aside: it waits, delayed without a time, until the holder frees the key, takes it in the same step, and
            is ready. One message at most is put aside for a key.

        max_wait: `Broker.replace` makes the message wait no longer than this from its first enqueue on, ms; 0 is no limit.
    """

    key: str
    until: Literal["start", "end"] = "end"
    window: int = 0
    on_conflict: Literal["keep", "after"] = "keep"
    max_wait: int = 0


@frozen(weakref_slot=False)
class EnqueueOp:
    """
    Put a message on a queue: ready, by the broker's clock, *delay* ms after the commit.

    *continues*: is it the next part of the workflow of the message whose commit enqueues it? Then it is cancelled if that message is. It is not stored.

    *unique*: enqueue it only if no other message holds this key.
    """

    message_id: str
    queue_name: str
    actor_name: str
    priority: int
    delay: int
    body: bytes
    continues: bool = False
    unique: UniqueKey | None = None


@frozen(weakref_slot=False)
class Placement:
    """
    Which message stands for an `EnqueueOp`: *message_id* is that of the op if it *is_new*, or waits or runs already.

    Else it is the id of the message that holds the unique key, or that is put aside for it, if the op would be put aside, too.
    """

    message_id: str
    is_new: bool


new_enqueue_op = unchecked_constructor(EnqueueOp)
new_placement = unchecked_constructor(Placement)


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


ANYTHING: Final = "anything"
"""As `SetMarkOp.expected`: whatever the mark is, or if there is none."""

ABSENT: Final = "absent"
"""As `SetMarkOp.expected`: there is no mark with this key."""

DUE = "due"
"""The index of marks that want attention at the time that is their *order*, ms since the epoch: a turn says whether there are any."""

FINISHED = "finished"
"""The index of the marks that hold records of messages that have ended; the order is when they ended, ms since the epoch."""


def finished_key(message_id: str) -> str:
    """Return the key of the mark which says that a message has ended: while it exists, the status of the message is ``"done"``."""
    return message_key("finished", message_id)


def message_key(kind: str, message_id: str, *rest: str) -> str:
    """Return the key of a mark of this *kind* about a message. A long id is replaced by its hash."""
    key = ":".join((kind, message_id, *rest))
    return key if len(key) * 4 <= MAX_KEY_BYTES or len(key.encode()) <= MAX_KEY_BYTES else ":".join((kind, child_id(message_id), *rest))


@frozen
class SetMarkOp:
    """
    If the mark *key* is as *expected*, set it, and enqueue *then*; otherwise do nothing of that.

    A mark is a small named record with an end. It belongs to no message. An enqueue of *then* whose unique key is held is left out.

    Attributes:
        key: the name of the mark.

        body: what it holds from now on; None deletes it.

        ttl: how long it is kept, ms; 0 is for ever.

        expected: the body that it must have, `ABSENT`, or `ANYTHING`.

        index: the index that lists it; ``""`` is none.

        order: its place in the index, lowest first; equal ones by key.

        most: the index keeps this many marks at most, and loses the lowest; 0 is any number.
    """

    key: str
    body: bytes | None
    ttl: int = 0
    expected: bytes | Literal["absent", "anything"] = ANYTHING
    index: str = ""
    order: int = 0
    most: int = 0
    then: tuple[EnqueueOp, ...] = ()


@frozen
class Mark:
    """A mark as it is kept: *until* is when it ends, ms since the epoch on the broker's clock, 0 for never."""

    key: str
    body: bytes
    until: int = 0
    index: str = ""
    order: int = 0


Operation: TypeAlias = EnqueueOp | StoreResultOp | ArriveOp | SetMarkOp
