"""`ThreadPool`: the threads that run sync actors. Mutable shell."""

import threading
from contextlib import suppress
from contextvars import copy_context
from queue import Empty, SimpleQueue
from time import monotonic

from fq.core.events import ThreadBooted, ThreadStopping
from fq.runtime.watched_threads import OnLost, watched_thread
from fq.worker.claimed_job import Job
from fq.worker.executors.interrupts import Interrupter
from fq.worker.finished_jobs import FinishedJobs
from fq.worker.job import JobRunner


class ThreadPool:
    """
    *size* threads over one queue of jobs. Finished jobs go to *finished*; *interrupter* knows what runs.

    *lost* is called when a thread cannot go on.
    """

    def __init__(self, size: int, runner: JobRunner, interrupter: Interrupter, finished: FinishedJobs, lost: OnLost | None = None) -> None:
        self.size = size
        self.waiting_since = monotonic()
        self.no_claims_until = 0.0
        self._runner = runner
        self._interrupter = interrupter
        self._finished = finished
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._threads = [watched_thread(f"fq-worker-{n}", self._work, lost) for n in range(size)]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def put(self, job: Job) -> None:
        """Queue *job*."""
        self._jobs.put(job)

    def backlog(self) -> int:
        """How many jobs wait for a thread."""
        return self._jobs.qsize()

    def take_back(self) -> list[Job]:
        """Remove and return all jobs that no thread has begun."""
        found: list[Job | None] = []
        with suppress(Empty):
            while True:
                found.append(self._jobs.get_nowait())
        for _ in range(found.count(None)):  # each ends a thread
            self._jobs.put(None)
        return [job for job in found if job is not None]

    def stop(self) -> None:
        """End each thread after what it runs."""
        for _ in self._threads:
            self._jobs.put(None)

    def join(self, timeout: float) -> None:
        """Wait up to *timeout* seconds for all threads together."""
        deadline = monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - monotonic()))

    def _work(self) -> None:
        name = threading.current_thread().name
        emit, finish, get = self._runner.registry.emit, self._finished.put, self._jobs.get
        emit(ThreadBooted(name))
        taken: list[
            Job
        ] = []  # holds a job from the moment it leaves the queue: in no bytecode between could an exception in this thread lose it
        try:
            for _ in map(taken.append, iter(get, None)):
                job = taken[0]
                copy_context().run(self._run, job)
                finish(job, not self._jobs.qsize())
                taken.clear()
                del job  # while this thread waits, it must not keep the last message alive
        except BaseException:  # raised in this thread from outside, past all layers
            for job in taken:
                self._return(job)
            raise
        emit(ThreadStopping(name))

    def _return(self, job: Job) -> None:
        """Pass on *job*, which this thread had taken when an exception was raised in it: either all of it has run, or nothing."""
        if job.commit is not None:
            self._finished.put(job, True)
        else:
            self._jobs.put(job)

    def _run(self, job: Job) -> None:
        self._interrupter.begin(job.delivery.message_id, job.actor.time_limit)
        self._runner.run(job)
        self._interrupter.end()
