"""
`JobRunner`: the pipeline of a claimed message, from its delivery to its commit. Mutable shell.

=============  ===================  =====================================================================================
step           thread               what it does
=============  ===================  =====================================================================================
receive        the dispatcher's     finds the actor; for a message that cannot run, returns the commit at once
decode         the executor's       reads the message
run, arun      the executor's       calls the handler, which is the stack around the actor, and takes the next two steps
encode         the executor's       makes a commit of the outcome
report         the executor's       logs a failure, and tells the layers what is about to be committed
after_commit   the dispatcher's     tells the layers what was committed
=============  ===================  =====================================================================================

`finish` is encode and report for an outcome; `fail` is the same for an error that has passed the layers.
"""

from attrs import define, field

from fq.brokers.records import Bury, Commit, Delivery, Reschedule
from fq.core.events import Claimed, Committed, Committing, Released, Started
from fq.core.fault import Fault
from fq.core.message import CANCELLED, Message
from fq.core.outcome import Enqueue, Outcome, Retry
from fq.errors import DecodeError
from fq.errors.propagation import aescapes, escapes
from fq.execution.handler import AsyncFunctionRunner, FunctionRunner, interrupted_outcome
from fq.execution.outcome_encoding import SendLayers, bury_with, encode_or_fail, encode_outcome
from fq.execution.registry import Registry
from fq.execution.version_skew import unknown_actor_outcome
from fq.runtime.logger import logger
from fq.wire.codec import decode
from fq.worker.compiled_actor import CompiledActor, compile_actor, deciding_layers, notifying_layers
from fq.worker.failure_log import log_failure
from fq.workflows.group_results import with_lost_arrivals

log = logger("fq.worker")


@define(eq=False)
class Job:
    """
    Mutable: a claimed message.

    Attributes:
        message: there once it has been decoded.

        commit: there once it has run.

        outcome, sent: what is to be told to layers, and which messages it sends; only where layers handle events.
    """

    delivery: Delivery
    actor: CompiledActor
    message: Message = field(init=False)
    commit: Commit | None = None
    outcome: Outcome | None = None
    sent: tuple[Enqueue, ...] = ()


class JobRunner:
    """
    Runs messages for the actors of *registry*, each compiled at its first message. *run* and *arun* call their functions.

    A message that this worker cannot run is left to others for *grace* ms: see ``fq.execution.version_skew``.
    """

    def __init__(self, registry: Registry, run: FunctionRunner, arun: AsyncFunctionRunner, grace: int) -> None:
        self.registry = registry
        self._run = run
        self._arun = arun
        self._grace = grace
        self._actors: dict[str, CompiledActor] = {}
        self.emits_events = False  # do layers handle events of the messages received so far?

    def receive(self, delivery: Delivery) -> Job | Commit:
        """
        Return the job for *delivery*; or, if there is nothing to run, its commit.

        Raises nothing that a message can cause, in the thread that serves all others: a message that causes an error is a dead letter.
        """
        try:
            return self._receive(delivery)
        except BaseException as error:
            if escapes(error):
                raise
            log.error("%s %s cannot be received and is now a dead letter", delivery.actor_name, delivery.message_id, exc_info=error)
            return bury_with(delivery, error, self.registry.apply_send_layers)

    def _receive(self, delivery: Delivery) -> Job | Commit:
        cancelled = delivery.interrupted == CANCELLED
        actor = None if cancelled else self._actors.get(delivery.actor_name) or self._compile(delivery.actor_name)
        if actor is not None and not actor.plan.has_event_layers:
            return Job(delivery, actor)
        message = decode_delivery(delivery)
        if isinstance(message, Commit):
            return message
        if actor is None:
            outcome = interrupted_outcome(message) if cancelled else unknown_actor_outcome(message, self._grace)
            if not outcome.final:
                return encode_outcome(delivery, outcome, self.registry.apply_send_layers)
            plan = self.registry.plan(message.actor_name)
            actor = CompiledActor(plan, notifying_layers(plan.stack).wrap(lambda _: outcome))  # without layers that could put it off
        if actor.plan.has_event_layers:
            self.registry.emit(Claimed(message), actor.plan)
        self.emits_events |= actor.emits_events
        job = Job(delivery, actor)
        job.message = message
        return job

    def run(self, job: Job) -> None:
        """Run *job*, of a sync actor. Raises nothing but Ctrl-C."""
        try:
            if self.decode(job) and job.actor.handler is not None:
                self.emit_started(job)
                self.finish(job, job.actor.handler(job.message))
        except BaseException as error:
            if escapes(error):
                raise
            self.fail(job, error)

    async def arun(self, job: Job) -> None:
        """Run *job*, of an async actor. Raises what cancels its task, too."""
        try:
            if self.decode(job) and job.actor.ahandler is not None:
                self.emit_started(job)
                self.finish(job, await job.actor.ahandler(job.message))
        except BaseException as error:
            if aescapes(error):
                raise
            self.fail(job, error)

    def decode(self, job: Job) -> bool:
        """Read the message of *job*, unless `receive` has; return False if it cannot be read: then *job* has a commit."""
        if job.actor.plan.has_event_layers:
            return True
        message = decode_delivery(job.delivery)
        if isinstance(message, Commit):
            job.commit = message
            return False
        job.message = message
        return True

    def emit_started(self, job: Job) -> None:
        """Tell the layers that *job* is about to run."""
        if job.actor.plan.has_event_layers:
            self.registry.emit(Started(job.message), job.actor.plan)

    def finish(self, job: Job, outcome: Outcome) -> None:
        """
        Encode and report *outcome*. An exception in it does not outlive this call.

        If that fails, the message is a dead letter: another run would end in the same way. Once there is a commit, nothing changes it.
        """
        try:
            self.report(job, self.encode(job, outcome))
        except BaseException as error:
            if escapes(error):
                raise
            job.commit = job.commit or bury_with(job.delivery, error, self.registry.apply_send_layers)
            log.exception("%s %s: its outcome could not be encoded or reported", job.delivery.actor_name, job.delivery.message_id)

    def fail(self, job: Job, error: BaseException) -> None:
        """Let *job* fail with *error*, which has passed its layers; those that decide about another attempt, and pass on the outcome, run again."""
        try:
            if self.decode(job):  # a task can be cancelled before its first step
                self.finish(job, deciding_layers(job.actor.plan.stack).wrap(lambda _: Outcome.failure(error))(job.message))
        except BaseException as worse:
            if escapes(worse):
                raise
            job.commit = job.commit or bury_with(job.delivery, error, self.registry.apply_send_layers)

    def encode(self, job: Job, outcome: Outcome) -> Outcome:
        """Make the commit of *job* from *outcome*; return the outcome that the commit has: another, if *outcome* cannot be encoded."""
        if job.message.options:
            outcome = with_lost_arrivals(job.message, outcome)
        if not job.actor.emits_events:
            outcome, job.commit = encode_or_fail(job.delivery, outcome, self.registry.apply_send_layers)
            return outcome
        sent: dict[str, Enqueue] = {}
        outcome, job.commit = encode_or_fail(job.delivery, outcome, self._recording(sent))
        job.sent = tuple(sent[message_id] for message_id in _sent_ids(outcome) if message_id in sent) if sent else ()
        return outcome

    def report(self, job: Job, outcome: Outcome) -> None:
        """Log *outcome* if it is a failure, and tell the layers that it is about to be committed."""
        if not outcome.succeeded:
            log_failure(job.message, outcome, job.actor.plan, None if job.commit is None else _fault(job.commit))
        if job.actor.plan.has_event_layers:
            self.registry.emit(Committing(job.message, outcome), job.actor.plan)
            job.outcome = outcome

    def after_commit(self, job: Job, stale: bool) -> None:
        """Tell the layers that the outcome of *job* is committed, or was *stale* and dropped, or that there is none."""
        if stale:
            delivery = job.delivery
            log.warning("%s %s: its outcome came too late and was dropped; another worker has it", delivery.actor_name, delivery.message_id)
        else:
            for enqueue in job.sent:
                self.registry.emit_enqueued(enqueue)
        if job.outcome is not None:
            outcome, job.outcome = job.outcome, None  # through its frames, an exception in it would keep the job and so itself alive
            self.registry.emit(Committed(job.message, outcome, stale), job.actor.plan)
        elif job.actor.plan.has_event_layers:
            self.registry.emit(Released(job.message), job.actor.plan)

    def _recording(self, sent: dict[str, Enqueue]) -> SendLayers:
        """Return the send layers, which also record in *sent*, by message id, what they return."""

        def apply_send_layers(enqueue: Enqueue) -> Enqueue:
            applied = sent[enqueue.message.message_id] = self.registry.apply_send_layers(enqueue)
            return applied

        return apply_send_layers

    def _compile(self, actor_name: str) -> CompiledActor | None:
        actor = compile_actor(self.registry, actor_name, self._run, self._arun, self._grace)
        if actor is not None:
            self._actors[actor_name] = actor
            self.emits_events |= actor.emits_events
        return actor


def decode_delivery(delivery: Delivery) -> Message | Commit:
    """Return the message of *delivery*; or, if it cannot be read, the commit that makes it a dead letter."""
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
    """Return the error in *commit*, as data."""
    return commit.disposition.fault if isinstance(commit.disposition, Bury | Reschedule) else None


def _sent_ids(outcome: Outcome) -> list[str]:
    """
    Return the ids of the messages that *outcome* itself sends.

    What comes after a group is sent by the broker, when the last member has arrived.
    """
    retried = [] if outcome.final else [outcome.result.failure()]
    ids = [setback.message.message_id for setback in retried if isinstance(setback, Retry)]
    return ids + [effect.message.message_id for effect in outcome.effects if isinstance(effect, Enqueue)]
