"""
`Pump`: the one thread of a worker that talks to the broker, turn after turn: outcomes in, messages out, one round trip. Mutable shell.

Outcomes gather for a few ms while there is other work, and leave at once when there is none.
"""

import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from fq.brokers.records import ClaimRequest, Commit, Delivery, Turn
from fq.core.events import ThreadBooted, ThreadStopping
from fq.errors import FqError
from fq.runtime.logger import logger, unexpected
from fq.runtime.watched_threads import current_stack, watched_thread
from fq.worker.executors.thread_pool import hand_back
from fq.worker.job import Job
from fq.worker.process.claim_policy import SUSPECT, Appetite
from fq.worker.process.isolated_commits import Apart, report_late
from fq.worker.process.prefetch import PATIENCE

if TYPE_CHECKING:
    from fq.worker.process.worker import Child

log = logger("fq.worker")

LINGER = 0.003
"""How long outcomes gather while there is other work, in seconds."""

BATCH = 500
"""With so many outcomes gathered, they leave at once."""

HEARSAY = 1.0
"""While anything is held, hear from the broker at least this often, in seconds: a message may have been cancelled."""

STUCK = 15.0
"""After so many seconds outside of the broker's calls, the pump is stuck."""

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
        self._paused = self._draining = self._stopped = self._ended = self._handing_back = self._with_broker = False
        self.committed = 0
        self._drained = threading.Event()
        self.judging: Delivery | None = None  # the latest that was claimed
        self._appetite = Appetite(child, self._held)
        self._apart = Apart(self._take, self._settle)
        self._more = True  # the broker may have more than it gave
        self._idle_for = 1_000
        self._cancelled = False  # something that is held has been, so what has not started is handed back, to come back as cancelled
        self._expected = False  # the broker may think that this worker waits for messages
        self._turned = self._stepped = monotonic()
        self._thread = watched_thread("fq-pump", self._main, child.lose, restart=False)

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
        return self._draining or self._paused or self._child.lost is not None

    @property
    def alive(self) -> bool:
        """Is the thread running?"""
        return self._thread.is_alive()

    @property
    def sound(self) -> bool:
        """Does it go on? What may keep it is the broker, and that not for ever; or a layer that watches, and does not return."""
        return self._with_broker or monotonic() - self._stepped < STUCK

    def stack(self) -> str:
        """Return where the thread is, for the log."""
        return current_stack(self._thread)

    def stop(self) -> None:
        """Commit what has gathered, hand back all that still runs, and end the thread."""
        self._draining = self._stopped = True
        self.flush()
        self._thread.join(10)
        if not self._ended:
            log.error("stopping while the broker takes no calls: the messages of all outcomes that wait here will be run again")

    def _ring(self) -> None:
        self._bell.set()
        if self._ended:
            report_late(self._outbox)
        if self._listening:
            self._listening = False
            self._child.app.broker.wake()

    def _main(self) -> None:
        tell, name = self._child.app.registry.emit, self._thread.name
        tell(ThreadBooted(name, "pump"))
        try:
            if self._run():
                self._sign_off()
        finally:
            self._ended = True
            report_late(self._outbox)
            tell(ThreadStopping(name, "pump"))

    def _run(self) -> bool:
        """Pump until told to stop, and return whether all outcomes are in."""
        commits: list[Commit] = []
        jobs: list[Job] = []
        pause = PAUSES[0]
        while True:
            self._stepped, stopping = monotonic(), self._stopped
            self._gather(commits, jobs, stopping)
            try:
                self._apart.keep(commits)
                turn = self._turn(commits, jobs)
            except Exception as error:
                if commits and self._apart.commit(commits, jobs, error, self._child.app.registry.apply_send_layers):
                    continue
                log.error("cannot use the broker, %d outcomes wait here: %s", len(commits), error, exc_info=unexpected(error))
                if stopping:
                    log.error("stopping all the same: the messages of these outcomes will be run again")
                    return False
                if self._draining and not self._held and not commits:  # nothing for which the broker would have to be waited for
                    self._drained.set()
                self._flush.wait(pause) if self._draining else self._bell.wait(pause)
                pause = min(2 * pause, PAUSES[1])
                continue
            pause = PAUSES[0]
            self._settle(turn, jobs)
            commits, jobs = [], []
            if stopping:
                return True
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
        unstarted = self._appetite.take_back(everything=self._claims_nothing or self._cancelled)
        self._handing_back = bool(unstarted)
        self._cancelled = False
        while self._outbox:
            jobs.append(job := self._outbox.popleft())
            commits.append(job.commit or hand_back(job))
        if stopping:
            unstarted = list(self._held.difference(jobs))
        jobs += unstarted
        commits += map(hand_back, unstarted)

    def _turn(self, commits: list[Commit], jobs: list[Job]) -> Turn:
        now = monotonic()
        finished = sum(job.commit is not None for job in jobs)  # the others are handed back
        self._appetite.measure(finished, idle=not self._held)
        limit, queues = self._wants(len(jobs))
        waited_for = self._claims_nothing and self._expected
        if not commits and not limit and not waited_for and (not self._held or now - self._turned < HEARSAY):
            return Turn(idle_for=self._idle_for)
        turn = self._take(tuple(commits), limit, queues)
        if limit:
            self._more = len(turn.deliveries) >= limit
            self._appetite.asked(limit)
        self._idle_for, self._turned = turn.idle_for, now
        return turn

    def _wants(self, finished: int = 0) -> tuple[int, tuple[str, ...]]:
        """Return how many messages to ask for now, and from which queues, with so many *finished* that are about to be committed."""
        if self._claims_nothing or self._handing_back:  # what is handed back is for others first
            return 0, self._child.queues
        return self._appetite.wants(len(self._held) - len(self._outbox) - finished)

    def _take(self, commits: Sequence[Commit], limit: int = 0, queues: tuple[str, ...] | None = None) -> Turn:
        """Take a turn, and hear what has been cancelled."""
        child = self._child
        self._with_broker = True
        try:
            turn = child.app.broker.turn(commits, ClaimRequest(child.name, queues or child.queues, limit, child.settings.lease))
        finally:
            self._with_broker, self._stepped = False, monotonic()
        self._expected = False
        if turn.cancelled:
            self._cancelled = True
            child.cancel(turn.cancelled)
        return turn

    def _settle(self, turn: Turn, jobs: list[Job]) -> None:
        """Forget what has been committed, and tell who watches."""
        self._held.difference_update(jobs)
        self._appetite.let_go(jobs)
        self.committed += sum(job.commit is not None for job in jobs)
        stale = set(turn.stale)
        for job in jobs:
            if job.chain.watched or stale:
                self._child.chains.committed(job, job.delivery.message_id in stale)

    def _dispatch(self, turn: Turn) -> None:
        """Hand out what was claimed."""
        child = self._child
        if not turn.deliveries:
            return child.loop.start_if_needed()
        self._appetite.about_to_fill(turn.deliveries)
        later: list[Job] = []
        returned = 0
        for delivery in turn.deliveries:
            self.judging = delivery
            job = child.chains.receive(delivery)
            if not isinstance(job, Job):
                self._at_once.append(job)
                continue
            self._held.add(job)
            if job.chain.ahandler is not None:
                later.append(job)
            elif delivery.deliveries < SUSPECT:
                child.pool.put(job)
            elif not self._appetite.quarantine(job):
                returned += 1
                self._outbox.append(job)
        if later:
            child.loop.put(later)
        self._appetite.noted(len(turn.deliveries), returned)

    def _rest(self) -> None:
        """Wait until there is something to do."""
        if self._stopped or self._outbox or self._at_once:
            return
        self._handing_back = False
        limit, queues = self._wants()
        if not limit:
            self._bell.wait(PATIENCE / 1_000)
        elif not self._more:
            self._listen(queues)

    def _listen(self, queues: tuple[str, ...]) -> None:
        """Wait for the broker to have work in *queues*, or for the bell."""
        asks_again = self._held or queues != self._child.queues  # for what is not wanted just now
        timeout = min(self._idle_for, PATIENCE if self._appetite.backlog() else 1_000) if asks_again else self._idle_for
        self._listening = self._expected = self._with_broker = True
        try:
            if timeout > 0 and not self._bell.is_set():
                self._child.app.broker.wait(ClaimRequest(self._child.name, queues, 1, self._child.settings.lease), timeout)
        except Exception as error:
            log.error("cannot reach the broker: %s", error, exc_info=unexpected(error))
            self._bell.wait(PAUSES[0])
        finally:
            self._listening = self._with_broker = False
            self._stepped = monotonic()

    def _sign_off(self) -> None:
        """Tell the broker that this worker is gone, with nothing in its hands; should that fail, its lease runs out."""
        with suppress(FqError):
            self._child.app.broker.release(self._child.name, {}, ())
