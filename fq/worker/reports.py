"""`Reports`: what running actors tell, on its way from their threads to the dispatcher, which sends it with its next turn. Mutable shell."""

from collections.abc import Callable, Iterator, Sequence
from time import monotonic

from attrs import evolve

from fq.brokers.operations import message_key
from fq.brokers.records import CONTINUE, Commit, SetMarkOp, new_commit
from fq.brokers.validation import checked
from fq.core.outcome import KeepRecord, Outcome
from fq.runtime.actor_run import ActorRun
from fq.runtime.reported import MAX_STREAM_LENGTH, Report
from fq.wire.progress import stored_chunk, with_facts
from fq.worker.claimed_job import Job

REPORT_INTERVAL_SECONDS = 0.2
"""A message makes one report in this time at most."""

PROGRESS_TTL_MS = 24 * 60 * 60 * 1_000
STREAM_TTL_MS = 60 * 60 * 1_000
"""How long a progress is kept if nothing deletes it, ms: a day; and the value of a stream: an hour."""


class Reports:
    """
    The jobs that have news. *wake* wakes the dispatcher.

    A job reports at most once in *interval* seconds. Its latest news then leave with the next turn.
    """

    def __init__(self, wake: Callable[[], None], interval: float = REPORT_INTERVAL_SECONDS) -> None:
        self._wake = wake
        self._interval = interval
        self._jobs: set[Job] = set()
        self._sending: list[tuple[Job, Report]] = []

    def __bool__(self) -> bool:
        return bool(self._jobs)

    def add(self, job: ActorRun) -> None:
        """Note that *job* has news. For the thread of its actor."""
        assert isinstance(job, Job)
        self._jobs.add(job)
        if job.reports().next_due <= monotonic():
            self._wake()

    def wait_ms(self) -> int:
        """How long until the next report may leave, ms: not longer than the interval, whether there is one or not."""
        longest = monotonic() + self._interval
        due = min((job.reports().next_due for job in tuple(self._jobs)), default=longest)
        return max(1, round((min(due, longest) - monotonic()) * 1_000))

    def take(self, worker: str, now: int) -> list[Commit]:
        """Return the commits of what *worker* may send *now*, ms since the epoch on the broker's clock; then call `sent` or `not_sent`."""
        moment = monotonic()
        for job in tuple(self._jobs):
            self._jobs.discard(job)
            reported = job.reports()
            report = reported.take(moment, self._interval)
            if report is not None:
                self._sending.append((job, report))
            elif reported.has_news:
                self._jobs.add(job)
        return [report_commit(job, report, worker, now) for job, report in self._sending]

    def sent(self) -> None:
        """Note that the broker has what `take` returned."""
        for job, report in self._sending:
            job.reports().confirm(report)
        self._sending = []

    def not_sent(self, again: bool) -> None:
        """Note that the broker has nothing of what `take` returned. It leaves *again* later, or is dropped."""
        for job, report in self._sending:
            if again:
                job.reports().restore(report)
                self._jobs.add(job)
            else:
                job.reports().confirm(report)
        self._sending = []


def report_commit(job: Job, report: Report, worker: str, now: int) -> Commit:
    """Return the commit by which *worker* tells *report* of *job*, which goes on running."""
    return _commit(Commit(job.delivery.message_id, job.delivery.queue_name, job.delivery.token, CONTINUE), job, report, worker, now)


def with_last_report(commit: Commit, job: Job) -> Commit:
    """Return *commit*, which ends the run of *job*, with what is left to tell. It deletes the progress: a later state says more."""
    report = job.reports().close()
    deletion = [SetMarkOp(progress_key(commit.message_id), None)] if job.reports().has_mark else []
    return checked(evolve(commit, operations=(*commit.operations, *deletion, *_chunk_ops(job, report.chunks))))


def with_kept_progress(outcome: Outcome, job: Job) -> Outcome:
    """Return *outcome* whose record, if one is kept, has the latest progress of *job*."""
    latest = job.reports().latest
    if not latest or not any(isinstance(effect, KeepRecord) for effect in outcome.effects):
        return outcome
    return Outcome(
        outcome.result, tuple(evolve(each, progress=latest) if isinstance(each, KeepRecord) else each for each in outcome.effects)
    )


def progress_key(message_id: str) -> str:
    """Return the key of the mark that holds the progress of a message."""
    return message_key("progress", message_id)


def _commit(commit: Commit, job: Job, report: Report, worker: str, now: int) -> Commit:
    ops: Sequence[SetMarkOp] = ()
    if report.progress is not None:
        body = with_facts(report.progress, job.delivery.token, worker, job.delivery.deliveries, now)
        ops = (SetMarkOp(progress_key(commit.message_id), body, PROGRESS_TTL_MS),)
    operations = (*ops, *_chunk_ops(job, report.chunks))
    return checked(new_commit(commit.message_id, commit.queue_name, commit.token, commit.disposition, operations))


def _chunk_ops(job: Job, chunks: Sequence[tuple[int, bytes]]) -> Iterator[SetMarkOp]:
    """Yield what stores *chunks*. The token of the delivery is the epoch; the time of the delivery, and then the key, is the order in the index."""
    delivery = job.delivery
    index = message_key("stream", delivery.message_id)
    for number, chunk in chunks:
        key = message_key("stream", delivery.message_id, f"{delivery.token:020d}", f"{number:012d}")
        body = stored_chunk(chunk, delivery.token, number)
        yield SetMarkOp(key, body, STREAM_TTL_MS, index=index, order=delivery.received_at, most=MAX_STREAM_LENGTH)
