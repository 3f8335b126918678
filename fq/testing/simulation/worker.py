"""`Worker`, a worker without threads that takes one step at a time, and `Cast`, which runs the actors of an app for it. Mutable shell."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from contextvars import copy_context
from random import Random
from typing import cast

from attrs import define, field
from returns.result import Failure

from fq.app.app import App
from fq.brokers.records import ArriveOp, Bury, ClaimRequest, Commit, EnqueueOp, Reschedule, StoreResultOp
from fq.core.message import Message
from fq.core.outcome import Arrive, Dead, Effect, Enqueue, Outcome, Retry, Store
from fq.execution.handler import actor_failure, self_cancelled
from fq.layers.time_limit import time_limit_exceeded
from fq.middleware.base import AsyncHandler
from fq.testing.simulation.ledger import Ledger
from fq.testing.simulation.loop import NeverEndsError, TimelessLoop
from fq.testing.simulation.recorder import Tap
from fq.worker.coroutine_runner import CoroutineRunner
from fq.worker.job import Job, JobRunner
from fq.worker.outbox import hand_back
from fq.worker.settings import WorkerSettings

SETTINGS = WorkerSettings(processes=1)
LEASE = SETTINGS.lease
ROOM = 3
"""So many messages a worker holds at most that it has not begun."""


class Cast:
    """Mutable: the actors of *app* in their stacks, built once. *on_call* hears of each call, *overrun* is how it overruns."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.runner = JobRunner(app.registry, self._call, self._acall, SETTINGS.unknown_actor_grace)
        self.on_call: Callable[[str], None] = lambda _: None
        self.overrun = ""
        self._loop: TimelessLoop | None = None
        self._coroutines = CoroutineRunner()

    def close(self) -> None:
        """Let go of the event loop."""
        if self._loop is not None:
            self._coroutines.call(self._loop.clear)
            self._loop.close()
        self._coroutines.close()

    def perform(self, job: Job) -> Outcome:
        """Return what comes of *job*; the actor runs for real."""
        actor = job.actor
        if actor.handler is not None:
            return copy_context().run(actor.handler, job.message)
        if self._loop is None:
            self._loop = TimelessLoop()
        return self._coroutines.call(self._loop.complete, _awaited(cast(AsyncHandler, actor.ahandler), job.message))

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
        except asyncio.CancelledError as error:  # nobody but the actor cancels here
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


@define(eq=False)
class Worker:
    """
    Mutable: one worker, in the hands of whoever calls its steps.

    *unstarted* is what it has claimed, *finished* what has run and is not committed; *idle* after it asked and got nothing. When *stalled*,
    its lease is not renewed and it does not reach the broker; it goes on running what it holds if it *runs*.
    """

    name: str
    cast: Cast
    tap: Tap
    random: Random
    unstarted: list[Job] = field(factory=list)
    finished: list[Job] = field(factory=list)
    at_once: list[Commit] = field(factory=list)
    idle: bool = False
    stalled: bool = False
    runs: bool = True

    @property
    def loaded(self) -> bool:
        """Does it hold anything?"""
        return bool(self.unstarted or self.finished or self.at_once)

    @property
    def ready(self) -> bool:
        """Is there anything for it to do?"""
        return bool(self.unstarted and self.runs) if self.stalled else not self.idle

    @property
    def would_run(self) -> bool:
        """Is its next step to run a message, and not a turn?"""
        return bool(self.unstarted) and (self.stalled or not self.finished or self.random.random() < 0.5)

    def run(self, overrun: str = "") -> None:
        """Run one of the messages that it holds."""
        job = self.unstarted.pop(int(self.random.random() * len(self.unstarted)))
        message_id, note, runner, self.cast.overrun = job.delivery.message_id, self.tap.trace.note, self.cast.runner, overrun
        try:
            runner.emit_started(job)
            outcome = self.cast.perform(job)
        except NeverEndsError as error:
            note("{} runs {}, which does not end", self.name, message_id)
            self.tap.ledger.flag("stuck", f"{self.tap.ledger.name(message_id)} does not end: {error}")
        else:
            note("{} runs {}: {}", self.name, message_id, outcome)
            shorten(outcome)
            runner.finish(job, outcome)
            compare(self.tap.ledger, job, outcome)
        finally:
            self.cast.overrun = ""
        self.finished.append(job)

    def turn(self, limit: int, heard: bool = True) -> None:
        """Commit what has run and claim up to *limit* messages; unless *heard*, the answer never gets here."""
        jobs, commits = self.finished, self.at_once + [commit for job in self.finished if (commit := job.commit)]
        turn = self.tap.turn(commits, ClaimRequest(self.name, self.cast.app.queues, limit, LEASE))
        if not heard:
            return
        self.finished, self.at_once = [], []
        for job in jobs:
            if job.actor.emits_events or turn.stale:
                self.cast.runner.after_commit(job, job.delivery.message_id in turn.stale)
        for delivery in turn.deliveries:
            received = self.cast.runner.receive(delivery)
            if not isinstance(received, Job):
                self.at_once.append(received)
            elif self.cast.runner.decode(received):
                self.tap.ledger.opened(received.message)
                self.unstarted.append(received)
            elif received.commit is not None:
                self.at_once.append(received.commit)
        if turn.cancelled:
            self.give_up()
        self.idle = limit > 0 and not self.loaded

    def give_up(self) -> None:
        """Hand back, with the next turn, what has not begun: what was cancelled of it comes back as that."""
        for job in self.unstarted:
            job.commit = hand_back(job)
        self.finished += self.unstarted
        self.unstarted = []

    def stop(self) -> None:
        """Commit what has run and hand back the rest."""
        self.give_up()
        self.turn(0)


def shorten(outcome: Outcome) -> None:
    """Take the traceback off the error of a retry: nobody will read it, and putting it into words takes longer than all the rest."""
    if not outcome.final and (error := outcome.error) is not None:
        error.__traceback__ = None


def compare(ledger: Ledger, job: Job, outcome: Outcome) -> None:
    """Note it if the commit of *job* does not say what *outcome* said: the same end, and every effect once, and perhaps more arrivals."""
    commit = job.commit
    if commit is None or (type(commit.disposition) is Bury and (outcome.succeeded or not isinstance(outcome.result.failure(), Dead))):
        return  # it could not be encoded, and is a dead letter for that
    replaced = not outcome.succeeded and isinstance(outcome.result.failure(), Retry)
    said, done = Counter(map(_of_effect, outcome.effects)), Counter(map(_of_operation, commit.operations))
    if said - done or any(kind != "arrives" for kind, *_ in done - said) or replaced != isinstance(commit.disposition, Reschedule):
        ledger.flag("changed", f"{ledger.name(commit.message_id)} had the outcome {outcome!r}, and the commit {commit!r}")


def _of_effect(effect: Effect) -> tuple[object, ...]:
    match effect:
        case Enqueue(message):
            return "sends", message.message_id
        case Store(message_id):
            return "keeps", message_id
        case Arrive(group, member):
            return "arrives", group, member


def _of_operation(operation: EnqueueOp | StoreResultOp | ArriveOp) -> tuple[object, ...]:
    match operation:
        case EnqueueOp(message_id):
            return "sends", message_id
        case StoreResultOp(message_id):
            return "keeps", message_id
        case ArriveOp(group, member):
            return "arrives", group, member
