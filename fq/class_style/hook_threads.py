"""
`HookThread`, a thread that runs the hooks of one async message at a time, and `HookThreads`, the pool that lends them. Mutable shell.

Middleware may keep state in the thread: a ``threading.local``, a database connection, the id of the thread. Between its hooks the thread waits, and
runs what is submitted to it, such as the sync parts of the actor.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from time import monotonic
from typing import ParamSpec, Protocol, TypeVar

from attrs import define

from fq.errors import Interrupt
from fq.runtime.logger import logger
from fq.runtime.process_id import pid

P = ParamSpec("P")
T = TypeVar("T")

log = logger("fq.class_style")

IDLE_SECONDS = 60.0
"""A thread that is not lent for this long ends."""

JOIN_SECONDS = 1.0
"""How long all threads together have to end when a worker stops."""

LOOK_SECONDS = 0.1
"""How often a thread that is lent looks whether an exception was raised in it; with more than `LOOKERS` of them, each looks less often."""

LOOKERS = 50

OnRaised = Callable[[BaseException], None]
"""Is called, in the thread, with an exception that was raised in it from outside while it waited."""


class ThreadHooks(Protocol):
    """Calls the hooks of a thread: the part of `BrokerView` that these threads use."""

    def emit_after(self, signal: str, *args: object) -> None: ...

    def emit_before(self, signal: str, *args: object) -> None: ...


@define(eq=False)
class _Work:
    """
    Mutable: a *call*, and its *end*, which tells who waits for it.

    An exception may be raised in the thread between any two bytecodes. The call is begun once, its end may come twice.
    """

    call: Callable[[], None]
    end: Callable[[], None]
    begun: bool = False

    def run(self) -> None:
        """Do both; the call only once."""
        if not self.begun:
            self.begun = True
            self.call()
        self.end()


class HookThread(Executor):
    """One thread of *pool*, as an executor. *on_raised* is there while a message runs that an exception in this thread is to end."""

    def __init__(self, pool: "HookThreads", name: str) -> None:
        self.on_raised: OnRaised | None = None
        self.lent = True
        self.ended = False
        self._pool = pool
        self._work: deque[_Work] = deque()
        self._wake: SimpleQueue[None] = SimpleQueue()  # only wakes the thread: what is lost here is still in _work
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self._thread.start()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Run ``fn(*args, **kwargs)`` in the thread, after what was submitted before."""
        future: Future[T] = Future()

        def call() -> None:
            try:
                if future.set_running_or_notify_cancel():
                    future.set_result(fn(*args, **kwargs))
            except BaseException as error:
                if not future.done():
                    future.set_exception(error)

        def end() -> None:
            if not future.done():
                future.set_exception(Interrupt(f"{self._thread.name} was interrupted"))

        self.run(call, end)
        return future

    def run(self, call: Callable[[], None], end: Callable[[], None]) -> None:
        """Call *call*, which raises nothing by itself, and then *end*, in the thread. *end* may be called twice."""
        self._work.append(_Work(call, end))
        self.wake()

    @property
    def is_alive(self) -> bool:
        """Can it run anything?"""
        return self._thread.is_alive()

    def wake(self) -> None:
        """Let the thread look at what there is for it."""
        self._wake.put(None)

    def end(self) -> None:
        """End the thread after its work."""
        self.ended = True
        self.wake()

    def join(self, seconds: float) -> None:
        """Wait up to *seconds* for its end."""
        self._thread.join(seconds)

    def _main(self) -> None:
        self._call_hook(self._pool.hooks.emit_after, "worker_thread_boot")
        while not self.ended or self._work:
            try:
                self._turn()
            except BaseException as error:  # raised from outside: what runs here raises nothing
                self._raised(error)
        self._call_hook(self._pool.hooks.emit_before, "worker_thread_shutdown")

    def _call_hook(self, emit: Callable[[str, threading.Thread], None], signal: str) -> None:
        try:
            emit(signal, self._thread)
        except BaseException:  # no error of a hook ends the thread
            log.exception("a hook of %s failed: %s", self._thread.name, signal)

    def _turn(self) -> None:
        while self._work:
            self._work[0].run()
            self._work.popleft()  # no local holds it: while this thread waits, it must not keep the last message alive
        since = monotonic()
        while not self._work and not self.ended:
            try:
                self._wake.get(timeout=self._pool.look_seconds() if self.lent else IDLE_SECONDS)
            except Empty:
                if not self.lent and monotonic() - since >= IDLE_SECONDS and self._pool.forget(self):
                    self.ended = True

    def _raised(self, error: BaseException) -> None:
        on_raised = self.on_raised
        if on_raised is not None:
            on_raised(error)


class HookThreads:
    """Lends threads, each to one message at a time. *hooks* is told when a thread starts and ends."""

    def __init__(self, hooks: ThreadHooks) -> None:
        self.hooks = hooks
        self._idle: list[HookThread] = []
        self._lent = 0
        self._made = 0
        self._pid = pid()
        self._lock = threading.Lock()

    @contextmanager
    def lend(self) -> Iterator[HookThread]:
        """
        Lend a thread: the one that came back last, or else a new one.

        Raises:
            RuntimeError: the machine has no thread left.
        """
        thread = self._take()
        try:
            yield thread
        finally:
            self._give_back(thread)

    def look_seconds(self) -> float:
        """Return how long a thread that is lent waits between two looks: all of them together look as often as `LOOKERS` of them."""
        return LOOK_SECONDS * max(1.0, self._lent / LOOKERS)

    def forget(self, thread: HookThread) -> bool:
        """Forget *thread*, which ends; return False if it was lent meanwhile."""
        with self._lock:
            if thread not in self._idle:
                return False
            self._idle.remove(thread)
            return True

    def end_idle(self) -> None:
        """End the threads that are not lent, and wait a moment for what their hooks have to close."""
        with self._lock:
            idle, self._idle = self._idle, []
        for thread in idle:
            thread.end()
        deadline = monotonic() + JOIN_SECONDS
        for thread in idle:
            thread.join(max(0.0, deadline - monotonic()))

    def _take(self) -> HookThread:
        with self._lock:
            if self._pid != pid():  # a fork has none of the threads of its parent
                self._pid, self._idle, self._lent = pid(), [], 0
            self._lent += 1
            while self._idle:
                thread = self._idle.pop()
                if thread.is_alive:
                    thread.lent = True
                    return thread
            self._made += 1
            number = self._made
        try:
            return HookThread(self, f"fq-hooks-{number}")
        except BaseException:
            with self._lock:
                self._lent -= 1
            raise

    def _give_back(self, thread: HookThread) -> None:
        thread.on_raised = None
        with self._lock:
            self._lent -= 1
            thread.lent = False
            self._idle.append(thread)
        thread.wake()
