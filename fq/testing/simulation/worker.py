"""`SimulatedWorker`: a worker without threads, which takes one step at a time. Mutable shell."""

from collections import Counter
from random import Random

from attrs import define, field

from fq.brokers.operations import DUE, finished_key
from fq.brokers.records import ArriveOp, Bury, ClaimRequest, Commit, EnqueueOp, Operation, Reschedule, SetMarkOp, StoreResultOp
from fq.core.outcome import Arrive, Dead, Effect, Enqueue, KeepRecord, Outcome, Retry, Store
from fq.execution.schedule_changes import Change, apply, fire, tell_layers
from fq.schedules.firing import due
from fq.schedules.stored import is_schedule, read
from fq.testing.simulation.actors import SETTINGS, Actors
from fq.testing.simulation.ledger import Ledger
from fq.testing.simulation.loop import NeverEndsError
from fq.testing.simulation.recorder import Recorder
from fq.worker.claimed_job import Job
from fq.worker.finished_jobs import hand_back
from fq.worker.reports import Reports

LEASE_MS = SETTINGS.lease
MAX_UNSTARTED = 3
"""The maximum number of unstarted messages of a worker."""


@define(eq=False)
class SimulatedWorker:
    """
    Mutable: one worker, driven step by step.

    *unstarted* jobs are claimed, *finished* jobs have run and are not committed; it is *idle* after a claim without messages. *changes* of schedules that
    are due are computed, and not sent. While *stalled*,
    its lease is not renewed and it does not reach the broker; it runs its jobs nevertheless if it *runs*.
    """

    name: str
    actors: Actors
    recorder: Recorder
    random: Random
    unstarted: list[Job] = field(factory=list)
    finished: list[Job] = field(factory=list)
    immediate: list[Commit] = field(factory=list)
    changes: list[Change] = field(factory=list)
    sees_due_marks: bool = False
    idle: bool = False
    stalled: bool = False
    runs: bool = True
    reports: Reports = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.reports = Reports(self._tell, interval=0.0)

    @property
    def holds_messages(self) -> bool:
        """Does it hold any message?"""
        return bool(self.unstarted or self.finished or self.immediate)

    @property
    def ready(self) -> bool:
        """Does it have anything to do?"""
        return bool(self.unstarted and self.runs) if self.stalled else not self.idle

    @property
    def may_fire(self) -> bool:
        """Is a schedule due, as far as it knows?"""
        return bool(self.changes or self.sees_due_marks)

    @property
    def runs_next(self) -> bool:
        """Is its next step to run a message, not a turn?"""
        return bool(self.unstarted) and (self.stalled or not self.finished or self.random.random() < 0.5)

    def run(self, overrun: str = "") -> None:
        """Run one of the messages that it holds."""
        job = self.unstarted.pop(int(self.random.random() * len(self.unstarted)))
        message_id, note, runner, self.actors.overrun = job.delivery.message_id, self.recorder.trace.add, self.actors.runner, overrun
        self.actors.on_report = self.reports.add
        try:
            runner.prepare(job)
            outcome = self.actors.perform(job)
        except NeverEndsError as error:
            note("{} runs {}, which never ends", self.name, message_id)
            self.recorder.ledger.add_violation("stuck", f"{self.recorder.ledger.name(message_id)} never ends: {error}")
        else:
            note("{} runs {}: {}", self.name, message_id, outcome)
            shorten(outcome)
            runner.finish(job, outcome)
            compare(self.recorder.ledger, job, outcome)
        finally:
            self.actors.overrun = ""
        self.finished.append(job)

    def _tell(self) -> None:
        """Send what a running actor tells, now, or not before the next turn."""
        if self.stalled or self.random.random() < 0.5:
            return
        commits = self.reports.take(self.name, self.recorder.broker.now())
        turn = self.recorder.turn(commits, ClaimRequest(self.name, self.actors.app.queues, 0, LEASE_MS))
        self.reports.sent()
        if turn.cancelled:
            self.give_up()

    def turn(self, limit: int, answered: bool = True) -> None:
        """Commit finished jobs and claim up to *limit* messages; unless *answered*, the answer is lost."""
        jobs, commits = self.finished, self.immediate + [commit for job in self.finished if (commit := job.commit)]
        turn = self.recorder.turn(commits, ClaimRequest(self.name, self.actors.app.queues, limit, LEASE_MS))
        if not answered:
            return
        self.finished, self.immediate = [], []
        for job in jobs:
            if job.actor.emits_events or job.send_call is not None or turn.stale:
                self.actors.runner.after_commit(job, job.delivery.message_id in turn.stale)
        for delivery in turn.deliveries:
            received = self.actors.runner.receive(delivery)
            if not isinstance(received, Job):
                self.immediate.append(received)
            elif self.actors.runner.decode(received):
                self.recorder.ledger.record_read(received.message)
                self.unstarted.append(received)
            elif received.commit is not None:
                self.immediate.append(received.commit)
        if turn.cancelled:
            self.give_up()
        self.sees_due_marks = turn.has_due_marks and self.recorder.ledger.fires(self.recorder.broker.now())
        self.idle = limit > 0 and not self.holds_messages and not self.may_fire

    def fire(self) -> None:
        """Look which schedules are due; in the step after that, fire them, unless another worker has done it."""
        if self.changes:
            changes, self.changes = self.changes, []
            done = apply(self.recorder.as_broker(), changes, self.recorder.ledger.record_refusal)
            tell_layers(self.actors.app.registry, changes, done)
            return
        self.sees_due_marks = False
        now, registry = min(self.recorder.broker.now(), self.recorder.ledger.fires_until), self.actors.app.registry
        for mark in self.recorder.broker.marks_in(DUE):
            if mark.order <= now and is_schedule(mark):
                schedule = read(mark)
                self.changes.append(fire(registry, schedule, due(schedule, now), mark, now))

    def give_up(self) -> None:
        """Hand back unstarted jobs with the next turn; cancelled ones are delivered again as cancelled."""
        for job in self.unstarted:
            job.commit = hand_back(job)
        self.finished += self.unstarted
        self.unstarted = []

    def stop(self) -> None:
        """Commit finished jobs and hand back the others."""
        self.give_up()
        self.turn(0)


def shorten(outcome: Outcome) -> None:
    """Remove the traceback from the error of a retry: it is not read, and formatting it would take most of the time."""
    if not outcome.final and (error := outcome.error) is not None:
        error.__traceback__ = None


def compare(ledger: Ledger, job: Job, outcome: Outcome) -> None:
    """Check that the commit of *job* matches *outcome*: the same disposition, each effect once, and perhaps more arrivals, and marks of what it told."""
    commit = job.commit
    if commit is None or (type(commit.disposition) is Bury and (outcome.succeeded or not isinstance(outcome.result.failure(), Dead))):
        return  # it could not be encoded, which makes it a dead letter
    replaced = not outcome.succeeded and isinstance(outcome.result.failure(), Retry)
    effects = [effect for effect in outcome.effects if not (replaced and isinstance(effect, KeepRecord))]  # that travels in the message
    said, done = Counter(map(_of_effect, effects)), Counter(map(_of_operation, commit.operations))
    if (
        said - done
        or any(kind not in ("arrives", "marks") for kind, *_ in done - said)
        or replaced != isinstance(commit.disposition, Reschedule)
    ):
        ledger.add_violation("changed", f"{ledger.name(commit.message_id)} had the outcome {outcome!r}, and the commit {commit!r}")


def _of_effect(effect: Effect) -> tuple[object, ...]:
    match effect:
        case Enqueue(message):
            return "sends", message.message_id
        case Store(message_id):
            return "keeps", message_id
        case Arrive(group, member):
            return "arrives", group, member
        case KeepRecord(message):
            return "marks", finished_key(message.message_id)


def _of_operation(operation: Operation) -> tuple[object, ...]:
    match operation:
        case EnqueueOp(message_id):
            return "sends", message_id
        case StoreResultOp(message_id):
            return "keeps", message_id
        case ArriveOp(group, member):
            return "arrives", group, member
        case SetMarkOp(key):
            return "marks", key
