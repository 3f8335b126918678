"""
`RunningTasks`: the messages that run on an event loop, and which tasks belong to each. Mutable shell, used by the thread of the loop.

A task that an actor starts belongs to the actor's message, and so do the tasks that it starts in turn: if one of them kills the process or blocks
the loop, that message is to blame.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from functools import partial
from time import monotonic
from typing import Any, cast
from weakref import WeakKeyDictionary

from returns.result import Failure

from fq.core.message import Message
from fq.execution.handler import actor_failure
from fq.worker.claimed_job import Job
from fq.worker.executors.forks import end_fork
from fq.worker.executors.running_task import CURRENT_TASK, LoopBlame, RunningTask
from fq.worker.executors.step_observer import ObservedCoroutine
from fq.worker.scoreboard import Scoreboard

INTERVALS_WITHOUT_TIMER = 5
"""A time limit shorter than this many intervals has a timer of its own; longer ones are looked at once an interval."""


class RunningTasks:
    """All that was started on one event loop and has not ended. *interval*: how often the loop looks at time limits, in ms."""

    def __init__(self, scoreboard: Scoreboard | None = None, interval: int = 1_000) -> None:
        self.interval_seconds = interval / 1_000
        self.blame = LoopBlame(scoreboard)
        self.is_fork = False
        self._timer_below = INTERVALS_WITHOUT_TIMER * interval
        self._tasks: dict[asyncio.Task[None], RunningTask] = {}
        self._owners: WeakKeyDictionary[asyncio.Task[Any], RunningTask] = WeakKeyDictionary()

    def __len__(self) -> int:
        return len(self._tasks)

    def __iter__(self) -> Iterator[RunningTask]:
        return iter(list(self._tasks.values()))

    def start(self, loop: asyncio.AbstractEventLoop, job: Job, run: Callable[[Job], Coroutine[Any, Any, None]]) -> "asyncio.Task[None]":
        """Start to *run* a job."""
        now = monotonic()
        running = RunningTask(job, now, now + job.actor.time_limit / 1_000)
        before = CURRENT_TASK.set(running)
        try:
            task: asyncio.Task[None] = asyncio.Task(
                self._observed(run(job), running), loop=loop
            )  # not by the factory, which is for what it starts
        finally:
            CURRENT_TASK.reset(before)
        self._tasks[task] = running
        return task

    def end(self, task: "asyncio.Task[None]") -> Job:
        """Forget *task*, which has ended, and return its job."""
        running = self._tasks.pop(task)
        if self.blame.is_shown(running):
            self.blame.show(next(iter(self._tasks.values()), None))
        return running.job

    async def run(self, message: Message, fn: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object], /) -> object:
        """
        Return ``await fn(*args, **kwargs)``; raises what it raises, or the interrupt that it was cancelled for.

        A cancellation that no other code has asked for, because the actor raised it or awaited a cancelled task, is a failure like any other.
        """
        if self.is_fork:
            end_fork()
        task = cast("asyncio.Task[object]", asyncio.current_task())
        running = self._begin(message, task)
        if message.time_limit < self._timer_below:
            task.get_loop().call_later(message.time_limit / 1_000, running.interrupt_if_overdue)
        try:
            return await cast("Awaitable[object]", fn(*args, **kwargs))
        except asyncio.CancelledError as error:
            if running.interrupted_by is not None:
                task.uncancel()
                raise running.interrupted_by from None
            return Failure(actor_failure(message, error, task))
        except GeneratorExit as error:
            return Failure(actor_failure(message, error, task))
        finally:
            if self.is_fork:
                end_fork()
            running.end()

    def _begin(self, message: Message, task: "asyncio.Task[object]") -> RunningTask:
        running = CURRENT_TASK.get() or self.owner(task)
        assert running is not None, "what runs here was started here"
        deadline = running.deadline
        running.begin(message, task)
        if running.deadline != deadline:
            self.blame.show_again(running)
        return running

    def owner(self, task: "asyncio.Task[Any]") -> RunningTask | None:
        """Return the message that *task* belongs to. Any thread may ask."""
        return self._tasks.get(task) or self._owners.get(task)

    def create_task(self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **settings: Any) -> "asyncio.Task[Any]":  # noqa: ANN401  # as asyncio has it
        """Create a task that an actor starts: the loop's task factory."""
        running = CURRENT_TASK.get()
        if running is None:
            return asyncio.Task(coroutine, loop=loop, **settings)
        task: asyncio.Task[Any] = asyncio.Task(self._observed(coroutine, running), loop=loop, **settings)
        self._owners[task] = running
        return task

    async def cancel_all(self) -> None:
        """Cancel everything, and wait for its end."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def forked(self) -> None:
        """End the process, a fork, with whatever runs next: it shares the selector of its parent's loop."""
        self.is_fork = True
        self.blame.forked()

    def _observed(self, coroutine: Coroutine[Any, Any, Any], running: RunningTask) -> Coroutine[Any, Any, Any]:
        return ObservedCoroutine(coroutine, partial(self.blame.show, running)) if self.blame.observes_steps else coroutine
