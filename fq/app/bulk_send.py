"""`send_in_batches`: many messages, one round trip a thousand; while the broker takes one batch, the next one is made."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias, TypeVar

from fq.brokers.protocol import Broker, OverlappingSends
from fq.brokers.records import EnqueueOp
from fq.core.outcome import Enqueue
from fq.execution.outcome_encoding import to_op

C = TypeVar("C")
H = TypeVar("H")
Finish: TypeAlias = Callable[[], None]

BATCH = 1_000
BATCH_BYTES = 2**24
"""How many messages, or bytes of them, go into one round trip."""


def send_in_batches(
    broker: Broker, calls: Iterable[C], prepared: Callable[[C], tuple[Sequence[Enqueue], H]], announce: Callable[[Enqueue], None]
) -> list[H]:
    """
    Send *calls*; return what *prepared* says came of each, in the same order.

    What it says is to be sent has passed the send side; *announce* is called with it once it has been sent. After an error, the batches before it
    have been sent.
    """
    results: list[H] = []
    batch: list[Enqueue] = []
    ops: list[EnqueueOp] = []
    size = 0
    under_way: Finish = _nothing
    try:
        for call in calls:
            enqueues, result = prepared(call)
            results.append(result)
            batch += enqueues
            for enqueue in enqueues:
                ops.append(op := to_op(enqueue))
                size += len(op.body)
            if len(batch) >= BATCH or size >= BATCH_BYTES:
                finish, under_way = under_way, _nothing
                finish()
                under_way, batch, ops, size = _begun(broker, batch, ops, announce), [], [], 0
    finally:
        under_way()
    if batch:
        _begun(broker, batch, ops, announce)()
    return results


def unsent(enqueues: Sequence[Enqueue], new: int) -> str:
    """Return what to say of *enqueues* of which only *new* are messages that were not there."""
    if len(enqueues) == 1:
        message = enqueues[0].message
        return f"{message} was not sent: a message with its id, {message.message_id}, waits or runs already, and stays as it is"
    return f"{len(enqueues) - new} of {len(enqueues)} messages were not sent: messages with their ids wait or run already, and stay as they are"


def _begun(broker: Broker, batch: Sequence[Enqueue], ops: Sequence[EnqueueOp], announce: Callable[[Enqueue], None]) -> Finish:
    """Begin to send *posts*; return what waits until they have been sent, and then announces *batch*, which they are made of."""
    waits = _ahead(broker, ops)

    def finish() -> None:
        waits()
        for enqueue in batch:
            announce(enqueue)

    return finish


def _ahead(broker: Broker, ops: Sequence[EnqueueOp]) -> Finish:
    if isinstance(broker, OverlappingSends):
        return broker.begin_enqueue(ops)
    broker.enqueue(ops)
    return _nothing


def _nothing() -> None:
    """Nothing is under way."""
