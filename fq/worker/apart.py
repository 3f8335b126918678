"""Committing apart what a broker refuses together, so that one outcome that it cannot take keeps no other waiting."""

from collections.abc import Callable, Sequence

from fq.brokers.records import Commit, Keep, Turn
from fq.commit import SendSide, failures
from fq.errors import BrokerError, BrokerUnavailable
from fq.log import logger
from fq.outcome import Outcome
from fq.worker.job import Job

log = logger("fq.worker")

TRIES = 3
"""How often a commit is refused, with pauses in between, before its message fails for it: what the broker cannot take may go by."""

Take = Callable[[Sequence[Commit]], Turn]
"""Commits, and claims nothing."""

Settle = Callable[[Turn, list[Job]], None]
"""Takes jobs as committed by a turn."""


def apart(take: Take, commits: list[Commit], jobs: list[Job], send_side: SendSide, settle: Settle) -> bool:
    """
    Commit one by one what was refused together; return whether that was all.

    What is committed is settled, and leaves *commits* and *jobs*. A commit that is refused even so, `TRIES` times, is to blame itself: its job fails with
    what the broker says. Where even that is refused, the fault is elsewhere, and the rest stays.
    """
    by_id = {job.delivery.message_id: job for job in jobs}
    try:
        for commit in list(commits):
            job = by_id.get(commit.message_id)
            turn = _taken(take, commit, job, send_side)
            if turn is not None:
                commits.remove(commit)
                if job is not None:
                    jobs.remove(job)
                    settle(turn, [job])
            elif job is None or job.refusals >= TRIES:
                return False
    except BrokerUnavailable:
        return False
    return not commits


def _taken(take: Take, commit: Commit, job: Job | None, send_side: SendSide) -> Turn | None:
    try:
        return take((commit,))
    except BrokerUnavailable:
        raise
    except BrokerError as error:
        if job is None:
            return None
        job.refusals += 1
        return _failed(take, commit, job, error, send_side) if job.refusals >= TRIES else None


def _failed(take: Take, commit: Commit, job: Job, error: BrokerError, send_side: SendSide) -> Turn | None:
    """Let *job* fail with *error*, telling as many of those who wait for it as the broker lets be told."""
    stored = [(change.message_id, change.ttl) for change in commit.changes if isinstance(change, Keep)]
    for failure in failures(job.delivery, error, stored, send_side):
        try:
            turn = take((failure,))
        except BrokerUnavailable:
            raise
        except BrokerError:
            continue
        log.error("%s %s: its outcome was refused, so it is a dead letter: %s", job.delivery.actor_name, job.delivery.message_id, error)
        if job.outcome is not None:
            job.outcome = Outcome.failure(error)
        job.sent = ()
        return turn
    return None
