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

from functools import partial
from time import monotonic

from attrs import evolve

from fq.brokers.records import Bury, Commit, Delivery, Reschedule
from fq.core.events import Claimed, Committed, Committing, Released, Started
from fq.core.fault import Fault
from fq.core.message import CANCELLED
from fq.core.outcome import Enqueue, Outcome, Retry
from fq.errors import BrokerError
from fq.errors.propagation import aescapes, escapes
from fq.execution.function_runner import AsyncFunctionRunner, FunctionRunner
from fq.execution.handler import interrupted_outcome
from fq.execution.outcome_encoding import SendLayers, bury_with, encode_or_fail, encode_outcome
from fq.execution.registry import Registry
from fq.execution.version_skew import unknown_actor_outcome
from fq.middleware.base import Handler
from fq.middleware.send_call import SendCall
from fq.middleware.stack import Stack
from fq.resources.open_scope import OpenScope
from fq.runtime.actor_run import CURRENT_RUN
from fq.runtime.logger import logger
from fq.worker.claimed_job import Job, decode_delivery, delivery_facts
from fq.worker.compiled_actor import CompiledActor, OnReport, compile_actor, deciding_layers, notifying_layers
from fq.worker.kept_runs import with_run
from fq.worker.outcome_log import log_failure, log_success
from fq.worker.reports import with_kept_progress, with_last_report
from fq.worker.send_context import collect_copies, latest_copy
from fq.worker.turn_clock import TurnClock
from fq.workflows.group_results import with_lost_arrivals

log = logger("fq.worker")


class JobRunner:
    """
    Runs messages for the actors of *registry*, each compiled at its first message. *run* and *arun* call their functions.

    A message that this worker cannot run is left to others for *grace* ms: see ``fq.execution.version_skew``. With *log_tasks*, successes are logged, too.
    *on_report* is called when a running actor has told something. *resources* of the process are opened and closed by others.
    """

    def __init__(
        self,
        registry: Registry,
        run: FunctionRunner,
        arun: AsyncFunctionRunner,
        grace: int,
        log_tasks: bool = False,
        on_report: OnReport | None = None,
    ) -> None:
        self.registry = registry
        self._run = run
        self._arun = arun
        self._grace = grace
        self._log_tasks = log_tasks
        self._on_report = on_report
        self.resources = OpenScope(registry.resources)
        self._actors: dict[str, CompiledActor] = {}
        self.clock = TurnClock()  # set at each claim
        self.emits_events = False  # do layers handle events of the messages received so far?

    def receive(self, delivery: Delivery) -> Job | Commit:
        """
        Return the job for *delivery*; or, if there is nothing to run, its commit.

        Raises nothing that a message can cause, in the thread that serves all others: a message that causes an error is a dead letter.
        """
        actor = self._actors.get(delivery.actor_name)
        if actor is not None and not actor.plan.has_event_layers and not delivery.interrupted:  # the hot path
            return Job(delivery, actor)
        try:
            return self._receive(delivery)
        except BaseException as error:
            if escapes(error):
                raise
            text, facts = "%s %s cannot be received and is now a dead letter", delivery_facts(delivery)
            log.error(text, delivery.actor_name, delivery.message_id, exc_info=error, extra=facts)
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
            notified = notifying_layers(plan.stack).wrap(lambda _: outcome)  # without layers that could put it off
            actor = CompiledActor(plan, with_run(notified, plan.stack, self.clock))
        if actor.plan.has_event_layers:
            self.registry.emit(Claimed(message), actor.plan)
        self.emits_events |= actor.emits_events
        job = Job(delivery, actor)
        job.message = message
        return job

    def run(self, job: Job) -> None:
        """Run *job*, of a sync actor. Raises nothing but Ctrl-C."""
        job.started = monotonic()
        entered = CURRENT_RUN.set(job)
        actor = job.actor
        try:
            if self.decode(job) and actor.handler is not None:
                if actor.prepares_runs:
                    self.prepare(job)
                self.finish(job, actor.handler(job.message))
        except BaseException as error:
            if escapes(error):
                raise
            self.fail(job, error)
        finally:
            CURRENT_RUN.reset(entered)

    async def arun(self, job: Job) -> None:
        """Run *job*, of an async actor. Raises what cancels its task, too."""
        job.started = monotonic()
        try:
            if self.decode(job) and job.actor.ahandler is not None:
                if job.actor.prepares_runs:
                    self.prepare(job)
                CURRENT_RUN.set(job)  # in the context of its own task
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

    def prepare(self, job: Job) -> None:
        """Tell the layers that *job* is about to run, and let its handlers copy their context if they do."""
        if job.actor.copies_context:
            job.contexts = collect_copies()
        if job.actor.plan.has_event_layers:
            self.registry.emit(Started(job.message), job.actor.plan)

    def finish(self, job: Job, outcome: Outcome) -> None:
        """
        Encode and report *outcome*. An exception in it does not outlive this call.

        If that fails, the message is a dead letter: another run would end in the same way. Once there is a commit, nothing changes it.
        """
        job.took = monotonic() - job.started
        try:
            context = latest_copy(job.contexts) if job.contexts else None
            self.report(job, self.encode(job, outcome) if context is None else context.run(self.encode, job, outcome))
        except BaseException as error:
            if escapes(error):
                raise
            job.commit = job.commit or bury_with(job.delivery, error, self.registry.apply_send_layers)
            text, facts = "%s %s: its outcome could not be encoded or reported", delivery_facts(job.delivery)
            log.exception(text, job.delivery.actor_name, job.delivery.message_id, extra=facts)

    def fail(self, job: Job, error: BaseException) -> None:
        """Let *job* fail with *error*, which has passed its layers; those that decide about another attempt, and pass on the outcome, run again."""
        job.started = job.started or monotonic()
        try:
            if self.decode(job):  # a task can be cancelled before its first step
                self.finish(job, self._failed(job.actor.plan.stack, error)(job.message))
        except BaseException as worse:
            if escapes(worse):
                raise
            job.commit = job.commit or bury_with(job.delivery, error, self.registry.apply_send_layers)

    def _failed(self, stack: Stack, error: BaseException) -> Handler:
        return with_run(deciding_layers(stack).wrap(lambda _: Outcome.failure(error)), stack, self.clock)

    def encode(self, job: Job, outcome: Outcome) -> Outcome:
        """Make the commit of *job* from *outcome*; return the outcome that the commit has: another, if *outcome* cannot be encoded."""
        if job.message.options:
            outcome = with_lost_arrivals(job.message, outcome)
        if job.follow_ups is not None:
            outcome = job.with_lost_follow_ups(outcome)
        if job.reported is not None:
            outcome = with_kept_progress(outcome, job)
        if job.actor.emits_events or self.registry.observes_sends:
            outcome = self._encode_observed(job, outcome)
        else:
            outcome, job.commit = encode_or_fail(job.delivery, outcome, self.registry.apply_send_layers)
        if job.reported is not None and job.commit is not None:
            job.commit = with_last_report(job.commit, job)
        return outcome

    def _encode_observed(self, job: Job, outcome: Outcome) -> Outcome:
        """Make the commit of *job*, and note which messages it sends, to tell their layers after the commit."""
        apply_send_layers: SendLayers = self.registry.apply_send_layers
        if self.registry.observes_sends:
            job.send_call = SendCall(is_commit=True)
            apply_send_layers = partial(self.registry.apply_send_layers, call=job.send_call)
        if not job.actor.emits_events:
            outcome, job.commit = encode_or_fail(job.delivery, outcome, apply_send_layers)
            return outcome
        sent: dict[str, Enqueue] = {}
        outcome, job.commit = encode_or_fail(job.delivery, outcome, _recording(sent, apply_send_layers))
        job.sent = tuple(sent[message_id] for message_id in _sent_ids(outcome) if message_id in sent) if sent else ()
        return outcome

    def report(self, job: Job, outcome: Outcome) -> None:
        """Log *outcome* if it is a failure, or if all are logged, and tell the layers that it is about to be committed."""
        if not outcome.succeeded or self._log_tasks:
            self._log(job, outcome)
        if job.actor.plan.has_event_layers:
            self.registry.emit(Committing(job.message, outcome), job.actor.plan)
            job.outcome = outcome

    def _log(self, job: Job, outcome: Outcome) -> None:
        elapsed_ms = round(job.took * 1_000)
        if outcome.succeeded:
            log_success(job.message, job.actor.plan, elapsed_ms)
        else:
            log_failure(job.message, outcome, job.actor.plan, elapsed_ms, None if job.commit is None else _fault(job.commit))

    def after_commit(self, job: Job, stale: bool) -> None:
        """Tell the layers that the outcome of *job* is committed, or was *stale* and dropped, or that there is none."""
        if job.send_call is not None:
            job.send_call.end(BrokerError("its outcome came too late and was dropped") if stale else None)
        if stale:
            delivery = job.delivery
            text = "%s %s: its outcome came too late and was dropped; another worker has it"
            log.warning(text, delivery.actor_name, delivery.message_id, extra=delivery_facts(delivery))
        else:
            for enqueue in job.sent:
                self.registry.emit_enqueued(enqueue)
        if job.outcome is not None:
            outcome, job.outcome = job.outcome, None  # through its frames, an exception in it would keep the job and so itself alive
            self.registry.emit(Committed(job.message, outcome, stale), job.actor.plan)
        elif job.actor.plan.has_event_layers:
            self.registry.emit(Released(job.message), job.actor.plan)

    def _compile(self, actor_name: str) -> CompiledActor | None:
        actor = compile_actor(self.registry, actor_name, self._run, self._arun, self._grace, self.clock, self.resources)
        if actor is not None:
            actor = self._actors[actor_name] = evolve(actor, on_report=self._on_report)
            self.emits_events |= actor.emits_events
        return actor


def _fault(commit: Commit) -> Fault | None:
    """Return the error in *commit*, as data."""
    return commit.disposition.fault if isinstance(commit.disposition, Bury | Reschedule) else None


def _recording(sent: dict[str, Enqueue], apply_send_layers: SendLayers) -> SendLayers:
    """Return *apply_send_layers*, which also records in *sent*, by message id, what it returns."""

    def apply(enqueue: Enqueue) -> Enqueue:
        applied = sent[enqueue.message.message_id] = apply_send_layers(enqueue)
        return applied

    return apply


def _sent_ids(outcome: Outcome) -> list[str]:
    """
    Return the ids of the messages that *outcome* itself sends.

    What comes after a group is sent by the broker, when the last member has arrived.
    """
    retried = [] if outcome.final else [outcome.result.failure()]
    ids = [setback.message.message_id for setback in retried if isinstance(setback, Retry)]
    return ids + [effect.message.message_id for effect in outcome.effects if isinstance(effect, Enqueue)]
