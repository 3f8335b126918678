"""Committing apart what a broker refuses together, so that one outcome that it cannot take keeps no other waiting."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence

from fq.brokers.records import Commit, Keep, Turn
from fq.commit import SendSide, failures
from fq.errors import BrokerError, BrokerUnavailable
from fq.outcome import Outcome
from fq.worker.job import Job

log = logging.getLogger("fq.worker")

Take = Callable[[Sequence[Commit]], Turn]
"""Commits, and claims nothing."""


def apart(take: Take, commits: Sequence[Commit], jobs: Mapping[str, Job], send_side: SendSide) -> Iterator[tuple[Commit, Turn]]:
    """
    Commit one by one, and yield each of *commits* with the turn that it took.

    One that is refused even so is to blame itself: its job, in *jobs* by message id, fails with what the broker says. Where even that is refused, the
    fault is elsewhere, and it ends here.
    """
    for commit in commits:
        turn = _taken(take, commit, jobs.get(commit.message_id), send_side)
        if turn is None:
            return
        yield commit, turn


def _taken(take: Take, commit: Commit, job: Job | None, send_side: SendSide) -> Turn | None:
    try:
        return take((commit,))
    except BrokerUnavailable:
        raise
    except BrokerError as error:
        return None if job is None else _failed(take, commit, job, error, send_side)


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
