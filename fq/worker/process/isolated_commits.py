"""Committing apart what a broker does not take together, so that one outcome that it cannot take keeps no other waiting."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence

from fq.brokers.records import ArriveOp, Bury, Commit, Operation, Release, Reschedule, StoreResultOp, Turn
from fq.core.fault import Fault
from fq.core.outcome import Outcome
from fq.errors import BrokerError, BrokerUnavailable
from fq.execution.outcome_encoding import SendLayers, fallback_commits
from fq.runtime.logger import logger, unexpected
from fq.worker.job import Job

log = logger("fq.worker")

TRIES = 3
"""How often a commit is refused, with pauses in between, before its message fails for it: what the broker cannot take may go by."""

LARGE = 65_536
"""A commit of less bytes than this can always be sent to a broker that is there. No server lets its limits be set lower than a megabyte."""

Take = Callable[[Sequence[Commit]], Turn]
"""Commits, and claims nothing."""

Settle = Callable[[Turn, list[Job]], None]
"""Takes jobs as committed by a turn."""


class Apart:
    """
    Commits one by one, with *take*. Mutable: counts how often each commit was refused.

    What is committed goes to *settle*. A commit that is refused `TRIES` times is to blame itself, and its job fails with what the broker says. The same if
    it is `LARGE` and could not be sent while the broker took other calls: it is too much for the server, or for the network.
    """

    def __init__(self, take: Take, settle: Settle) -> None:
        self._take = take
        self._settle = settle
        self._refusals: Counter[str] = Counter()
        self._left_by: Exception | None = None

    def keep(self, commits: Sequence[Commit]) -> None:
        """Raise again what *commits* met if one of them is left that could not be sent: together they would meet it once more, and all wait for that."""
        if self._left_by is not None and commits:
            raise self._left_by.with_traceback(None)

    def commit(self, commits: list[Commit], jobs: list[Job], error: Exception, apply_send_layers: SendLayers) -> bool:
        """
        Commit *commits* one by one after *error* met all of them together; return whether that was all.

        What is committed leaves *commits* and *jobs*. Where the broker is away, or even a failure is refused, the fault is elsewhere, and the rest stays.
        """
        by_id = {job.delivery.message_id: job for job in jobs}
        self._refusals = Counter({each.message_id: self._refusals[each.message_id] for each in commits})
        self._left_by = None
        try:
            if isinstance(error, BrokerUnavailable):
                self._get_through()
            for commit in sorted(commits, key=lambda each: self._refusals[each.message_id]):
                job = by_id.get(commit.message_id)
                turn = self._taken(commit, job, apply_send_layers)
                if turn is not None:
                    commits.remove(commit)
                    if job is not None:
                        jobs.remove(job)
                        self._settle(turn, [job])
                elif self._refusals[commit.message_id] >= TRIES:
                    return False
        except BrokerUnavailable:
            return False
        self._left_by = error if commits and isinstance(error, BrokerUnavailable) else None
        return not commits

    def _get_through(self) -> None:
        """Return if the broker takes calls now; raise `BrokerUnavailable` if not."""
        try:
            self._take(())
        except Exception as error:
            raise BrokerUnavailable(f"the broker takes no calls: {error}") from error

    def _taken(self, commit: Commit, job: Job | None, apply_send_layers: SendLayers) -> Turn | None:
        """Return the turn of *commit*, or of its failure if it is refused once too often; raise `BrokerUnavailable` if the broker is away."""
        refusal: Exception
        try:
            return self._take((commit,))
        except BrokerUnavailable as error:
            if _size(commit) < LARGE:
                raise
            self._get_through()  # as the call before this one did
            refusal = BrokerError(f"its outcome could not be sent, though other calls of this worker got through: {error}")
        except Exception as error:
            refusal = error
        self._refusals[commit.message_id] += 1
        if self._refusals[commit.message_id] < TRIES or isinstance(commit.disposition, Release):
            return None
        return self._failed(commit, job, refusal, apply_send_layers)

    def _failed(self, commit: Commit, job: Job | None, error: Exception, apply_send_layers: SendLayers) -> Turn | None:
        """Let the message of *commit* fail with *error*, telling as many of those who wait for it as the broker lets be told."""
        for failure in _failures(commit, job, error, apply_send_layers):
            try:
                turn = self._take((failure,))
            except BrokerUnavailable:
                self._get_through()
                continue
            except Exception:  # noqa: S112  # the next one says less
                continue
            name = "a message" if job is None else job.delivery.actor_name
            log.error(
                "%s %s: its outcome was refused, so it is a dead letter: %s", name, commit.message_id, error, exc_info=unexpected(error)
            )
            if job is not None:
                if job.outcome is not None:
                    job.outcome = Outcome.failure(error)
                job.sent = ()
            return turn
        return None


def _size(commit: Commit) -> int:
    """Return how many bytes *commit* brings along."""
    ops = (commit.disposition.op,) if isinstance(commit.disposition, Reschedule) else ()
    return sum(len(op.body) for op in ops) + sum(map(_size_of_operation, commit.operations))


def _size_of_operation(operation: Operation) -> int:
    if isinstance(operation, ArriveOp):
        return len(operation.value) + sum(len(deferred.head) + len(deferred.tail) for deferred in operation.then)
    return len(operation.body)


def _failures(commit: Commit, job: Job | None, error: Exception, apply_send_layers: SendLayers) -> Iterable[Commit]:
    """Return commits that say less and less of *error*. What never became a *job* was put off, or could not be read: a dead letter is all that it can be."""
    if job is None:
        return (Commit(commit.message_id, commit.queue_name, commit.token, Bury(Fault.of(error))),)
    stored = [(operation.message_id, operation.ttl) for operation in commit.operations if isinstance(operation, StoreResultOp)]
    return fallback_commits(job.delivery, error, stored, apply_send_layers)


def report_late(jobs: deque[Job]) -> None:
    """Forget *jobs*, and log those that have run: no pump takes their outcomes any more."""
    while jobs:
        job = jobs.pop()
        if job.commit is not None:
            log.error(
                "%s %s has run, but its outcome is lost, since the worker has stopped: it runs again",
                job.delivery.actor_name,
                job.delivery.message_id,
            )
