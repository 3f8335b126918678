"""
`Calls`: the messages on an event loop, and which of them is at work. Mutable shell, used by the thread of the loop.

A task that an actor starts belongs to the actor's message, and so do the tasks which that starts: should one of them kill the process, or block it,
that message is to blame.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextvars import ContextVar
from functools import partial
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

from attrs import define

from fq.core.message import Message
from fq.errors import Interrupt
from fq.worker.executors.forks import EndOfFork
from fq.worker.executors.step_observer import Owned
from fq.worker.job import Job
from fq.worker.scoreboard import Board, Slot


@define(eq=False)
class Call:
    """
    Mutable: a message on the loop.

    While its actor runs, there are its *message* and the *task* that awaits the actor; *struck* is why that was cancelled.
    """

    job: Job
    started: float
    deadline: float
    message: Message | None = None
    task: "asyncio.Task[object] | None" = None
    struck: Interrupt | None = None

    def strike(self, interrupt: Interrupt) -> None:
        """Cancel what runs, once."""
        if self.struck is None and self.task is not None:
            self.struck = interrupt
            self.task.cancel()


OWNER: "ContextVar[Call | None]" = ContextVar("OWNER", default=None)
"""Whose tasks are made here."""


class Calls:
    """All that has been started on one event loop and not ended, with what is said of it on *board*."""

    def __init__(self, board: Board | None) -> None:
        self._calls: dict[asyncio.Task[None], Call] = {}
        self._owners: WeakKeyDictionary[asyncio.Task[Any], Call] = WeakKeyDictionary()
        self._slot: Slot | EndOfFork | None = None if board is None else board.slot()
        self._latest = None if board is None else board.slot()
        self._shown: Call | None = None

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[Call]:
        return iter(list(self._calls.values()))

    def start(self, loop: asyncio.AbstractEventLoop, job: Job, run: Callable[[Job], Coroutine[Any, Any, None]]) -> "asyncio.Task[None]":
        """Start to *run* a job, from the actor's time limit of which on it is late."""
        now = monotonic()
        call = Call(job, now, now + job.chain.limit / 1_000)
        before = OWNER.set(call)
        try:
            task: asyncio.Task[None] = asyncio.Task(self._owned(run(job), call), loop=loop)  # past the factory: that is for what it starts
        finally:
            OWNER.reset(before)
        self._calls[task] = call
        return task

    def enter(self, message: Message, task: "asyncio.Task[object]") -> Call:
        """Note that *task* is about to await the actor of *message*, and return the call that it belongs to."""
        call = OWNER.get() or self.owner(task)
        assert call is not None, "what runs here was started here"
        call.started = monotonic()
        deadline = call.started + message.time_limit / 1_000
        call.message, call.task, call.struck = message, task, None
        if message.time_limit != call.job.chain.limit:
            call.deadline = deadline
            self._shown = None  # it is shown with another deadline
            self._show(call)
        return call

    def end(self, task: "asyncio.Task[None]") -> Job:
        """Forget what *task* has ended, and return its job."""
        call = self._calls.pop(task)
        if self._shown is call:
            self._show(next(iter(self._calls.values()), None))
        return call.job

    def forked(self) -> None:
        """Let the next step of any coroutine end the process: it is a fork, and what runs here runs in its parent."""
        self._slot, self._shown = EndOfFork(), None

    def owner(self, task: "asyncio.Task[Any]") -> Call | None:
        """Return the call that *task* belongs to. May be asked by any thread."""
        return self._calls.get(task) or self._owners.get(task)

    def new_task(self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **settings: Any) -> "asyncio.Task[Any]":  # noqa: ANN401  # as asyncio has it
        """The factory of the tasks that actors start."""
        call = OWNER.get()
        if call is None:
            return asyncio.Task(coroutine, loop=loop, **settings)
        task: asyncio.Task[Any] = asyncio.Task(self._owned(coroutine, call), loop=loop, **settings)
        self._owners[task] = call
        return task

    def _owned(self, coroutine: Coroutine[Any, Any, Any], call: Call) -> Coroutine[Any, Any, Any]:
        return coroutine if self._slot is None else Owned(coroutine, partial(self._show, call))

    def show_latest(self) -> None:
        """Say on the board what is most overdue: an actor that will not be cancelled may be at work for a moment only."""
        if self._latest is None:
            return
        now = monotonic()
        call = min((call for call in self if call.deadline < now), key=lambda call: call.deadline, default=None)
        if call is None:
            self._latest.leave()
        else:
            self._latest.enter(call.job.delivery.message_id, call.started, call.deadline)

    async def cancel_all(self) -> None:
        """Cancel everything, and wait for its end."""
        tasks = list(self._calls)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _show(self, call: Call | None) -> None:
        """Say on the board what runs: of many calls, the one that is at work or was last. Should the process die, that is to blame."""
        if self._slot is None or self._shown is call:
            return
        self._shown = call
        if call is None or call.job.commit is not None:  # a task that has outlived its message is nobody's
            self._slot.leave()
        else:
            self._slot.enter(call.job.delivery.message_id, call.started, call.deadline)
