"""`CoroutineRunner`: runs coroutines to their ends from sync code, even where an event loop runs: a test, an async test, a notebook. Mutable shell."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from contextvars import copy_context
from typing import ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")

SIGNAL_CHECK_SECONDS = 0.2
"""How long one wait for the other thread lasts: Python handles a signal that comes just before a wait begins only when that wait ends."""


class CoroutineRunner:
    """
    Has an event loop of its own, made for the first coroutine: on this thread, or, if a loop runs in it already, on a thread that does nothing else.

    Either way the caller waits. Coroutines see the caller's context variables.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(1, "fq-coroutines") if is_loop_running() else None
        self._loop: _Loop | None = None

    def run(self, coroutine: Coroutine[object, object, T]) -> T:
        """Return what *coroutine* returns. If this thread is interrupted, by Ctrl-C for example, *coroutine* is cancelled."""
        if self._loop is None:
            self._loop = self.call(_Loop)
        try:
            return self.call(self._loop.run, coroutine)
        except BaseException:
            self._loop.interrupt()
            raise

    def call(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return ``fn(*args, **kwargs)``, called where no event loop runs."""
        if self._threads is None:
            return fn(*args, **kwargs)
        context = copy_context()
        future = self._threads.submit(lambda: context.run(fn, *args, **kwargs))
        while not wait((future,), SIGNAL_CHECK_SECONDS).done:
            pass
        return future.result()

    def close(self) -> None:
        """Cancel what is left, and end the loop and the thread."""
        if self._loop is not None:
            self.call(self._loop.close)
        if self._threads is not None:
            self._threads.shutdown()


class _Loop:
    """A loop, in the thread that makes it."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._loop = self._runner.get_loop()
        self._task: asyncio.Task[object] | None = None
        self.close = self._runner.close

    def run(self, coroutine: Coroutine[object, object, T]) -> T:
        try:
            return self._runner.run(self._remember_task(coroutine), context=copy_context())
        except (
            SystemExit
        ):  # of a task that the coroutine has started: the coroutine goes on, and gets the exception where it awaits the task
            return run_on(self._loop, cast("asyncio.Task[T]", self._task))

    async def _remember_task(self, coroutine: Coroutine[object, object, T]) -> T:
        self._task = asyncio.current_task()
        return await coroutine

    def interrupt(self) -> None:
        """Cancel what runs, from any thread; do nothing if it has ended."""
        if self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)


def run_on(loop: asyncio.AbstractEventLoop, task: "asyncio.Task[T]") -> T:
    """Run *task* on *loop*, which a `SystemExit` has stopped, to its end, and return its result."""
    while not task.done():
        with suppress(SystemExit):
            return loop.run_until_complete(task)
    return task.result()


def is_loop_running() -> bool:
    """Does an event loop run in this thread?"""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
