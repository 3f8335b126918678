"""`Pool`: the threads that run sync actors. Mutable shell."""

import threading
from contextlib import suppress
from contextvars import copy_context
from queue import Empty, SimpleQueue
from time import monotonic

from fq.brokers.records import Commit, Release
from fq.core.events import ThreadBooted, ThreadStopping
from fq.runtime.logger import logger
from fq.runtime.watched_threads import OnLost, watched_thread
from fq.worker.executors.interrupts import Deadlines
from fq.worker.job import Chains, Finish, Job

log = logger("fq.worker")


class Pool:
    """
    *size* threads over one queue of jobs; each finished job goes to *finish*, with whether none is left waiting. *deadlines* are told what runs.

    *lost* hears of a thread that cannot go on.
    """

    def __init__(self, size: int, chains: Chains, deadlines: Deadlines, finish: Finish, lost: OnLost | None = None) -> None:
        self.size = size
        self.since = monotonic()
        self.shy_until = 0.0
        self._chains = chains
        self._deadlines = deadlines
        self._finish = finish
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
        """Return all jobs that no thread has taken up, and forget them."""
        found: list[Job | None] = []
        with suppress(Empty):
            while True:
                found.append(self._jobs.get_nowait())
        for _ in range(found.count(None)):  # what ends a thread has to reach it
            self._jobs.put(None)
        return [job for job in found if job is not None]

    def stop(self) -> None:
        """Let each thread end after what it is running."""
        for _ in self._threads:
            self._jobs.put(None)

    def join(self, timeout: float) -> None:
        """Wait up to *timeout* seconds for the threads, all together."""
        deadline = monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - monotonic()))

    def _work(self) -> None:
        name = threading.current_thread().name
        chains, finish, get = self._chains, self._finish, self._jobs.get
        chains.app.registry.emit(ThreadBooted(name))
        hand: list[
            Job
        ] = []  # a job is in it as soon as it is out of the queue: no bytecode in between at which this thread could be struck
        try:
            for _ in map(hand.append, iter(get, None)):
                job = hand[0]
                copy_context().run(self._run, job)
                finish(job, not self._jobs.qsize())
                hand.clear()
                del job  # while this thread waits, it must not keep the last message alive
        except BaseException:  # struck into this thread, and into no layer
            for job in hand:
                self._let_go(job)
            raise
        chains.app.registry.emit(ThreadStopping(name))

    def _let_go(self, job: Job) -> None:
        """Hand on *job*, which this thread had in its hand when something was struck into it: it has run, or nothing of it has."""
        if job.commit is not None:
            self._finish(job, True)
        else:
            self._jobs.put(job)

    def _run(self, job: Job) -> None:
        self._deadlines.begin(job.delivery.message_id, job.chain.limit)
        self._chains.run(job)
        self._deadlines.end()


def hand_back(job: Job, counted: bool = False) -> Commit:
    """Return the commit that puts *job* back on its queue; *counted* if this delivery counts towards the poison limit."""
    delivery = job.delivery
    return Commit(delivery.message_id, delivery.queue_name, delivery.token, Release(counted))
