"""`LifespanTask`: the one task of an event loop that opens and closes resources. Mutable shell."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar, cast

from fq.errors.propagation import is_being_cancelled, running_task

T = TypeVar("T")

_Step: TypeAlias = tuple[Callable[[], Awaitable[object]], "asyncio.Future[object]"]


class LifespanTask:
    """
    Runs coroutines one after the other in one task, which begins with the first.

    A resource that is opened and closed in two tasks could hold no task group and no timeout across its ``yield``: these demand to be left in the task that
    has entered them.
    """

    def __init__(self) -> None:
        self._steps: asyncio.Queue[_Step] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def run(self, step: Callable[[], Awaitable[T]]) -> T:
        """Return what *step* returns. If the caller is cancelled, so is *step*."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._serve(), name="fq-resources")
        done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._steps.put_nowait((step, done))
        try:
            return cast(T, await done)
        except asyncio.CancelledError:
            self._task.cancel()
            raise

    async def _serve(self) -> None:
        while True:
            step, done = await self._steps.get()
            try:
                value = await step()
            except BaseException as error:
                if not done.done():
                    done.set_exception(error)
                if isinstance(error, GeneratorExit) or is_being_cancelled(running_task()):
                    raise
            else:
                if not done.done():
                    done.set_result(value)
