"""`ClaimPolicy`: measures what a worker needs to know to claim no more than it can begin, and hands back what others may run sooner. Mutable shell."""

from collections.abc import Collection, Iterable
from operator import attrgetter
from time import monotonic
from typing import Protocol

from fq.brokers.records import MAX_CLAIM_BYTES, Delivery
from fq.worker.claimed_job import Job
from fq.worker.executors.event_loop import EventLoop
from fq.worker.executors.thread_pool import ThreadPool
from fq.worker.process.claim_size import ClaimSize, Load, claim_size
from fq.worker.process.prefetch import HAND_BACK_AFTER_MS, Prefetch

CLAIM_COOLDOWN_SECONDS = 1.0
"""For this long after it has handed back what it could not begin, an executor gets no more of a queue that may have such messages."""

QUARANTINE_FROM_DELIVERY = 3
"""From this delivery on a message runs in quarantine, where there is one at a time: so one that kills its process does not take others along for ever."""

_BODY = attrgetter("body")


class ExecutorQueue(Protocol):
    """Where jobs wait for a thread, or for the event loop: *waiting_since* when, and until when it gets *no claims*."""

    waiting_since: float
    no_claims_until: float

    def backlog(self) -> int:
        """How many jobs wait."""
        ...

    def take_back(self) -> list[Job]:
        """Remove and return all that wait."""
        ...


class ClaimPolicy:
    """Decides for *pool* and *loop*, by all the jobs that are *claimed* and not committed, a set that changes."""

    def __init__(self, pool: ThreadPool, loop: EventLoop, claimed: Collection[Job]) -> None:
        self._pool = pool
        self._loop = loop
        self._executors: tuple[ExecutorQueue, ExecutorQueue] = (pool, loop)
        self._claimed = claimed
        self._max_bytes = 0  # the bodies of what is claimed come to no more than this
        self._quarantined: Job | None = None
        self._returned = 0
        self._no_claims_until = 0.0
        self.prefetch = Prefetch()
        self._measured_at = self._finished_at = monotonic()

    def quarantine(self, job: Job) -> bool:
        """Take *job* into quarantine and return True, unless there is a job already: another worker may run this one sooner."""
        if self._quarantined is not None:
            return False
        self._quarantined = job
        return True

    def committed(self, jobs: Collection[Job]) -> None:
        """Note that *jobs* are committed: if the one in quarantine is among them, there is room for another."""
        if self._quarantined is not None and self._quarantined in jobs:
            self._quarantined = None

    def dispatched(self, claimed: int, returned: int) -> None:
        """Note that of *claimed* messages, *returned* found the quarantine taken, and go back. If that is all of them, do not ask for them at once."""
        self._returned = returned
        if claimed == returned:
            self._no_claims_until = monotonic() + HAND_BACK_AFTER_MS / 1_000

    def measure(self, finished: int, idle: bool) -> None:
        """Note that this many messages have *finished* since the last call; *idle*: no message is claimed."""
        now = monotonic()
        elapsed = (now - self._measured_at) * 1_000
        if finished or elapsed >= 1:
            self.prefetch = self.prefetch.measured(finished, elapsed, starved=not self._pool.backlog())
            self._measured_at = now
        if finished or idle:
            self._finished_at = now
        elif (now - self._finished_at) * 1_000 > HAND_BACK_AFTER_MS:
            self.prefetch = Prefetch()  # the rate was that of other messages

    def asked(self, limit: int) -> None:
        """Note that the worker has asked for this many messages."""
        self.prefetch = self.prefetch.claimed(limit, self._pool.backlog())

    def backlog(self) -> int:
        """How many jobs wait for a thread, or for the event loop."""
        return self._pool.backlog() + self._loop.backlog()

    def received(self, deliveries: Iterable[Delivery]) -> None:
        """Note that *deliveries* have come: an executor for which no job has waited has one waiting since now."""
        self._max_bytes += sum(map(len, map(_BODY, deliveries)))
        for executor in self._executors:
            if not executor.backlog():
                executor.waiting_since = monotonic()

    def take_back(self, everything: bool) -> list[Job]:
        """Remove and return jobs that have not begun: all, or those that have waited so long that another worker should have them."""
        if everything:
            return [job for executor in self._executors for job in executor.take_back()]
        return [job for executor in self._executors if _is_late(executor) for job in self._give_up(executor)]

    def _give_up(self, executor: ExecutorQueue) -> list[Job]:
        executor.no_claims_until = monotonic() + CLAIM_COOLDOWN_SECONDS
        self.prefetch = Prefetch()
        return executor.take_back()

    def claim_size(self, claimed: int) -> ClaimSize:
        """Return what to ask for, with this many messages *claimed* and not finished."""
        now = monotonic()
        return ClaimSize() if now < self._no_claims_until else claim_size(self._load(claimed, now), self.prefetch)

    def _load(self, claimed: int, now: float) -> Load:
        pool, loop = self._pool, self._loop
        on_loop = loop.load()
        takes_more = not loop.blocked() and now >= loop.no_claims_until
        return Load(
            threads=pool.size,
            claimed=claimed,
            waiting=pool.backlog(),
            on_loop=on_loop,
            quarantined=self._quarantined is not None,
            returned=self._returned,
            heavy=self._is_heavy(),
            loop_used=loop.used,
            loop_room=loop.size - on_loop if takes_more else 0,
            threads_late=now < pool.no_claims_until,
        )

    def _is_heavy(self) -> bool:
        """Are the bodies of the claimed messages so large that no more should wait in this process? They are counted only when they may be."""
        if self._max_bytes > MAX_CLAIM_BYTES:
            self._max_bytes = sum(len(job.delivery.body) for job in self._claimed)
        return self._max_bytes > MAX_CLAIM_BYTES


def _is_late(executor: ExecutorQueue) -> bool:
    return executor.backlog() > 0 and (monotonic() - executor.waiting_since) * 1_000 >= HAND_BACK_AFTER_MS
