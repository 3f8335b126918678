"""`send_in_batches`: sends many messages, a thousand in each round trip. While the broker takes one batch, the next one is made."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeAlias, TypeVar

from attrs import Factory, define, field, frozen

from fq.brokers.protocol import Broker, OverlappingSends
from fq.brokers.records import EnqueueOp, Placement
from fq.core.outcome import Enqueue
from fq.errors import BrokerError
from fq.execution.outcome_encoding import to_op
from fq.middleware.send_call import SendCall

C = TypeVar("C")
H = TypeVar("H")
Wait: TypeAlias = Callable[[], None]

MAX_BATCH_MESSAGES = 1_000
MAX_BATCH_BYTES = 2**24
"""A batch is sent when it has this many messages, or bytes of them."""


@frozen
class BulkSender(Generic[C, H]):
    """
    What calls and messages are to an app.

    Attributes:
        prepare: returns the messages of a call, which have passed the layers, and its handle.

        is_watched, emit_enqueued: the second is called with each message that has been sent and is watched.

        emit_failed: is called with the watched messages that could not be sent.

        settle: gets the call of a message with a unique key, the message, and which one stands for it; returns the handle on another one, or None. It emits
            the event of a message that was sent.

        observes: does a layer want to know what becomes of each batch?
    """

    prepare: Callable[[C, SendCall | None], tuple[Sequence[Enqueue], H]]
    is_watched: Callable[[Enqueue], bool]
    emit_enqueued: Callable[[Enqueue], None]
    emit_failed: Callable[[Iterable[Enqueue], BaseException], None]
    settle: Callable[[C, Enqueue, EnqueueOp, Placement], H | None]
    observes: bool


@frozen
class UniqueMessage(Generic[C]):
    """A message with a unique key, of *call*; its place in the batch, and that of its handle among all."""

    call: C
    enqueue: Enqueue
    place: int
    handle_place: int


@define
class Batch(Generic[C, H]):
    """Mutable: messages to send, and the *handles* of all calls so far. Messages that are not *watched* are not kept once they are encoded, to save memory."""

    sender: BulkSender[C, H]
    handles: list[H] = Factory(list)
    operations: list[EnqueueOp] = Factory(list)
    watched: list[Enqueue] = Factory(list)
    unique: list[UniqueMessage[C]] = Factory(list)
    call: SendCall | None = field(default=Factory(lambda self: SendCall(is_batch=True) if self.sender.observes else None, takes_self=True))

    def fill(self, calls: Iterator[C]) -> bool:
        """Add the messages of *calls* until the batch is full, and return whether it is; if not, there are no more calls."""
        try:
            return self._fill(calls)
        except BaseException as error:
            self.end(error)
            raise

    def _fill(self, calls: Iterator[C]) -> bool:
        observed = self.call
        prepare, is_watched, handles, operations, size = self.sender.prepare, self.sender.is_watched, self.handles, self.operations, 0
        for call in calls:
            enqueues, handle = prepare(call, observed)
            handles.append(handle)
            for enqueue in enqueues:
                operations.append(operation := to_op(enqueue))
                size += len(operation.body)
                if operation.unique is not None:
                    self.unique.append(UniqueMessage(call, enqueue, len(operations) - 1, len(handles) - 1))
                elif is_watched(enqueue):
                    self.watched.append(enqueue)
            if len(operations) >= MAX_BATCH_MESSAGES or size >= MAX_BATCH_BYTES:
                return True
        return False

    def following(self) -> "Batch[C, H]":
        """Return the next batch, an empty one."""
        return Batch(self.sender, self.handles)

    def settle(self, placements: Sequence[Placement]) -> None:
        """Exchange the handles of messages that others stand for, as *placements* says."""
        for message in self.unique:
            other = self.sender.settle(message.call, message.enqueue, self.operations[message.place], placements[message.place])
            if other is not None:
                self.handles[message.handle_place] = other

    def emit(self) -> None:
        """Emit the events of the messages, which have been sent."""
        for enqueue in self.watched:
            self.sender.emit_enqueued(enqueue)

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Emit the events of the messages at the end of the context, or say that they could not be sent."""
        try:
            yield
        except BaseException as error:
            if isinstance(error, BrokerError):
                unique = (message.enqueue for message in self.unique if self.sender.is_watched(message.enqueue))
                self.sender.emit_failed([*self.watched, *unique], error)
            self.end(error)
            raise
        self.emit()
        self.end()

    def end(self, error: BaseException | None = None) -> None:
        """Tell the layers that observe the call of the broker that it has ended, with *error* if it failed."""
        if self.call is not None:
            self.call.end(error)


def send_in_batches(broker: Broker, calls: Iterable[C], sender: BulkSender[C, H]) -> list[H]:
    """Send *calls*, and return their handles, in the same order. After an error, the batches before it have been sent."""
    batch: Batch[C, H] = Batch(sender)
    left, wait_for_batch = iter(calls), _nothing_to_wait_for
    try:
        while batch.fill(left):
            wait_for_last, wait_for_batch = wait_for_batch, _nothing_to_wait_for
            wait_for_last()
            wait_for_batch, batch = _begin_batch(broker, batch), batch.following()
    finally:
        wait_for_batch()
    if batch.operations:
        _begin_batch(broker, batch)()
    return batch.handles


async def asend_in_batches(broker: Broker, calls: Iterable[C], sender: BulkSender[C, H]) -> list[H]:
    """`send_in_batches`, for async producers: one batch after the other."""
    batch: Batch[C, H] = Batch(sender)
    left = iter(calls)
    while batch.fill(left):
        await _asend_batch(broker, batch)
        batch = batch.following()
    if batch.operations:
        await _asend_batch(broker, batch)
    return batch.handles


async def _asend_batch(broker: Broker, batch: Batch[C, H]) -> None:
    with batch.sending():
        if batch.unique:
            await asyncio.to_thread(batch.settle, await broker.aplace(batch.operations))
        else:
            await broker.aenqueue(batch.operations)


def _begin_batch(broker: Broker, batch: Batch[C, H]) -> Wait:
    """Begin to send *batch*. Return what waits for the broker, and then emits its events."""
    if isinstance(broker, OverlappingSends) and not batch.unique:
        wait_for_broker = broker.begin_enqueue(batch.operations)

        def wait() -> None:
            with batch.sending():
                wait_for_broker()

        return wait
    with batch.sending():
        if batch.unique:
            batch.settle(broker.place(batch.operations))
        else:
            broker.enqueue(batch.operations)
    return _nothing_to_wait_for


def _nothing_to_wait_for() -> None:
    """Return at once."""


def duplicates_warning(enqueues: Sequence[Enqueue], new: int) -> str:
    """Return the log text for *enqueues* of which only *new* were sent, since messages with the ids of the others exist."""
    if len(enqueues) == 1:
        message = enqueues[0].message
        return f"{message} was not sent: a message with its id, {message.message_id}, waits or runs already, and stays as it is"
    return f"{len(enqueues) - new} of {len(enqueues)} messages were not sent: messages with their ids wait or run already, and stay as they are"
