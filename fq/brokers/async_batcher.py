"""
`AsyncBatcher`: gathers what coroutines send at the same time, in any number of event loops, and sends it in one round trip.

It is one thread for the process. A connection that belongs to an event loop dies with the loop, is half-read when a caller is cancelled,
and would have to repeat calls in a second way; a thread with a queue does not. Mutable shell.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeAlias

from attrs import Factory, frozen

from fq.brokers.records import EnqueueOp
from fq.errors import BrokerUnavailable
from fq.runtime.watched_threads import watched_thread

MAX_BATCH_MESSAGES = 1_000
"""One round trip takes this many calls and messages at most, unless it is one call that has more."""

MAX_BATCH_BYTES = 2**20
"""One round trip takes this many bytes at most, unless it is one call that has more: one that is too large to be sent fails alone."""

PendingCall: TypeAlias = tuple[Sequence[EnqueueOp], "asyncio.Future[None]"]
"""A call: its ops, and the future of their being sent."""


@frozen
class LoopBatch:
    """What coroutines of one event loop send at the same time."""

    loop: asyncio.AbstractEventLoop
    calls: list[PendingCall] = Factory(list)


class AsyncBatcher:
    """Sends by *send*, in a thread of its own, called *name*, from its making until `close`."""

    def __init__(self, send: Callable[[Sequence[EnqueueOp]], object], name: str = "fq-async-batcher") -> None:
        self._send = send
        self._open: dict[asyncio.AbstractEventLoop, LoopBatch] = {}  # those still being filled
        self._submitted: SimpleQueue[LoopBatch | None] = SimpleQueue()
        self._thread = watched_thread(name, self._run)
        self._thread.start()

    def post(self, ops: Sequence[EnqueueOp]) -> "asyncio.Future[None]":
        """Return the future, in the running loop, of *ops* being sent; it raises what *send* raises. Nothing may be posted after `close`."""
        loop = asyncio.get_running_loop()
        sent: asyncio.Future[None] = loop.create_future()
        batch = self._open.get(loop)
        if batch is None:
            batch = self._open[loop] = LoopBatch(loop)
            loop.call_soon(self._submit, batch)  # after all that is ready to run now, and perhaps sends, too
        batch.calls.append((ops, sent))
        return sent

    def close(self) -> None:
        """Send what has been gathered, and end the thread."""
        for batch in list(self._open.values()):
            self._submit(batch)
        self._submitted.put(None)
        self._thread.join()

    def _submit(self, batch: LoopBatch) -> None:
        if self._open.get(batch.loop) is batch:
            del self._open[batch.loop]
            self._submitted.put(batch)

    def _run(self) -> None:
        batch = self._submitted.get()
        while batch is not None:
            batches, batch = self._gather(batch)
            self._send_all(batches)
            batch = batch and self._submitted.get()

    def _gather(self, first: LoopBatch) -> tuple[list[LoopBatch], LoopBatch | None]:
        """Return *first* with all that wait behind it, as many as go together; and None if the end was among them."""
        batches, size = [first], len(first.calls)
        with suppress(Empty):
            while size < MAX_BATCH_MESSAGES:
                batch = self._submitted.get_nowait()
                if batch is None:
                    return batches, None
                batches.append(batch)
                size += len(batch.calls)
        return batches, first

    def _send_all(self, batches: list[LoopBatch]) -> None:
        errors: dict[asyncio.Future[None], Exception | None] = {}
        for part in _parts([call for batch in batches for call in batch.calls]):
            error = self._try_to_send(ops for ops, _ in part)
            if isinstance(error, BrokerUnavailable) and not _may_be_too_large(part):
                batches += self._take_submitted()  # each has waited as long as a failure takes: they fail now, not one after the other
                errors = {sent: error for batch in batches for _, sent in batch.calls} | errors
                break
            errors |= {sent: error for _, sent in part}
            if error is not None and len(part) > 1:  # one of them is to blame
                errors |= {sent: self._try_to_send((ops,)) for ops, sent in part}
        for batch in batches:
            with suppress(RuntimeError):  # the loop is closed: its coroutines are gone
                batch.loop.call_soon_threadsafe(_resolve, batch, errors)

    def _try_to_send(self, calls: Iterable[Sequence[EnqueueOp]]) -> Exception | None:
        """Send the ops of *calls* together; return what went wrong."""
        try:
            self._send([op for ops in calls for op in ops])
        except Exception as error:
            return error
        return None

    def _take_submitted(self) -> list[LoopBatch]:
        """Return what has been submitted so far, and forget it."""
        batches: list[LoopBatch] = []
        with suppress(Empty):
            while True:
                batch = self._submitted.get_nowait()
                if batch is None:
                    self._submitted.put(None)  # the end stays the end
                    break
                batches.append(batch)
        return batches


def _parts(calls: Iterable[PendingCall]) -> Iterator[list[PendingCall]]:
    """Return *calls* in parts, each of so few messages and bytes that it keeps the server only for a moment."""
    part: list[PendingCall] = []
    messages = size = 0
    for call in calls:
        call_size = sum(len(op.body) for op in call[0])
        if part and (messages + len(call[0]) > MAX_BATCH_MESSAGES or size + call_size > MAX_BATCH_BYTES):
            yield part
            part, messages, size = [], 0, 0
        part.append(call)
        messages += len(call[0])
        size += call_size
    if part:
        yield part


def _may_be_too_large(part: Sequence[PendingCall]) -> bool:
    """Is *part* one call that may be too large to be sent, though the server is there?"""
    return len(part) == 1 and sum(len(op.body) for op in part[0][0]) > MAX_BATCH_BYTES


def _resolve(batch: LoopBatch, errors: Mapping["asyncio.Future[None]", Exception | None]) -> None:
    for _, sent in batch.calls:
        if sent.done():
            continue
        if (error := errors[sent]) is None:
            sent.set_result(None)
        else:
            sent.set_exception(error)
