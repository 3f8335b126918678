"""Commits that a broker does not take together are sent one by one, so that one outcome that it refuses does not hold up the others."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from attrs import define, field

from fq.brokers.planning.repeated_commits import claim_of
from fq.brokers.records import ArriveOp, Bury, Commit, Operation, Release, Reschedule, SetMarkOp, StoreResultOp, Turn
from fq.core.fault import Fault
from fq.core.outcome import Outcome
from fq.errors import BrokerError, BrokerUnavailable
from fq.execution.outcome_encoding import SendLayers, fallback_commits
from fq.runtime.logger import logger, unexpected
from fq.worker.claimed_job import Job
from fq.worker.finished_jobs import hand_back

log = logger("fq.worker")

MAX_REFUSALS = 3
"""How often a commit is refused, with pauses between, before its message fails: the reason may be temporary."""

LARGE_COMMIT_BYTES = 65_536
"""A smaller commit can always be sent to a broker that is reachable: no server lets its limits be set below a megabyte."""

ApplyCommits = Callable[[Sequence[Commit]], Turn]
"""Commits, and claims nothing."""

OnCommitted = Callable[[list[Job]], None]
"""Is passed the jobs that the latest turn has committed."""


@define(eq=False)
class Batch:
    """Mutable: *commits* for one turn, and the *jobs* that most of them are of; a message that never became a job has a commit, too."""

    commits: list[Commit] = field(factory=list)
    jobs: list[Job] = field(factory=list)

    def add(self, jobs: Sequence[Job]) -> None:
        """Add *jobs*; those that have not run are handed back."""
        self.jobs += jobs
        self.commits += [job.commit or hand_back(job) for job in jobs]

    @property
    def finished(self) -> int:
        """How many of the jobs have run."""
        return sum(job.commit is not None for job in self.jobs)


class IsolatedCommits:
    """
    Commits one by one, with *apply*. Mutable: counts how often each commit was refused.

    What is committed goes to *on_committed*. A commit that is refused `MAX_REFUSALS` times is to blame itself, and its job fails with the broker's error;
    so does one of `LARGE_COMMIT_BYTES` that cannot be sent while the broker takes other calls: it is too large for the server, or for the network.
    """

    def __init__(self, apply: ApplyCommits, on_committed: OnCommitted, apply_send_layers: SendLayers) -> None:
        self._apply = apply
        self._on_committed = on_committed
        self._apply_send_layers = apply_send_layers
        self._refusals: Counter[str] = Counter()
        self._unsent_error: Exception | None = None

    def raise_known_error(self, batch: Batch) -> None:
        """If *batch* still has a commit that could not be sent, raise its error again: sending all together would fail again, and all would wait for that."""
        if self._unsent_error is not None and batch.commits:
            raise self._unsent_error.with_traceback(None)

    def commit_individually(self, batch: Batch, error: Exception) -> bool:
        """
        Commit *batch* one by one, after *error* met all of it together; return whether nothing is left.

        What is committed leaves *batch*. If the broker is away, or refuses even a failure, the commit is not to blame, and the rest stays.
        """
        by_claim = {job.claim: job for job in batch.jobs}
        self._refusals = Counter({commit.message_id: self._refusals[commit.message_id] for commit in batch.commits})
        self._unsent_error = None
        try:
            if isinstance(error, BrokerUnavailable):
                self._check_broker()
            for commit in sorted(batch.commits, key=lambda commit: self._refusals[commit.message_id]):
                job = by_claim.get(claim_of(commit))
                turn = self._commit(commit, job)
                if turn is not None:
                    batch.commits.remove(commit)
                    if job is not None:
                        batch.jobs.remove(job)
                        self._on_committed([job])
                elif self._refusals[commit.message_id] >= MAX_REFUSALS:
                    return False
        except BrokerUnavailable:
            return False
        self._unsent_error = error if batch.commits and isinstance(error, BrokerUnavailable) else None
        return not batch.commits

    def _check_broker(self) -> None:
        """Return if the broker takes calls now; raise `BrokerUnavailable` if not."""
        try:
            self._apply(())
        except Exception as error:
            raise BrokerUnavailable(f"the broker takes no calls: {error}") from error

    def _commit(self, commit: Commit, job: Job | None) -> Turn | None:
        """Return the turn of *commit*, or of its failure if it is refused once too often; raise `BrokerUnavailable` if the broker is away."""
        refusal: Exception
        try:
            return self._apply((commit,))
        except BrokerUnavailable as error:
            if _size(commit) < LARGE_COMMIT_BYTES:
                raise
            self._check_broker()  # it took the call before this one
            refusal = BrokerError(f"its outcome could not be sent, though other calls of this worker got through: {error}")
        except Exception as error:
            refusal = error
        self._refusals[commit.message_id] += 1
        if self._refusals[commit.message_id] < MAX_REFUSALS or isinstance(commit.disposition, Release):
            return None
        return self._commit_failure(commit, job, refusal)

    def _commit_failure(self, commit: Commit, job: Job | None, error: Exception) -> Turn | None:
        """Let the message of *commit* fail with *error*; what waits for it hears of it as far as the broker lets it."""
        for failure in _failures(commit, job, error, self._apply_send_layers):
            try:
                turn = self._apply((failure,))
            except BrokerUnavailable:
                self._check_broker()
                continue
            except Exception:  # noqa: S112  # the next one says less
                continue
            name = "a message" if job is None else job.delivery.actor_name
            log.error(
                "%s %s: the broker refuses its outcome, so it is a dead letter: %s",
                name,
                commit.message_id,
                error,
                exc_info=unexpected(error),
            )
            if job is not None:
                if job.outcome is not None:
                    job.outcome = Outcome.failure(error)
                job.sent = ()
                if job.send_call is not None:
                    job.send_call.end(error)
            return turn
        return None


def _size(commit: Commit) -> int:
    """Return how many bytes *commit* sends."""
    ops = (commit.disposition.op,) if isinstance(commit.disposition, Reschedule) else ()
    return sum(len(op.body) for op in ops) + sum(map(_size_of_operation, commit.operations))


def _size_of_operation(operation: Operation) -> int:
    if isinstance(operation, ArriveOp):
        return len(operation.value) + sum(len(deferred.head) + len(deferred.tail) for deferred in operation.then)
    if isinstance(operation, SetMarkOp):
        return len(operation.body or b"") + sum(len(op.body) for op in operation.then)
    return len(operation.body)


def _failures(commit: Commit, job: Job | None, error: Exception, apply_send_layers: SendLayers) -> Iterable[Commit]:
    """Return commits that say less and less of *error*. A message that never became a *job* was put off, or could not be read: it can only be buried."""
    if job is None:
        return (Commit(commit.message_id, commit.queue_name, commit.token, Bury(Fault.of(error))),)
    stored = [(operation.message_id, operation.ttl) for operation in commit.operations if isinstance(operation, StoreResultOp)]
    return fallback_commits(job.delivery, error, stored, apply_send_layers)
