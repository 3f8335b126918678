"""`ResultLookup`: one thread that looks for results on behalf of all coroutines, so that no event loop blocks and no coroutine needs a thread."""

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import TypeAlias, TypeVar

from attrs import Factory, define

from fq.errors import BrokerUnavailable
from fq.runtime.process_id import pid

T = TypeVar("T")
Promise: TypeAlias = Future[T] | asyncio.Future[T]
"""What a thread or a coroutine waits for."""

IDLE_THREAD_SECONDS = 5.0
"""How long the thread stays when there are no requests."""


def resolve_all(promises: Iterable[Promise[T]], with_: T | BaseException) -> None:
    """Set the result or exception of those *promises* that have none, from any thread; those of one event loop in one go."""
    loops: dict[asyncio.AbstractEventLoop, list[asyncio.Future[T]]] = {}
    for promise in promises:
        if isinstance(promise, asyncio.Future):
            loops.setdefault(promise.get_loop(), []).append(promise)
        else:
            _resolve((promise,), with_)
    for loop, theirs in loops.items():
        with suppress(RuntimeError):  # the loop is closed: it has no waiters any more
            loop.call_soon_threadsafe(_resolve, theirs, with_)


def _resolve(promises: Iterable[Promise[T]], with_: T | BaseException) -> None:
    for promise in promises:
        with suppress(InvalidStateError, asyncio.InvalidStateError):
            if isinstance(with_, BaseException):
                promise.set_exception(with_)
            else:
                promise.set_result(with_)


@define
class LookupBatch:
    """Mutable: the results of one look: how long each is awaited, ms, and the promises to resolve after the look."""

    asked: dict[str, int] = Factory(dict)
    looked: dict[str, list[Promise[None]]] = Factory(dict)

    def resolve(self, error: BaseException | None) -> None:
        """Resolve the promises: the look is done, or it raised *error*."""
        resolve_all((each for promises in self.looked.values() for each in promises), error)


class ResultLookup:
    """
    Mutable shell: calls *look*, in its thread, with all requests since the last call.

    The argument of *look* maps message ids to how long each result is awaited from now on, ms. It hands over what it finds by itself.
    """

    def __init__(self, look: Callable[[Mapping[str, int]], None]) -> None:
        self._look = look
        self._begin()

    def _begin(self) -> None:
        self._pid = pid()
        self._condition = threading.Condition()
        self._next = LookupBatch()
        self._thread: threading.Thread | None = None
        self._closed = False

    def ask(self, message_id: str, timeout: int, looked: Promise[None]) -> None:
        """Look for the result of *message_id*, awaited for *timeout* ms. After the look, *looked* is resolved, or raises what *look* raised."""
        if self._pid != pid():
            self._begin()  # the parent's thread does not exist in this process
        with self._condition:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="fq-results", daemon=True)
                thread.start()
                self._thread = thread
            asked = self._next.asked
            asked[message_id] = max(timeout, asked.get(message_id, 0))
            self._next.looked.setdefault(message_id, []).append(looked)
            self._condition.notify()

    def close(self) -> None:
        """End the thread after the pending requests; the next request starts another."""
        with self._condition:
            thread, self._closed = self._thread, True
            self._condition.notify()
        if thread is not None and self._pid == pid():
            thread.join()
        self._closed = False

    def _run(self) -> None:
        while (taken := self._taken()) is not None:
            self._answer(taken)

    def _taken(self) -> LookupBatch | None:
        """Return the pending requests, once there are any; None after a long time without any: then the thread ends."""
        with self._condition:
            self._condition.wait_for(lambda: self._next.asked or self._closed, IDLE_THREAD_SECONDS)
            if not self._next.asked:
                self._thread = None
                return None
            taken, self._next = self._next, LookupBatch()
            return taken

    def _answer(self, taken: LookupBatch) -> None:
        error: BaseException | None = None
        try:
            self._look(taken.asked)
        except BaseException as raised:  # any exception: if the thread ended, all waiters would wait for ever
            error = raised
        if error is None or len(taken.asked) == 1 or isinstance(error, BrokerUnavailable):
            taken.resolve(error)
        else:  # one of them caused it: look for each alone
            for message_id, timeout in taken.asked.items():
                self._answer(LookupBatch({message_id: timeout}, {message_id: taken.looked[message_id]}))
