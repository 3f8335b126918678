"""`Aside`: runs coroutines to their ends from sync code, wherever that is called from: a test, an async test, a notebook. Mutable shell."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from contextvars import copy_context
from typing import ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")

HEAR_SIGNALS_SECONDS = 0.2
"""How long a wait for the other thread lasts before the next one: Python does not hear a signal that comes just before a wait begins until that ends."""


class Aside:
    """
    An event loop of its own, made for the first coroutine: on this thread, or, where a loop runs in it already, on a thread that does nothing else.

    Either way the caller waits, so that one thing happens after the other. Coroutines see the caller's context variables.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(1, "fq-aside") if loop_runs() else None
        self._loop: _Loop | None = None

    def run(self, coroutine: Coroutine[object, object, T]) -> T:
        """Return what *coroutine* returns. Should this thread be interrupted, by Ctrl-C say, it is cancelled."""
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
        while not wait((future,), HEAR_SIGNALS_SECONDS).done:
            pass
        return future.result()

    def close(self) -> None:
        """Cancel what is left, and let go of the loop and of the thread."""
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
            return self._runner.run(self._noted(coroutine), context=copy_context())
        except SystemExit:  # of a task that the coroutine has started: it goes on, and meets that where it awaits the task
            return resumed(self._loop, cast("asyncio.Task[T]", self._task))

    async def _noted(self, coroutine: Coroutine[object, object, T]) -> T:
        self._task = asyncio.current_task()
        return await coroutine

    def interrupt(self) -> None:
        """Cancel what runs, from whatever thread; nothing happens if it has ended."""
        if self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)


def resumed(loop: asyncio.AbstractEventLoop, task: "asyncio.Task[T]") -> T:
    """Return what *task*, in which a `SystemExit` has stopped *loop*, comes to."""
    while not task.done():
        with suppress(SystemExit):
            return loop.run_until_complete(task)
    return task.result()


def loop_runs() -> bool:
    """Does an event loop run in this thread?"""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
