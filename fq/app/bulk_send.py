"""`send_in_batches`: sends many messages, a thousand in each round trip. While the broker takes one batch, the next one is made."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias, TypeVar

from fq.brokers.protocol import Broker, OverlappingSends
from fq.brokers.records import EnqueueOp
from fq.core.outcome import Enqueue
from fq.execution.outcome_encoding import to_op

C = TypeVar("C")
H = TypeVar("H")
Wait: TypeAlias = Callable[[], None]

MAX_BATCH_MESSAGES = 1_000
MAX_BATCH_BYTES = 2**24
"""A batch is sent when it has this many messages, or bytes of them."""


def send_in_batches(
    broker: Broker,
    calls: Iterable[C],
    prepare: Callable[[C], tuple[Sequence[Enqueue], H]],
    is_watched: Callable[[Enqueue], bool],
    emit_enqueued: Callable[[Enqueue], None],
) -> list[H]:
    """
    Send *calls*, and return the handles that *prepare* makes, in the same order.

    *prepare* returns the messages of a call, which have passed the layers, and its handle. *emit_enqueued* is called with each message that has
    been sent and *is_watched*. The others are not kept once they are encoded, to save memory. After an error, the batches before it have been sent.
    """
    handles: list[H] = []
    watched: list[Enqueue] = []
    operations: list[EnqueueOp] = []
    size = 0
    wait_for_batch: Wait = _nothing_to_wait_for
    try:
        for call in calls:
            enqueues, handle = prepare(call)
            handles.append(handle)
            for enqueue in enqueues:
                operations.append(operation := to_op(enqueue))
                size += len(operation.body)
                if is_watched(enqueue):
                    watched.append(enqueue)
            if len(operations) >= MAX_BATCH_MESSAGES or size >= MAX_BATCH_BYTES:
                wait_for_last, wait_for_batch = wait_for_batch, _nothing_to_wait_for
                wait_for_last()
                wait_for_batch, watched, operations, size = _begin_batch(broker, operations, watched, emit_enqueued), [], [], 0
    finally:
        wait_for_batch()
    if operations:
        _begin_batch(broker, operations, watched, emit_enqueued)()
    return handles


def duplicates_warning(enqueues: Sequence[Enqueue], new: int) -> str:
    """Return the log text for *enqueues* of which only *new* were sent, since messages with the ids of the others exist."""
    if len(enqueues) == 1:
        message = enqueues[0].message
        return f"{message} was not sent: a message with its id, {message.message_id}, waits or runs already, and stays as it is"
    return f"{len(enqueues) - new} of {len(enqueues)} messages were not sent: messages with their ids wait or run already, and stay as they are"


def _begin_batch(
    broker: Broker, operations: Sequence[EnqueueOp], watched: Sequence[Enqueue], emit_enqueued: Callable[[Enqueue], None]
) -> Wait:
    """Begin to send *operations*. Return what waits for the broker, and then emits the events of those that are *watched*."""
    wait_for_broker = _begin_enqueue(broker, operations)

    def wait() -> None:
        wait_for_broker()
        for enqueue in watched:
            emit_enqueued(enqueue)

    return wait


def _begin_enqueue(broker: Broker, operations: Sequence[EnqueueOp]) -> Wait:
    if isinstance(broker, OverlappingSends):
        return broker.begin_enqueue(operations)
    broker.enqueue(operations)
    return _nothing_to_wait_for


def _nothing_to_wait_for() -> None:
    """Return at once."""
