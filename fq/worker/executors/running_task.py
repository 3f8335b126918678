"""`RunningTask`, a message on an event loop, and `LoopBlame`, which says which of many is to blame, should one kill the process or block the loop."""

import asyncio
from collections.abc import Iterable
from contextvars import ContextVar
from time import monotonic

from attrs import define

from fq.core.message import Message
from fq.layers.time_limit import time_limit_exceeded
from fq.runtime.logger import logger
from fq.worker.claimed_job import Job
from fq.worker.executors.forks import ForkTrap
from fq.worker.scoreboard import Scoreboard, ScoreboardSlot

log = logger("fq.worker")


@define(eq=False)
class RunningTask:
    """
    Mutable: a message on the loop.

    While its actor runs, it has its *message* and the *task* that awaits the actor; *interrupted_by* is why that task was cancelled.
    """

    job: Job
    started: float
    deadline: float
    message: Message | None = None
    task: "asyncio.Task[object] | None" = None
    interrupted_by: BaseException | None = None

    def begin(self, message: Message, task: "asyncio.Task[object]") -> None:
        """Note that *task* is about to await the actor."""
        self.started = monotonic()
        self.message, self.task, self.interrupted_by = message, task, None
        if message.time_limit != self.job.actor.time_limit:
            self.deadline = self.started + message.time_limit / 1_000

    def end(self) -> None:
        """Note that the actor is over. Its interrupt would lead to the actor's frame, and that to this: so it is freed at once."""
        self.task = self.message = self.interrupted_by = None

    def interrupt(self, interrupt: BaseException) -> None:
        """Cancel the actor, once."""
        if self.interrupted_by is None and self.task is not None:
            self.interrupted_by = interrupt
            self.task.cancel()

    def interrupt_if_overdue(self) -> None:
        """Cancel the actor if it runs past its time limit."""
        if self.message is not None and self.deadline <= monotonic() + 0.001:
            self.interrupt(time_limit_exceeded(self.message.actor_name, self.message.time_limit))


CURRENT_TASK: "ContextVar[RunningTask | None]" = ContextVar("CURRENT_TASK", default=None)
"""The message that tasks belong to which are started here."""


class LoopBlame:
    """Writes on *scoreboard* which message of a loop is at work, or was last, and which is most overdue; and logs which blocks the loop."""

    def __init__(self, scoreboard: Scoreboard | None) -> None:
        self._at_work: ScoreboardSlot | ForkTrap | None = None if scoreboard is None else scoreboard.slot()
        self._most_overdue = None if scoreboard is None else scoreboard.slot()
        self._shown: RunningTask | None = None
        self._logged: RunningTask | None = None

    @property
    def observes_steps(self) -> bool:
        """Does it need to know of each step of a task?"""
        return self._at_work is not None

    def show(self, task: RunningTask | None) -> None:
        """Write that *task* takes a step; None: that none is left which could."""
        if self._at_work is None or self._shown is task:
            return
        self._shown = task
        if task is None or task.job.commit is not None:  # a task that has outlived its message belongs to none
            self._at_work.clear()
        else:
            self._at_work.set_running(task.job.delivery.message_id, task.started, task.deadline)

    def show_again(self, task: RunningTask) -> None:
        """Write the new deadline of *task*, which takes a step."""
        self._shown = None
        self.show(task)

    def is_shown(self, task: RunningTask) -> bool:
        """Was *task* the last that took a step?"""
        return self._shown is task

    def show_most_overdue(self, tasks: Iterable[RunningTask]) -> None:
        """Write which of *tasks* is most overdue: an actor that swallows its cancellation may be at work for moments only."""
        if self._most_overdue is None:
            return
        now = monotonic()
        task = min((task for task in tasks if task.deadline < now), key=lambda task: task.deadline, default=None)
        if task is None:
            self._most_overdue.clear()
        else:
            self._most_overdue.set_running(task.job.delivery.message_id, task.started, task.deadline)

    def log_blocking(self, task: RunningTask, seconds: float) -> None:
        """Log, once, that *task* has blocked the loop for this long."""
        if task is not self._logged:
            self._logged = task
            log.warning(
                "%s has kept the event loop from turning for %.1f s, and all other async actors wait: call blocking code by asyncio.to_thread",
                task.job.delivery.actor_name,
                seconds,
            )

    def forked(self) -> None:
        """End the process, a fork, at the next step of any task: what runs here runs in its parent."""
        self._at_work, self._shown = ForkTrap(), None
