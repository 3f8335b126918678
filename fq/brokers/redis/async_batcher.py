"""
`PostOffice`: gathers what coroutines send at the same time, in any number of event loops, and sends it in one round trip.

It is one thread for the process. A connection that belongs to an event loop dies with the loop, is half-read when a caller is cancelled,
and would have to repeat calls in a second way; a thread that is told by a queue does not. Mutable shell.
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

TOGETHER = 1_000
"""Once so many calls are gathered they are sent, and so many messages go in one round trip, unless it is one call that has more."""

TOGETHER_BYTES = 2**20
"""So many bytes go in one round trip, unless it is one call that has more: what may be too large to be sent takes no other along."""

Letter: TypeAlias = tuple[Sequence[EnqueueOp], "asyncio.Future[None]"]
"""A call: its posts, and the future of their being sent."""


@frozen
class Tray:
    """What coroutines of one event loop send at the same time."""

    loop: asyncio.AbstractEventLoop
    letters: list[Letter] = Factory(list)


class PostOffice:
    """Sends by *send*, in a thread of its own, from its making until `close`."""

    def __init__(self, send: Callable[[Sequence[EnqueueOp]], object]) -> None:
        self._send = send
        self._trays: dict[asyncio.AbstractEventLoop, Tray] = {}  # those still being filled
        self._handed_in: SimpleQueue[Tray | None] = SimpleQueue()
        self._thread = watched_thread("fq-redis-post-office", self._run)
        self._thread.start()

    def post(self, ops: Sequence[EnqueueOp]) -> "asyncio.Future[None]":
        """Return the future, in the running loop, of *ops* being sent; it raises what *send* raises. Nothing may be posted after `close`."""
        loop = asyncio.get_running_loop()
        sent: asyncio.Future[None] = loop.create_future()
        tray = self._trays.get(loop)
        if tray is None:
            tray = self._trays[loop] = Tray(loop)
            loop.call_soon(self._hand_in, tray)  # after all that is ready to run now, and perhaps sends, too
        tray.letters.append((ops, sent))
        return sent

    def close(self) -> None:
        """Send what has been gathered, and end the thread."""
        for tray in list(self._trays.values()):
            self._hand_in(tray)
        self._handed_in.put(None)
        self._thread.join()

    def _hand_in(self, tray: Tray) -> None:
        if self._trays.get(tray.loop) is tray:
            del self._trays[tray.loop]
            self._handed_in.put(tray)

    def _run(self) -> None:
        tray = self._handed_in.get()
        while tray is not None:
            trays, tray = self._gather(tray)
            self._deliver(trays)
            tray = tray and self._handed_in.get()

    def _gather(self, tray: Tray) -> tuple[list[Tray], Tray | None]:
        """Return *tray* with all that wait behind it, as many as go together; and None if the end was among them."""
        trays, size = [tray], len(tray.letters)
        with suppress(Empty):
            while size < TOGETHER:
                another = self._handed_in.get_nowait()
                if another is None:
                    return trays, None
                trays.append(another)
                size += len(another.letters)
        return trays, tray

    def _deliver(self, trays: list[Tray]) -> None:
        errors: dict[asyncio.Future[None], Exception | None] = {}
        for part in _parts([letter for tray in trays for letter in tray.letters]):
            error = self._sent(ops for ops, _ in part)
            if isinstance(error, BrokerUnavailable) and not _is_large(part):
                trays += self._waiting()  # each has waited for as long as it takes: let nobody wait for one failure after the other
                errors = {sent: error for tray in trays for _, sent in tray.letters} | errors
                break
            errors |= {sent: error for _, sent in part}
            if error is not None and len(part) > 1:  # one of them is to blame
                errors |= {sent: self._sent((ops,)) for ops, sent in part}
        for tray in trays:
            with suppress(RuntimeError):  # the loop is closed: nobody waits there any more
                tray.loop.call_soon_threadsafe(_settle, tray, errors)

    def _sent(self, calls: Iterable[Sequence[EnqueueOp]]) -> Exception | None:
        """Send the posts of *calls* together; return what went wrong."""
        try:
            self._send([op for ops in calls for op in ops])
        except Exception as error:
            return error
        return None

    def _waiting(self) -> list[Tray]:
        """Return what has been handed in so far, and forget it."""
        trays: list[Tray] = []
        with suppress(Empty):
            while True:
                tray = self._handed_in.get_nowait()
                if tray is None:
                    self._handed_in.put(None)  # the end stays the end
                    break
                trays.append(tray)
        return trays


def _parts(letters: Iterable[Letter]) -> Iterator[list[Letter]]:
    """Return *letters* in parts of so few messages and bytes that the server is not kept for long."""
    part: list[Letter] = []
    size = weight = 0
    for letter in letters:
        bodies = sum(len(op.body) for op in letter[0])
        if part and (size + len(letter[0]) > TOGETHER or weight + bodies > TOGETHER_BYTES):
            yield part
            part, size, weight = [], 0, 0
        part.append(letter)
        size += len(letter[0])
        weight += bodies
    if part:
        yield part


def _is_large(part: Sequence[Letter]) -> bool:
    """Is *part* one call that may be too large to be sent, though the server is there?"""
    return len(part) == 1 and sum(len(op.body) for op in part[0][0]) > TOGETHER_BYTES


def _settle(tray: Tray, errors: Mapping["asyncio.Future[None]", Exception | None]) -> None:
    for _, sent in tray.letters:
        if sent.done():
            continue
        if (error := errors[sent]) is None:
            sent.set_result(None)
        else:
            sent.set_exception(error)
