"""An event loop for async actors in a simulation: sleeping takes no time, and waiting for nothing comes to an end. Mutable shell."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from contextlib import suppress
from typing import TypeVar, TypeVarTuple, Unpack, cast

from fq.worker.coroutine_runner import run_on

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

PATIENCE = 10.0
"""So long, in seconds of real time, an actor may wait for a socket, or for a thread that it started itself."""

TURNS = 1_000_000
"""An actor for which the loop turns more often asks again and again for what never comes."""

FEW = 1_000
"""So many turns of the loop a cancelled actor has to clean up."""


class NeverEndsError(Exception):
    """An actor waits for what never comes; says how that was seen."""


class TimelessLoop(asyncio.SelectorEventLoop):
    """A loop whose clock jumps to whatever is due next, as soon as there is nothing else to do."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._turns_left = TURNS
        self._in_threads: set[asyncio.Future[object]] = set()
        # The loop asks its selector for no more than `select`, and to register what it is then asked about.
        super().__init__(cast(selectors.BaseSelector, _Impatient(selectors.DefaultSelector(), self._jump, self._turn)))

    def complete(self, coroutine: Coroutine[object, object, T]) -> T:
        """
        Return what *coroutine* returns.

        Raises:
            NeverEndsError: it waits for what never comes.

        Nothing of it is left on the loop then, where it would go on in the middle of the next one.
        """
        self._turns_left = TURNS
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
        """Cancel all tasks that are left; one that will not go, even the third time, is let be."""
        for _ in range(3):
            if not (tasks := asyncio.all_tasks(self)):
                return
            for task in tasks:
                task.cancel()
            self._turns_left = FEW
            with suppress(NeverEndsError, SystemExit):
                self.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))

    def time(self) -> float:
        """Return the loop's time, in seconds."""
        return super().time() + self._ahead

    def run_in_executor(self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts) -> "asyncio.Future[T]":
        """Run *func* in a thread; until it is back, the loop has something to wait for, however long that takes."""
        future = super().run_in_executor(executor, func, *args)
        at_work = cast("asyncio.Future[object]", future)
        self._in_threads.add(at_work)
        at_work.add_done_callback(self._in_threads.discard)
        return future

    def call_exception_handler(self, context: "dict[str, object]") -> None:
        """Log what went wrong in a task; not that one wanted to exit, which the simulation itself takes note of."""
        if not isinstance(context.get("exception"), SystemExit):
            super().call_exception_handler(context)

    def _jump(self, seconds: float) -> None:
        self._ahead += seconds

    def _turn(self) -> float | None:
        """Count one turn of the loop; return how long it may wait for others, in seconds, None for ever."""
        self._turns_left -= 1
        if self._turns_left < 0:
            raise NeverEndsError(f"its event loop turned {TURNS} times, and it asks again and again")
        return None if self._in_threads else PATIENCE


class _Impatient:
    """*selector*, which never waits for a time to come: it calls *jump* instead. Each turn it asks *turn* how long to wait for others."""

    def __init__(self, selector: selectors.BaseSelector, jump: Callable[[float], None], turn: Callable[[], float | None]) -> None:
        self._selector = selector
        self._jump = jump
        self._turn = turn

    def __getattr__(self, name: str) -> object:
        return getattr(self._selector, name)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; with nothing ready and no timer set, wait for another thread, or for the network."""
        patience = self._turn()
        ready = self._selector.select(patience if timeout is None else 0)
        if not ready and timeout is None:
            raise NeverEndsError("it waits, and nothing is left on its event loop that could wake it")
        if not ready and timeout:
            self._jump(timeout)
        return ready
