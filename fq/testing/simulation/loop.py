"""`VirtualTimeLoop`: an event loop in which sleeping takes no time, and endless waiting is an error. Mutable shell."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from contextlib import suppress
from typing import TypeVar, TypeVarTuple, Unpack, cast

from fq.worker.coroutine_runner import run_on

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

REAL_WAIT_SECONDS = 10.0
"""How long, in real time, an actor may wait for a socket, or for a thread that it started itself."""

MAX_LOOP_TURNS = 1_000_000
"""An actor that needs more iterations of the loop polls for something that never happens."""

CLEANUP_TURNS = 1_000
"""How many iterations of the loop a cancelled actor has for its cleanup."""


class NeverEndsError(Exception):
    """An actor waits for something that never happens; the text says how that was detected."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop whose clock jumps to the next timer when there is nothing else to do."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._turns_left = MAX_LOOP_TURNS
        self._in_threads: set[asyncio.Future[object]] = set()
        # The loop uses only `select` and the registration of its selector.
        super().__init__(cast(selectors.BaseSelector, _JumpingSelector(selectors.DefaultSelector(), self._jump, self._turn)))

    def complete(self, coroutine: Coroutine[object, object, T]) -> T:
        """
        Return what *coroutine* returns.

        Raises:
            NeverEndsError: it waits for something that never happens.

        Then its tasks are removed from the loop, so that they do not run during the next coroutine.
        """
        self._turns_left = MAX_LOOP_TURNS
        try:
            task = self.create_task(coroutine)
            try:
                return self.run_until_complete(task)
            except SystemExit:
                return run_on(self, task)
        except BaseException:
            self.clear()
            raise

    def clear(self) -> None:
        """Cancel all remaining tasks; a task that survives three attempts is left alone."""
        for _ in range(3):
            if not (tasks := asyncio.all_tasks(self)):
                return
            for task in tasks:
                task.cancel()
            self._turns_left = CLEANUP_TURNS
            with suppress(NeverEndsError, SystemExit):
                self.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))

    def time(self) -> float:
        """Return the loop's time, in seconds."""
        return super().time() + self._ahead

    def run_in_executor(self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts) -> "asyncio.Future[T]":
        """Run *func* in a thread; until it returns, the loop may wait for any length of time."""
        future = super().run_in_executor(executor, func, *args)
        at_work = cast("asyncio.Future[object]", future)
        self._in_threads.add(at_work)
        at_work.add_done_callback(self._in_threads.discard)
        return future

    def call_exception_handler(self, context: "dict[str, object]") -> None:
        """Log an error of a task, but not SystemExit, which the simulation records itself."""
        if not isinstance(context.get("exception"), SystemExit):
            super().call_exception_handler(context)

    def _jump(self, seconds: float) -> None:
        self._ahead += seconds

    def _turn(self) -> float | None:
        """Count an iteration of the loop; return how long it may wait for events in seconds, None for no limit."""
        self._turns_left -= 1
        if self._turns_left < 0:
            raise NeverEndsError(f"its event loop ran {MAX_LOOP_TURNS} iterations, and it is still polling")
        return None if self._in_threads else REAL_WAIT_SECONDS


class _JumpingSelector:
    """*selector*, which calls *jump* instead of waiting for a timer. In each iteration it asks *turn* how long to wait for events."""

    def __init__(self, selector: selectors.BaseSelector, jump: Callable[[float], None], turn: Callable[[], float | None]) -> None:
        self._selector = selector
        self._jump = jump
        self._turn = turn

    def __getattr__(self, name: str) -> object:
        return getattr(self._selector, name)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return ready events; with none ready and no timer set, wait for another thread or for the network."""
        real_wait = self._turn()
        ready = self._selector.select(real_wait if timeout is None else 0)
        if not ready and timeout is None:
            raise NeverEndsError("it waits, and nothing on its event loop can wake it")
        if not ready and timeout:
            self._jump(timeout)
        return ready
