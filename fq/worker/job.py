"""`Job`, one claimed message on its way through a worker, and `Chains`, which knows how to run it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from fq.brokers.records import Bury, Commit, Delivery, Reschedule
from fq.core.events import Claimed, Committed, Committing, Released, Started
from fq.core.fault import Fault
from fq.core.message import CANCELLED, Message
from fq.core.outcome import Enqueue, Outcome, Retry
from fq.errors import DecodeError
from fq.errors.propagation import aescapes, escapes
from fq.execution.actor_plan import ActorPlan
from fq.execution.handler import AsyncRuns, Runs, async_handler, interrupted_outcome, sync_handler
from fq.execution.outcome_encoding import SendLayers, bury_with, encode_or_fail, encode_outcome
from fq.execution.version_skew import unknown_actor
from fq.layers import Callbacks, GroupCallbacks, Results
from fq.layers.retries import Retries
from fq.layers.time_limit import TimeLimit
from fq.middleware.base import AsyncHandler, Handler
from fq.middleware.stack import Stack
from fq.runtime.logger import logger
from fq.wire.codec import decode
from fq.worker.failure_log import report
from fq.workflows.group_results import with_lost_arrivals

if TYPE_CHECKING:
    from fq.app.app import App

log = logger("fq.worker")


@frozen
class Chain:
    """
    The stack of one actor, built once around its function: exactly one of the two handlers, by the actor's colour.

    *watched*: do layers watch, its own or those of an actor that it may send to? *limit*: the actor's time limit, ms; a message may have another.
    """

    plan: ActorPlan
    handler: Handler | None = None
    ahandler: AsyncHandler | None = None
    watched: bool = True
    limit: float = float("inf")


@define(eq=False)
class Job:
    """
    Mutable: a claimed message.

    Its *message* is there when it has been read, *commit* when it has run, *outcome* and *sent*, its follow-ups, only where layers watch.
    """

    delivery: Delivery
    chain: Chain
    message: Message = field(init=False)
    commit: Commit | None = None
    outcome: Outcome | None = None
    sent: tuple[Enqueue, ...] = ()


class Chains:
    """The chains of an app's actors, each built at its first message."""

    def __init__(self, app: "App", run: Runs, arun: AsyncRuns, grace: int) -> None:
        self.app = app
        self._run = run
        self._arun = arun
        self._grace = grace
        self._chains: dict[str, Chain] = {}

    def receive(self, delivery: Delivery) -> Job | Commit:
        """
        Return the job for *delivery*, whose message `run` will read; or, where there is nothing to run, the commit that deals with it at once.

        Nothing that a message holds is raised here, in the thread that serves all others: a message that cannot be judged is a dead letter.
        """
        try:
            return self._received(delivery)
        except BaseException as error:
            if escapes(error):
                raise
            log.error("%s %s cannot be judged and is now a dead letter", delivery.actor_name, delivery.message_id, exc_info=error)
            return bury_with(delivery, error, self.app.registry.apply_send_layers)

    def _received(self, delivery: Delivery) -> Job | Commit:
        cancelled = delivery.interrupted == CANCELLED
        chain = None if cancelled else self._chains.get(delivery.actor_name) or self._build(delivery.actor_name)
        if chain is not None and not chain.plan.has_event_layers:
            return Job(delivery, chain)
        message = read(delivery)
        if isinstance(message, Commit):
            return message
        if chain is None:
            end = interrupted_outcome(message) if cancelled else unknown_actor(message, self._grace)
            if not end.final:
                return encode_outcome(delivery, end, self.app.registry.apply_send_layers)
            plan = self.app.registry.plan(message.actor_name)
            chain = Chain(plan, told(plan.stack).wrap(lambda _: end))  # no layer that could put it off, but who watches or waits is told
        if chain.plan.has_event_layers:
            self.app.registry.emit(Claimed(message), chain.plan)
        job = Job(delivery, chain)
        job.message = message
        return job

    def run(self, job: Job) -> None:
        """Read the message of *job*, a sync one, and run it. Nothing is raised here but Ctrl-C."""
        try:
            if self.opened(job) and job.chain.handler is not None:
                self.started(job)
                self.finish(job, job.chain.handler(job.message))
        except BaseException as error:
            if escapes(error):
                raise
            self.fail(job, error)

    async def arun(self, job: Job) -> None:
        """The same for an async one; what cancels its task is raised, too."""
        try:
            if self.opened(job) and job.chain.ahandler is not None:
                self.started(job)
                self.finish(job, await job.chain.ahandler(job.message))
        except BaseException as error:
            if aescapes(error):
                raise
            self.fail(job, error)

    def opened(self, job: Job) -> bool:
        """Read the message of *job*, if that has not been done; is there one? If not, there is the commit that deals with that."""
        if job.chain.plan.has_event_layers:
            return True
        message = read(job.delivery)
        if isinstance(message, Commit):
            job.commit = message
            return False
        job.message = message
        return True

    def finish(self, job: Job, outcome: Outcome) -> None:
        """
        Take *outcome* as what came of *job*: log it if it is a failure, and lower it. The exception does not outlive this call.

        What cannot be taken makes the message a dead letter: run again, it would come to the same. Once there is a commit, nothing changes it.
        """
        try:
            self._finish(job, outcome)
        except BaseException as error:
            if escapes(error):
                raise
            job.commit = job.commit or bury_with(job.delivery, error, self.app.registry.apply_send_layers)
            log.exception("%s %s: its outcome could not be taken as it is", job.delivery.actor_name, job.delivery.message_id)

    def fail(self, job: Job, error: BaseException) -> None:
        """Let *job* fail with *error*, which came from outside of its actor and passed its layers: those that retry and tell others still judge it."""
        try:
            if self.opened(job):  # a task can be cancelled before its first step
                self.finish(job, judging(job.chain.plan.stack).wrap(lambda _: Outcome.failure(error))(job.message))
        except BaseException as worse:
            if escapes(worse):
                raise
            job.commit = job.commit or bury_with(job.delivery, error, self.app.registry.apply_send_layers)

    def _finish(self, job: Job, outcome: Outcome) -> None:
        chain = job.chain
        if job.message.options:
            outcome = with_lost_arrivals(job.message, outcome)
        if chain.watched:
            sent: dict[str, Enqueue] = {}
            outcome, job.commit = encode_or_fail(job.delivery, outcome, self._noting(sent))
            job.sent = tuple(sent[message_id] for message_id in _follow_ups(outcome) if message_id in sent) if sent else ()
        else:
            outcome, job.commit = encode_or_fail(job.delivery, outcome, self.app.registry.apply_send_layers)
        if not outcome.succeeded:
            report(job.message, outcome, chain.plan, _fault(job.commit))
        if chain.plan.has_event_layers:
            self.app.registry.emit(Committing(job.message, outcome), chain.plan)
            job.outcome = outcome

    def started(self, job: Job) -> None:
        """Tell the layers that *job* is about to run, where any of them watches."""
        if job.chain.plan.has_event_layers:
            self.app.registry.emit(Started(job.message), job.chain.plan)

    def committed(self, job: Job, stale: bool) -> None:
        """Tell the layers, where any of them watches, that the outcome of *job* is in, or came too late, or that there is none."""
        if stale:
            delivery = job.delivery
            log.warning("%s %s: its outcome came too late and was dropped; another worker has it", delivery.actor_name, delivery.message_id)
        if not stale:
            for enqueue in job.sent:
                self.app.registry.emit_enqueued(enqueue)
        if job.outcome is not None:
            outcome, job.outcome = job.outcome, None  # through its frames, an exception in it would keep the job and so itself alive
            self.app.registry.emit(Committed(job.message, outcome, stale), job.chain.plan)
        elif job.chain.plan.has_event_layers:
            self.app.registry.emit(Released(job.message), job.chain.plan)

    def _noting(self, sent: dict[str, Enqueue]) -> SendLayers:
        """Return the send side, which also notes in *sent*, by message id, what it was passed."""

        def apply_send_layers(enqueue: Enqueue) -> Enqueue:
            folded = sent[enqueue.message.message_id] = self.app.registry.apply_send_layers(enqueue)
            return folded

        return apply_send_layers

    def _build(self, actor_name: str) -> Chain | None:
        actor = self.app.actors.get(actor_name)
        if actor is None:
            return None
        plan = self.app.registry.plan(actor_name)
        watched = any(other.has_event_layers for other in self.app.registry.plans())
        layer = plan.stack.get(TimeLimit)
        limit = float("inf") if layer is None else layer.time_limit
        if actor.signature.is_async:
            chain = Chain(
                plan,
                ahandler=plan.stack.awrap(async_handler(actor.fn, actor.signature, self._arun, self._grace)),
                watched=watched,
                limit=limit,
            )
        else:
            chain = Chain(
                plan, plan.stack.wrap(sync_handler(actor.fn, actor.signature, self._run, self._grace)), watched=watched, limit=limit
            )
        self._chains[actor_name] = chain
        return chain


def read(delivery: Delivery) -> Message | Commit:
    """Return the message of *delivery*; or, if its bytes are none, the commit that makes it a dead letter."""
    try:
        message = decode(delivery.body, delivery.received_at, delivery.deliveries, delivery.interrupted)
        if message.actor_name != delivery.actor_name:
            raise DecodeError(f"found a message for {message.actor_name}, expected one for {delivery.actor_name}, as it was sent")
        if message.message_id != delivery.message_id:
            raise DecodeError(f"found the message {message.message_id}, expected {delivery.message_id}, as it was sent")
    except DecodeError as error:
        log.error("%s in queue %s cannot be read and is now a dead letter: %s", delivery.message_id, delivery.queue_name, error)
        return Commit(delivery.message_id, delivery.queue_name, delivery.token, Bury(Fault.of(error)))
    else:
        return message


def _fault(commit: Commit) -> Fault | None:
    """Return the error that *commit* says, as data."""
    return commit.disposition.fault if isinstance(commit.disposition, Bury | Reschedule) else None


def _follow_ups(outcome: Outcome) -> list[str]:
    """
    Return the ids of the messages that *outcome* itself sends.

    What comes after a group is sent by the broker, when the last member is there.
    """
    retried = [] if outcome.final else [outcome.result.failure()]
    ids = [setback.message.message_id for setback in retried if isinstance(setback, Retry)]
    return ids + [effect.message.message_id for effect in outcome.effects if isinstance(effect, Enqueue)]


def told(stack: Stack) -> Stack:
    """Return those layers of *stack* that tell others what came of a message."""
    return Stack(tuple(layer for layer in stack if isinstance(layer, GroupCallbacks | Results | Callbacks)))


def judging(stack: Stack) -> Stack:
    """Return those layers of *stack* that decide if there is another attempt, and tell others what came of a message."""
    return Stack(tuple(layer for layer in stack if isinstance(layer, GroupCallbacks | Results | Callbacks | Retries)))


Finish = Callable[[Job, bool], None]
"""Hands a finished job to the pump, and says if there is nothing to wait for."""
