"""`Appetite`: what a worker asks its broker for, and what it hands back because others may run it sooner. Mutable shell."""

from collections.abc import Collection, Iterable
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from fq.brokers.records import MAX_CLAIM_BYTES, Delivery
from fq.worker.job import Job
from fq.worker.process.prefetch import MOST, PATIENCE, Prefetch

if TYPE_CHECKING:
    from fq.worker.process.worker import Child

SHY = 1.0
"""For so long, in seconds, after it handed back what it could not start, a worker does not ask for the like."""

SUSPECT = 3
"""From this delivery on a message is in quarantine, where one runs at a time: so that one that kills its process takes no innocents along for ever."""


class Part(Protocol):
    """Where messages wait for a thread, or for the event loop: *since* when, and until when that is *shy*."""

    since: float
    shy_until: float

    def backlog(self) -> int:
        """How many messages wait."""
        ...

    def take_back(self) -> list[Job]:
        """Return all that wait, and forget them."""
        ...


class Appetite:
    """The appetite of *child*, with all that it has *held* since it was claimed, which changes."""

    def __init__(self, child: "Child", held: Collection[Job]) -> None:
        self._child = child
        self._held = held
        self._bytes = 0  # the bodies of what is held come to no more than this
        self._suspect: Job | None = None  # in quarantine, which has a thread of its own
        self._returned = 0  # so many other suspects were claimed, and wait at the head of a queue
        self._full_until = 0.0
        self._prefetch = Prefetch()
        self._measured = self._finished = monotonic()

    @property
    def _parts(self) -> tuple[Part, Part]:
        return self._child.pool, self._child.loop

    def quarantine(self, job: Job) -> bool:
        """Take *job* into quarantine and return True, unless there is one already: others may run it sooner."""
        if self._suspect is not None:
            return False
        self._suspect = job
        self._child.quarantine.put(job)
        return True

    def let_go(self, jobs: Collection[Job]) -> None:
        """Note that *jobs* are committed: if the one in quarantine is among them, there is room for another."""
        if self._suspect is not None and self._suspect in jobs:
            self._suspect = None

    def noted(self, claimed: int, returned: int) -> None:
        """Note that of so many *claimed* messages so many suspects are *returned*. If that is all of them, there is nothing to ask for just now."""
        self._returned = returned
        if claimed == returned:
            self._full_until = monotonic() + PATIENCE / 1_000

    def measure(self, finished: int, idle: bool) -> None:
        """Note that so many messages have *finished* since the last call; *idle*: none is held."""
        now = monotonic()
        elapsed = (now - self._measured) * 1_000
        if finished or elapsed >= 1:
            self._prefetch = self._prefetch.measured(finished, elapsed, starved=not self._child.pool.backlog())
            self._measured = now
        if finished or idle:
            self._finished = now
        elif (now - self._finished) * 1_000 > PATIENCE:
            self._prefetch = Prefetch()  # what was measured was of other messages

    def asked(self, limit: int) -> None:
        """Note that so many messages have been asked for."""
        self._prefetch = self._prefetch.claimed(limit, self._child.pool.backlog())

    def backlog(self) -> int:
        """How many messages wait for a thread, or for the event loop."""
        return sum(part.backlog() for part in self._parts)

    def about_to_fill(self, deliveries: Iterable[Delivery]) -> None:
        """Note that *deliveries* have come: where none waited, they wait since now."""
        self._bytes += sum(len(delivery.body) for delivery in deliveries)
        for part in self._parts:
            if not part.backlog():
                part.since = monotonic()

    def take_back(self, everything: bool) -> list[Job]:
        """Return the messages that wait for a thread, to be handed back: all, or those that have waited so long that another worker should have them."""
        if everything:
            return [job for part in self._parts for job in part.take_back()]
        return [job for part in self._parts if self._is_late(part) for job in self._given_up(part)]

    def _is_late(self, part: Part) -> bool:
        return part.backlog() > 0 and (monotonic() - part.since) * 1_000 >= PATIENCE

    def _given_up(self, part: Part) -> list[Job]:
        part.shy_until = monotonic() + SHY
        self._prefetch = Prefetch()
        return part.take_back()

    def _is_heavy(self) -> bool:
        """Do the bodies of what is held come to so many bytes that no more should wait in this process? Counted only when it may be so."""
        if self._bytes > MAX_CLAIM_BYTES:
            self._bytes = sum(len(job.delivery.body) for job in self._held)
        return self._bytes > MAX_CLAIM_BYTES

    def wants(self, held: int) -> tuple[int, tuple[str, ...]]:
        """
        Return how many messages to ask for, and from which queues, with *held* that have been claimed and not finished.

        With no free thread, none is asked for from queues of sync actors, and the same for async ones. What comes from a queue of both is not known
        before: what cannot be started is handed back in time.
        """
        child, now = self._child, monotonic()
        if now < self._full_until:
            return 0, child.queues
        pool, loop = child.pool, child.loop
        waiting, load = pool.backlog(), loop.load()
        running = held - waiting - load - (self._suspect is not None)
        free = max(0, pool.size - running)
        sync = max(0, min(MOST, free - waiting)) if self._is_heavy() else self._prefetch.room(free, waiting)
        if sync:
            sync += self._returned  # they come first, and go back: behind them there are others
        if sync and not loop.used:
            return sync, child.queues
        shy = loop.blocked() or now < loop.shy_until
        for_loop = 0 if shy else self._prefetch.async_room(loop.size - load)
        if sync and for_loop:
            return max(sync, for_loop), child.queues
        if sync:
            return sync, child.queues_of(sync=True)
        queues = child.queues_of(sync=False) if for_loop else ()
        if now < pool.shy_until:
            mixed = set(child.queues_of(sync=True))
            queues = tuple(queue for queue in queues if queue not in mixed)
        return (for_loop, queues) if queues else (0, child.queues)
