"""`Actors`: runs the actors of an app for simulated workers. Mutable shell."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextvars import copy_context
from typing import Any, TypeVar, cast

from returns.result import Failure

from fq.app.app import App
from fq.core.message import Message
from fq.core.outcome import Outcome
from fq.execution.handler import actor_failure, self_cancelled
from fq.layers.time_limit import time_limit_exceeded
from fq.middleware.base import AsyncHandler
from fq.runtime.actor_run import ActorRun
from fq.testing.simulation.loop import VirtualTimeLoop
from fq.worker.claimed_job import Job
from fq.worker.coroutine_runner import CoroutineRunner
from fq.worker.inline_resources import InlineResources
from fq.worker.job import JobRunner
from fq.worker.settings import WorkerSettings

T = TypeVar("T")
SETTINGS = WorkerSettings(processes=1)


class Actors:
    """
    Mutable: the actors of *app* in their stacks, built once.

    *on_call* receives the name of each actor that runs, *on_report* the run of one that tells something; *overrun* says how it overruns.
    """

    def __init__(self, app: App) -> None:
        self.app = app
        self.runner = JobRunner(app.registry, self._call, self._acall, SETTINGS.unknown_actor_grace, on_report=self._report)
        self.on_call: Callable[[str], None] = lambda _: None
        self.on_report: Callable[[ActorRun], None] = lambda _: None
        self.overrun = ""
        self._loop: VirtualTimeLoop | None = None
        self._coroutines = CoroutineRunner()
        self._resources = InlineResources(self.runner.resources, self._complete)

    def _report(self, run: ActorRun) -> None:
        self.on_report(run)

    def close(self) -> None:
        """Close the resources, and the event loop."""
        try:
            self._resources.close()
        finally:
            if self._loop is not None:
                self._coroutines.call(self._loop.clear)
                self._loop.close()
            self._coroutines.close()

    def perform(self, job: Job) -> Outcome:
        """Return the outcome of *job*; the actor really runs."""
        actor = job.actor
        self._resources.open_for(self.app.registry.needs_of(job.message.actor_name))
        if actor.handler is not None:
            return copy_context().run(actor.handler, job.message)
        return self._complete(_awaited(cast(AsyncHandler, actor.ahandler), job.message))

    def _complete(self, coroutine: Coroutine[Any, Any, T]) -> T:
        if self._loop is None:
            self._loop = VirtualTimeLoop()
        return self._coroutines.call(self._loop.complete, coroutine)

    def _call(self, message: Message, fn: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object], /) -> object:
        self.on_call(message.actor_name)
        if self._overruns(message) and self.overrun == "at once":
            raise time_limit_exceeded(message.actor_name, message.time_limit)
        value = fn(*args, **kwargs)
        if self._overruns(message):
            raise time_limit_exceeded(message.actor_name, message.time_limit)
        return value

    async def _acall(
        self, message: Message, fn: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object], /
    ) -> object:
        self.on_call(message.actor_name)
        if self._overruns(message) and self.overrun == "at once":
            raise time_limit_exceeded(message.actor_name, message.time_limit)
        task = asyncio.current_task()
        try:
            value = await fn(*args, **kwargs)  # type: ignore[misc]  # an async actor's function returns an awaitable
        except asyncio.CancelledError as error:  # in a simulation only the actor itself can cancel
            return Failure(self_cancelled(message.actor_name, error))
        except GeneratorExit as error:
            return Failure(actor_failure(message, error, task))
        if self._overruns(message):
            raise time_limit_exceeded(message.actor_name, message.time_limit)
        return cast(object, value)

    def _overruns(self, message: Message) -> bool:
        return bool(self.overrun) and message.time_limit != float("inf")


async def _awaited(handler: AsyncHandler, message: Message) -> Outcome:
    return await handler(message)
