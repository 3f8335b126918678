"""`FinishedJobs`: finished jobs on their way from the threads that ran them to the dispatcher, which commits them. Mutable: shared by all of these threads."""

import threading
from collections import deque
from collections.abc import Callable

from fq.brokers.records import Commit, Release
from fq.runtime.logger import logger
from fq.worker.claimed_job import Job
from fq.worker.reports import with_last_report

log = logger("fq.worker")

MAX_GATHERED_JOBS = 500
"""With this many jobs gathered, they leave at once."""


class FinishedJobs:
    """
    A queue of finished jobs, which also wakes the dispatcher. *wake* ends the dispatcher's wait for the broker; *closed*: has the dispatcher ended?

    Jobs gather for a while, since a commit of many costs little more than a commit of one; `flush` lets them leave.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._jobs: deque[Job] = deque()
        self._changed = threading.Event()
        self._flush = threading.Event()
        self.closed = False

    def __len__(self) -> int:
        return len(self._jobs)

    def put(self, job: Job, flush: bool) -> None:
        """Add a finished job; with *flush* there is nothing to wait for."""
        self._jobs.append(job)
        gathered = len(self._jobs)
        if (flush or gathered >= MAX_GATHERED_JOBS) and not self._flush.is_set():
            self.flush()
        elif gathered == 1:
            self.notify()

    def return_unstarted(self, job: Job) -> None:
        """Add a job that another worker is to run. Called by the dispatcher itself, which needs no waking."""
        self._jobs.append(job)

    def flush(self) -> None:
        """Let what has gathered leave, and wake the dispatcher."""
        self._flush.set()
        self.notify()

    @property
    def has_changed(self) -> bool:
        """Has something come since `begin_turn`?"""
        return self._changed.is_set()

    def linger(self, seconds: float) -> None:
        """Wait until `flush`, for *seconds* at the most: more may come that can leave together."""
        self._flush.wait(seconds)

    def wait(self, seconds: float) -> bool:
        """Wait until something comes, for *seconds* at the most; return whether it has."""
        return self._changed.wait(seconds)

    def begin_turn(self) -> None:
        """Forget that something has come: the dispatcher is about to `take` it."""
        self._changed.clear()
        self._flush.clear()

    def take(self) -> list[Job]:
        """Remove and return all jobs."""
        jobs: list[Job] = []
        while self._jobs:
            jobs.append(self._jobs.popleft())
        return jobs

    def close(self) -> None:
        """Take no more jobs: the dispatcher has ended. Outcomes that are here, or come later, are lost, and logged."""
        self.closed = True
        self._log_lost()

    def notify(self) -> None:
        """Wake the dispatcher."""
        self._changed.set()
        if self.closed:
            self._log_lost()
        self._wake()

    def _log_lost(self) -> None:
        while self._jobs:
            job = self._jobs.pop()
            if job.commit is not None:
                log.error(
                    "%s %s has run, but its outcome is lost, because the worker has stopped: it runs again",
                    job.delivery.actor_name,
                    job.delivery.message_id,
                )


def hand_back(job: Job, counted: bool = False) -> Commit:
    """Return the commit that puts *job* back on its queue; *counted* if this delivery counts towards the poison limit."""
    delivery = job.delivery
    commit = Commit(delivery.message_id, delivery.queue_name, delivery.token, Release(counted))
    return commit if job.reported is None else with_last_report(commit, job)
