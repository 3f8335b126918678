"""
`HookPlace`: the thread and the context in which hooks run around an async actor, and `to_hook_thread`, which lets the actor use that thread.

The coroutine of the actor stays on the event loop. Its steps run in the very context in which the hooks run, so that the actor sees the context
variables that a hook sets, and a later hook can reset them: a token is good only in the context that made it.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, ContextVar, copy_context
from functools import partial
from typing import Any, Generic, ParamSpec, TypeVar, cast

from attrs import define

from fq.class_style.asgiref_compat import rehome_locals, thread_sensitive
from fq.class_style.hook_threads import HookThread, HookThreads
from fq.errors import ConfigError, Interrupt
from fq.worker.executors.running_task import CURRENT_TASK

P = ParamSpec("P")
T = TypeVar("T")


@define(eq=False)
class HookPlace:
    """Where the hooks of the message run that *task* runs: in *thread*, and in *context*, as do the steps of its coroutine."""

    thread: HookThread
    context: Context
    task: "asyncio.Task[object] | None"

    async def call(self, fn: Callable[[], T]) -> T:
        """
        Return ``fn()``, called in the thread, in the context.

        Not to be interrupted: the task would enter the context while the thread is in it. A cancellation comes at the next await.
        """
        call = _Call(fn)
        try:
            await self._run(call.run, self.context)
        except asyncio.CancelledError:  # of the task, kept until now
            task = cast("asyncio.Task[object]", asyncio.current_task())
            task.uncancel()
            task.cancel()
        return call.result()

    async def call_copied(self, fn: Callable[[], T]) -> T:
        """Return ``fn()``, called in the thread, in a copy of the context of the calling task. A cancellation is raised when *fn* has returned."""
        call = _Call(fn)
        await self._run(call.run, copy_context())
        return call.result()

    async def _run(self, call: Callable[[], None], context: Context) -> None:
        loop = asyncio.get_running_loop()
        done = _Uncancellable(loop=loop)

        def work() -> None:
            context.run(_rehomed, call)

        def end() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(done.finish)

        # Handed over when this step is over: until then, the task is in its context.
        loop.call_soon(self.thread.run, work, end, context=Context())
        try:
            await done
        finally:
            rehome_locals()


class _Call(Generic[T]):
    """A call of *fn*, which keeps what it returns or raises."""

    def __init__(self, fn: Callable[[], T]) -> None:
        self._fn = fn
        self._value: T
        self._error: BaseException | None = Interrupt("the thread of the hooks was interrupted")

    def run(self) -> None:
        try:
            self._value = self._fn()
        except BaseException as error:
            self._error = error
        else:
            self._error = None

    def result(self) -> T:
        error, self._error = self._error, None
        if error is not None:
            raise error
        return self._value


class _Uncancellable(asyncio.Future[None]):
    """A future that stays as it is when the task that awaits it is cancelled: the task keeps its cancellation until the future is done."""

    def cancel(self, msg: object = None) -> bool:
        return False

    def finish(self) -> None:
        if not self.done():
            self.set_result(None)


class _InContext(Generic[T]):
    """An awaitable: *coroutine*, each step of which runs in *context*."""

    def __init__(self, coroutine: Coroutine[Any, Any, T], context: Context) -> None:
        self._coroutine = coroutine
        self._run = context.run

    def __await__(self) -> Generator[Any, Any, T]:
        step: Callable[[], Any] = partial(self._coroutine.send, None)
        try:
            while True:
                waits_for = self._run(step)
                try:
                    value = yield waits_for
                except GeneratorExit:
                    self._run(self._coroutine.close)
                    raise
                except BaseException as error:
                    step = partial(self._coroutine.throw, error)
                else:
                    step = partial(self._coroutine.send, value)
        except StopIteration as end:
            return cast("T", end.value)


_PLACE: ContextVar[HookPlace | None] = ContextVar("fq_hook_place", default=None)


def current_place() -> HookPlace | None:
    """Return the place of the hooks of the message that the current task runs; None if it has none, or is a task that the actor has started."""
    place = _PLACE.get()
    return place if place is not None and place.task is asyncio.current_task() else None


async def in_hook_place(threads: HookThreads, run: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Return ``await run()``, with a thread of *threads* lent to it, in a context of its own."""
    if current_place() is not None:
        return await run()
    with threads.lend() as thread:
        context = copy_context()
        place = HookPlace(thread, context, asyncio.current_task())
        context.run(_PLACE.set, place)
        running = CURRENT_TASK.get()
        if running is not None:
            loop = asyncio.get_running_loop()
            thread.on_raised = lambda error: _interrupt(loop, partial(running.interrupt, error))
        with thread_sensitive(thread, context):
            return await _InContext(run(), context)


async def to_hook_thread(fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """
    Return ``fn(*args, **kwargs)``, called in the thread of the hooks of the message that runs: `asyncio.to_thread` with that one thread.

    For the sync parts of an async actor that need what a hook keeps in its thread, such as a scoped session of SQLAlchemy. It sees the context variables
    of the caller. A cancellation, by a time limit for example, is raised when *fn* has returned.

    >>> from fq import App, compose, default_middleware, hooks
    >>> from fq.class_style import to_hook_thread
    >>> import threading
    >>> class Session:
    ...     local = threading.local()
    ...
    ...     def before_process_message(self, broker, message):
    ...         self.local.session = f"session of {message.actor_name}"
    >>> app = App("memory://", middleware=compose(default_middleware, hooks(Session(), thread=True)))
    >>> @app.actor
    ... async def report() -> None:
    ...     print(await to_hook_thread(lambda: Session.local.session))
    >>> handle = report.send()
    >>> app.run_until_idle()
    session of report
    1

    Raises:
        ConfigError: no message with such a thread runs here.
    """
    place = _PLACE.get()
    if place is None:
        raise ConfigError(
            "found no thread of hooks: call to_hook_thread in an async actor with class-style middleware that has one, hooks(..., thread=True)"
        )
    return await place.call_copied(partial(fn, *args, **kwargs))


def _rehomed(call: Callable[[], None]) -> None:
    rehome_locals()
    call()


def _interrupt(loop: asyncio.AbstractEventLoop, interrupt: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(interrupt)
