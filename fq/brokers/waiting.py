"""
Waiting, for brokers that live in the same process as those who wait: `Bell` for threads that want work, `Awaited` for those who want a result.

Mutable shell. Timeouts are the caller's and pass in real time; what falls due, falls due by the broker's clock.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from functools import partial
from time import monotonic

from fq.brokers.rules import LONGEST
from fq.shield import breath, breathe

MANY = 1_000
"""So many workers, and `Bell` forgets what they have heard; the price is that each returns once too early."""

LONG = 3_600.0
"""Nobody sleeps longer than this, in seconds, without looking again."""


def seconds(timeout: int) -> float:
    """Return *timeout*, ms, in seconds; one of more than 142,000 years, which is more than a float may hold, as so many."""
    return min(timeout, LONGEST) / 1_000


class Bell:
    """
    Wakes threads that wait for work, because something has changed or because somebody rang.

    A change wakes those who wait now. A ring is kept for every worker until it has heard it, so that of two workers of one process neither can take
    the other's.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._changes = 0
        self._rings = 0
        self._heard: dict[str, int] = {}

    def changed(self) -> None:
        """Let all who wait look again if there is something for them."""
        with self._condition:
            self._changes += 1
            self._condition.notify_all()

    def ring(self) -> None:
        """Send away all who wait now, and every other worker when it next would wait."""
        with self._condition:
            self._rings += 1
            self._condition.notify_all()

    def wait(self, worker: str, timeout: int, seconds_left: Callable[[], float]) -> None:
        """
        Block *worker* until somebody rings, *timeout* ms have passed, or *seconds_left* says that its time has come.

        *seconds_left* is asked first, and again after every change; it returns 0 when there is something to claim now.
        """
        deadline = monotonic() + seconds(timeout)
        while True:
            changes = self._changes  # before the look, so that a change after it is not missed
            left = 0.0 if self._is_rung(worker) else min(seconds_left(), deadline - monotonic())
            with self._condition:
                if left > 0:
                    self._condition.wait_for(partial(self._has_news, worker, changes), min(left, LONG))
                if left <= 0 or self._is_rung(worker):
                    self._hear(worker)
                    return

    def _has_news(self, worker: str, changes: int) -> bool:
        return self._changes != changes or self._is_rung(worker)

    def _is_rung(self, worker: str) -> bool:
        return self._heard.get(worker, 0) != self._rings

    def _hear(self, worker: str) -> None:
        if len(self._heard) >= MANY:
            self._heard.clear()
        self._heard[worker] = self._rings


class Awaited:
    """Who waits for the result of which message: threads and coroutines alike, without a thread for each of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._futures: dict[str, list[Future[bytes]]] = {}

    def ids(self) -> list[str]:
        """Return the ids of the messages whose results are awaited."""
        with self._lock:
            return list(self._futures)

    def deliver(self, message_id: str, body: bytes) -> None:
        """Give *body* to all who wait for the result of *message_id*."""
        if message_id in self._futures:
            for future in self._waiting(message_id):
                _settle(future, body)

    def fail(self, error: Exception) -> None:
        """Raise *error* in all who wait for any result."""
        for message_id in self.ids():
            for future in self._waiting(message_id):
                _settle(future, error)

    def wait(self, message_id: str, timeout: int, look: Callable[[], bytes | None]) -> bytes | None:
        """Return what *look* finds now, or what is delivered within *timeout* ms, or None; *look* is called again every `LONG`."""
        deadline = monotonic() + seconds(timeout)
        with self._registered(message_id) as future:
            while (body := look()) is None:
                left = deadline - monotonic()
                body = _delivered(future, min(left, LONG))
                if body is not None or left <= LONG:
                    break
            return body

    async def await_(self, message_id: str, timeout: int, look: Callable[[], bytes | None]) -> bytes | None:
        """`wait` for coroutines; *look* runs in a thread."""
        deadline = monotonic() + seconds(timeout)
        with self._registered(message_id) as future:
            while (body := await asyncio.to_thread(look)) is None:
                left = deadline - monotonic()
                here = asyncio.wrap_future(future)
                await asyncio.wait((here,), timeout=max(0.0, min(left, LONG)))
                if here.done() or left <= LONG:
                    return here.result() if here.done() else None
            return body

    def _waiting(self, message_id: str) -> list[Future[bytes]]:
        with self._lock:
            return list(self._futures.get(message_id, ()))

    @contextmanager
    def _registered(self, message_id: str) -> Iterator[Future[bytes]]:
        future: Future[bytes] = Future()
        with self._lock:
            self._futures.setdefault(message_id, []).append(future)
        try:
            yield future
        finally:
            with self._lock:
                self._futures[message_id].remove(future)
                if not self._futures[message_id]:
                    del self._futures[message_id]


def _delivered(future: Future[bytes], within: float) -> bytes | None:
    """Return what *future* comes to *within* so many seconds, None if nothing comes."""
    deadline = monotonic() + within
    while True:
        left = deadline - monotonic()
        try:
            return future.result(max(0.0, min(left, breath())))
        except TimeoutError:
            if left <= 0:
                return None
        breathe()


def _settle(future: Future[bytes], with_: bytes | Exception) -> None:
    """Settle *future*, unless that has been done, or nobody wants it any more."""
    with suppress(InvalidStateError):
        if isinstance(with_, Exception):
            future.set_exception(with_)
        else:
            future.set_result(with_)
