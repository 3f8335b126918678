"""
`Pump`: the one thread of a worker that talks to the broker, turn after turn: outcomes in, messages out, one round trip. Mutable shell.

Outcomes gather for a few ms while there is other work, and leave at once when there is none.
"""

import logging
import threading
from collections import deque
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING

from fq.brokers.records import Commit, Turn, Want
from fq.errors import BrokerError, BrokerUnavailable, FqError
from fq.events import ThreadBooted, ThreadStopping
from fq.worker.apart import apart
from fq.worker.job import Job
from fq.worker.pool import hand_back
from fq.worker.prefetch import PATIENCE, Prefetch

if TYPE_CHECKING:
    from fq.worker.child import Child

log = logging.getLogger("fq.worker")

LINGER = 0.003
"""How long outcomes gather while there is other work, in seconds."""

BATCH = 500
"""With so many outcomes gathered, they leave at once."""

HEARSAY = 1.0
"""While anything is held, hear from the broker at least this often, in seconds: a message may have been cancelled."""

SUSPECT = 3
"""From this delivery on a message is in quarantine, where one runs at a time: so that one that kills its process takes no innocents along for ever."""

PAUSES = (0.1, 5.0)
"""First and longest pause, in seconds, between attempts to reach a broker that is gone."""


class Pump:
    """The pump of *child*."""

    def __init__(self, child: "Child") -> None:
        self._child = child
        self._held: set[Job] = set()  # claimed, and not known to be committed
        self._outbox: deque[Job] = deque()  # finished
        self._at_once: list[Commit] = []  # commits of messages that never became a job
        self._bell = threading.Event()  # there is something to do
        self._flush = threading.Event()  # outcomes need not gather any longer
        self._listening = False  # in broker.wait, which only broker.wake ends
        self._paused = False
        self._draining = False
        self._stopped = False
        self.committed = 0
        self._drained = threading.Event()
        self._prefetch = Prefetch()
        self._more = True  # the broker may have more than it gave
        self._idle_for = 1_000
        self._cancelled = False  # something that is held has been, so what has not started is handed back, to come back as cancelled
        self._turned = monotonic()
        self._measured = monotonic()
        self._filled = monotonic()
        self._thread = threading.Thread(target=self._main, name="fq-pump", daemon=True)

    def start(self) -> None:
        """Start pumping."""
        self._thread.start()

    def finished(self, job: Job, flush: bool) -> None:
        """Take a finished job, from the thread that ran it; with *flush* there is nothing to wait for."""
        self._outbox.append(job)
        gathered = len(self._outbox)
        if (flush or gathered >= BATCH) and not self._flush.is_set():
            self.flush()
        elif gathered == 1:
            self._ring()

    def flush(self) -> None:
        """Let what has gathered leave."""
        self._flush.set()
        self._ring()

    def drain(self, timeout: float) -> bool:
        """Stop claiming, hand back what has not started, and wait up to *timeout* seconds for the rest to be committed; was that enough?"""
        self._draining = True
        self.flush()
        return self._drained.wait(timeout)

    def pause(self, paused: bool) -> None:
        """Stop claiming, and hand back what has not started; or go on."""
        self._paused = paused
        self.flush()

    def give_up(self) -> None:
        """End a `drain` that is under way in another thread."""
        self._drained.set()

    @property
    def _claims_nothing(self) -> bool:
        return self._draining or self._paused

    @property
    def alive(self) -> bool:
        """Is the thread running?"""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Commit what has gathered, hand back all that still runs, and end the thread."""
        self._draining = self._stopped = True
        self.flush()
        self._thread.join(10)

    def _ring(self) -> None:
        self._bell.set()
        if self._listening:
            self._listening = False
            self._child.app.broker.wake()

    def _main(self) -> None:
        tell, name = self._child.app.tell, self._thread.name
        tell(ThreadBooted(name, "pump"))
        try:
            self._run()
        finally:
            tell(ThreadStopping(name, "pump"))

    def _run(self) -> None:
        commits: list[Commit] = []
        jobs: list[Job] = []
        pause = PAUSES[0]
        while True:
            stopping = self._stopped
            self._gather(commits, jobs, stopping)
            try:
                turn = self._turn(commits, len(jobs))
            except Exception as error:
                if commits and isinstance(error, BrokerError) and self._commit_apart(commits, jobs):
                    continue
                log.error("cannot use the broker, %d outcomes wait here: %s", len(commits), error, exc_info=unforeseen(error))
                if stopping:
                    log.error("stopping all the same: the messages of these outcomes will be run again")
                    return
                self._flush.wait(pause) if self._draining else self._bell.wait(pause)
                pause = min(2 * pause, PAUSES[1])
                continue
            pause = PAUSES[0]
            self._settle(turn, jobs)
            commits, jobs = [], []
            if stopping:
                return
            self._dispatch(turn)
            if self._draining and not self._held:
                self._drained.set()
            self._rest()

    def _gather(self, commits: list[Commit], jobs: list[Job], stopping: bool) -> None:
        """Move what has finished, and what is to be handed back, to *commits* and *jobs*, which keep what an earlier, failed turn left."""
        if self._outbox and self._child.pool.backlog() and not self._stopped:
            self._flush.wait(LINGER)
        self._bell.clear()
        self._flush.clear()
        commits += self._at_once
        self._at_once = []
        unstarted = self._unstarted() if self._claims_nothing or self._cancelled or self._waits_too_long() else []
        self._cancelled = False
        while self._outbox:
            jobs.append(job := self._outbox.popleft())
            commits.append(job.commit or hand_back(job))
        if stopping:
            unstarted = list(self._held.difference(jobs))
        jobs += unstarted
        commits += map(hand_back, unstarted)

    def _unstarted(self) -> list[Job]:
        child = self._child
        return [*child.pool.take_back(), *child.quarantine.take_back(), *child.loop.take_back()]

    def _waits_too_long(self) -> bool:
        """Have messages waited for a thread so long that another worker should have them?"""
        if not self._child.pool.backlog() or (monotonic() - self._filled) * 1_000 < PATIENCE:
            return False
        self._prefetch = Prefetch()
        return True

    def _turn(self, commits: list[Commit], finished: int) -> Turn:
        child, now = self._child, monotonic()
        backlog = child.pool.backlog()
        if (elapsed := (now - self._measured) * 1_000) >= 1 or finished:
            self._prefetch = self._prefetch.measured(finished, elapsed, starved=not backlog)
            self._measured = now
        limit = 0 if self._claims_nothing else self._room()
        if not commits and not limit and (not self._held or now - self._turned < HEARSAY):
            return Turn(idle_for=self._idle_for)
        turn = self._take(commits, limit)
        if limit:
            self._more = len(turn.deliveries) >= limit
            self._prefetch = self._prefetch.claimed(limit, backlog)
        self._idle_for, self._turned = turn.idle_for, now
        return turn

    def _take(self, commits: Sequence[Commit], limit: int = 0) -> Turn:
        """Take a turn, and hear what has been cancelled."""
        child = self._child
        turn = child.app.broker.turn(commits, Want(child.name, child.queues, limit, child.settings.lease))
        if turn.cancelled:
            self._cancelled = True
            child.cancel(turn.cancelled)
        return turn

    def _commit_apart(self, commits: list[Commit], jobs: list[Job]) -> bool:
        """Commit one by one what was refused together; what remains in *commits* and *jobs* is refused for a fault that is not theirs."""
        by_id = {job.delivery.message_id: job for job in jobs}
        try:
            for commit, turn in apart(self._take, list(commits), by_id, self._child.app.send_side):
                commits.remove(commit)
                job = by_id.get(commit.message_id)
                if job is not None:
                    jobs.remove(job)
                    self._settle(turn, [job])
        except BrokerUnavailable:
            return False
        return not commits

    def _room(self) -> int:
        """How many messages to ask for."""
        child = self._child
        backlog, load = child.pool.backlog(), child.loop.load()
        running = len(self._held) - backlog - load - len(self._outbox)
        room = self._prefetch.room(max(0, child.pool.size - running), backlog)
        return max(room, self._prefetch.async_room(child.loop.size - load)) if child.loop.used else room

    def _settle(self, turn: Turn, jobs: list[Job]) -> None:
        """Forget what has been committed, and tell who watches."""
        self._held.difference_update(jobs)
        self.committed += len(jobs)
        stale = set(turn.stale)
        for job in jobs:
            if job.chain.watched or stale:
                self._child.chains.committed(job, job.delivery.message_id in stale)

    def _dispatch(self, turn: Turn) -> None:
        """Hand out what was claimed."""
        child = self._child
        if not turn.deliveries:
            return
        if not child.pool.backlog():
            self._filled = monotonic()
        later: list[Job] = []
        for delivery in turn.deliveries:
            job = child.chains.receive(delivery)
            if not isinstance(job, Job):
                self._at_once.append(job)
                continue
            self._held.add(job)
            if job.chain.ahandler is not None:
                later.append(job)
            else:
                (child.quarantine if delivery.deliveries >= SUSPECT else child.pool).put(job)
        if later:
            child.loop.put(later)

    def _rest(self) -> None:
        """Wait until there is something to do."""
        if self._stopped or self._outbox or self._at_once:
            return
        if self._claims_nothing or not self._room():
            self._bell.wait(PATIENCE / 1_000)
        elif not self._more:
            self._listen()

    def _listen(self) -> None:
        """Wait for the broker to have work, or for the bell."""
        timeout = min(self._idle_for, PATIENCE if self._child.pool.backlog() else 1_000) if self._held else self._idle_for
        self._listening = True
        try:
            if timeout > 0 and not self._bell.is_set():
                child = self._child
                child.app.broker.wait(Want(child.name, child.queues, 1, child.settings.lease), timeout)
        except Exception as error:
            log.error("cannot reach the broker: %s", error, exc_info=unforeseen(error))
            self._bell.wait(PAUSES[0])
        finally:
            self._listening = False


def unforeseen(error: Exception) -> Exception | None:
    """Return *error* if its traceback belongs in the log, None if it is one of fq's own, whose text says all."""
    return None if isinstance(error, FqError) else error
