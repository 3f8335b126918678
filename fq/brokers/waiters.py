"""
Waiting in the process of a broker: `WorkSignal` for threads that wait for work, `ResultWaiters` for threads and coroutines that wait for a result.

Mutable shell. Timeouts pass in real time; delays and leases end by the broker's clock.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from time import monotonic
from typing import TypeVar

from fq.brokers.result_lookup import Promise, ResultLookup, resolve_all
from fq.errors import MAX_DURATION_MS, BrokerUnavailable
from fq.runtime.interrupt_mask import checkpoint, poll_seconds

T = TypeVar("T")

MAX_HEARD_WORKERS = 1_000
"""For how many workers `WorkSignal` remembers which wake-ups they have had. Beyond that it forgets, and each returns once too early."""

MAX_SLEEP_SECONDS = 3_600.0
"""The longest sleep, in seconds, before a waiter looks again."""


LAST_LOOK_SECONDS = 1.5
"""How long a coroutine whose timeout has passed waits for the last look: enough to find that a connection is dead, and to make another."""


def seconds(timeout: int) -> float:
    """Return *timeout*, ms, in seconds, cut to `MAX_DURATION_MS`: a larger number may not fit into a float."""
    return min(timeout, MAX_DURATION_MS) / 1_000


def in_ms(left: float) -> int:
    """Return *left*, in seconds, as ms."""
    return max(0, round(left * 1_000))


class WorkSignal:
    """
    Wakes the threads of this process that wait for work: after a change, or to make them return.

    `notify_work` wakes the workers that wait now. `wake` and `wake_all` are remembered for each worker until its wait ends, so that two workers of one
    process cannot take each other's wake-up. Mutable, and safe to share between threads.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._changes = 0
        self._woken: set[str] = set()
        self._wakes_of_all = 0
        self._heard: dict[str, int] = {}

    def notify_work(self) -> None:
        """Let all waiting workers check again for work."""
        with self._condition:
            self._changes += 1
            self._condition.notify_all()

    def wake(self, worker: str) -> None:
        """End the wait of *worker*, or its next one if it does not wait."""
        with self._condition:
            self._woken.add(worker)
            self._condition.notify_all()

    def wake_all(self) -> None:
        """End all waits, and the next wait of every worker that does not wait now."""
        with self._condition:
            self._wakes_of_all += 1
            self._condition.notify_all()

    def wait(self, worker: str, timeout: int, seconds_left: Callable[[], float]) -> None:
        """
        Block *worker* until it is woken, *timeout* ms have passed, or *seconds_left* returns 0 or less.

        *seconds_left* is called first, unless the worker has been woken already, and again after every change.
        """
        deadline = monotonic() + seconds(timeout)
        while True:
            changes = self._changes  # read before the check, so that a change after the check is not missed
            left = 0.0 if self._is_woken(worker) else min(seconds_left(), deadline - monotonic())
            with self._condition:
                if left > 0:
                    self._condition.wait_for(partial(self._has_news, worker, changes), min(left, MAX_SLEEP_SECONDS))
                if left <= 0 or self._is_woken(worker):
                    self._forget_wake_up(worker)
                    return

    def _has_news(self, worker: str, changes: int) -> bool:
        return self._changes != changes or self._is_woken(worker)

    def _is_woken(self, worker: str) -> bool:
        return worker in self._woken or self._heard.get(worker, 0) != self._wakes_of_all

    def _forget_wake_up(self, worker: str) -> None:
        self._woken.discard(worker)
        if len(self._heard) >= MAX_HEARD_WORKERS:
            self._heard.clear()
        self._heard[worker] = self._wakes_of_all


class ResultWaiters:
    """
    Threads and coroutines that wait for results, by message id, without a thread for each coroutine.

    *find* looks for results. Its argument maps message ids to how long each result is awaited from now on, ms, 0 for the last look; it returns what it
    finds. While waiters wait, `resolve` hands them results; the last look, after the timeout, finds those that `resolve` was not called for.
    """

    def __init__(
        self,
        find: Callable[[Mapping[str, int]], Iterable[tuple[str, bytes]]],
        max_sleep_seconds: float = MAX_SLEEP_SECONDS,
        last_look_seconds: float = LAST_LOOK_SECONDS,
    ) -> None:
        self._find = find
        self._max_sleep = max_sleep_seconds
        self._last_look_within = last_look_seconds
        self._lock = threading.Lock()
        self._promises: dict[str, list[Promise[bytes]]] = {}
        self._lookup = ResultLookup(self.look)

    def ids(self) -> list[str]:
        """Return the ids of the messages whose results are awaited."""
        with self._lock:
            return list(self._promises)

    def look(self, asked: Mapping[str, int]) -> None:
        """Look for the results of messages, each awaited for so long, ms, and hand over those that exist."""
        for message_id, body in self._find(asked):
            self.resolve(message_id, body)

    def resolve(self, message_id: str, body: bytes) -> None:
        """Hand *body* to all who wait for the result of *message_id*."""
        if message_id in self._promises:
            resolve_all(self._waiting(message_id), body)

    def fail(self, error: Exception) -> None:
        """Raise *error* in all waiters."""
        for message_id in self.ids():
            resolve_all(self._waiting(message_id), error)

    def close(self) -> None:
        """End the thread that looks for results for coroutines."""
        self._lookup.close()

    def wait(self, message_id: str, timeout: int) -> bytes | None:
        """Return the result of a message if it exists or comes within *timeout* ms, else None."""
        deadline = monotonic() + seconds(timeout)
        future: Future[bytes] = Future()
        with self._registered(message_id, future):
            left = deadline - monotonic()
            while True:
                self.look({message_id: in_ms(left)})
                body = _result_within(future, min(left, self._max_sleep))
                left = deadline - monotonic()
                if body is not None or timeout <= 0:
                    return body
                if left <= 0:
                    break
            looked: Future[None] = Future()
            self._lookup.ask(message_id, 0, looked)
            with suppress(BrokerUnavailable):  # the timeout has passed: the next call reports that the broker is unavailable
                _result_within(looked, self._last_look_within)
            return _result_within(future, 0)

    async def wait_async(self, message_id: str, timeout: int) -> bytes | None:
        """`wait` for coroutines; blocking calls run in one thread for all of them."""
        deadline, loop = monotonic() + seconds(timeout), asyncio.get_running_loop()
        here: asyncio.Future[bytes] = loop.create_future()
        with self._registered(message_id, here):
            while (left := deadline - monotonic()) > 0:
                looked: asyncio.Future[None] = loop.create_future()
                looked.add_done_callback(partial(_pass_error_on, here))
                self._lookup.ask(message_id, in_ms(left), looked)
                await asyncio.wait((here,), timeout=min(left, self._max_sleep))
                if here.done():
                    return here.result()
            last: asyncio.Future[None] = loop.create_future()
            self._lookup.ask(message_id, 0, last)
            if timeout > 0:
                await _looked_within(last, self._last_look_within)
            else:  # the only look: it is waited for, however long it takes, as in a thread
                await last
            return here.result() if here.done() else None

    def _waiting(self, message_id: str) -> list[Promise[bytes]]:
        with self._lock:
            return list(self._promises.get(message_id, ()))

    @contextmanager
    def _registered(self, message_id: str, promise: Promise[bytes]) -> Iterator[None]:
        with self._lock:
            self._promises.setdefault(message_id, []).append(promise)
        try:
            yield
        finally:
            with self._lock:
                self._promises[message_id].remove(promise)
                if not self._promises[message_id]:
                    del self._promises[message_id]


def _pass_error_on(here: "asyncio.Future[bytes]", looked: "asyncio.Future[None]") -> None:
    """Let *here* raise what the look raised."""
    error = looked.exception()
    if error is not None and not here.done():
        here.set_exception(error)
        here.exception()  # its waiter may be gone: then asyncio must not log the error


async def _looked_within(last: "asyncio.Future[None]", within: float) -> None:
    """Return when the *last* look after a timeout is done, or after *within* seconds. A broker that is unavailable is reported by the next call."""
    last.add_done_callback(_seen)
    await asyncio.wait((last,), timeout=within)
    if last.done() and not isinstance(last.exception(), BrokerUnavailable):
        last.result()


def _seen(future: "asyncio.Future[None]") -> None:
    """Mark the exception of *future* as retrieved, so that asyncio does not log it."""
    future.exception()


def _result_within(future: Future[T], within: float) -> T | None:
    """Return the result of *future*, or None if it has none *within* that time, in seconds."""
    deadline = monotonic() + within
    while True:
        left = deadline - monotonic()
        try:
            return future.result(max(0.0, min(left, poll_seconds())))
        except TimeoutError:
            if left <= 0:
                return None
        checkpoint()
