"""
`Dispatcher`: the one thread of a worker that talks to the broker, turn after turn: outcomes in, messages out, one round trip. Mutable shell.

Outcomes gather for a few ms while there is other work, and leave at once when there is none.
"""

import threading
from collections.abc import Callable, Sequence
from enum import IntEnum, auto

from fq.brokers.records import Commit, Delivery, Turn
from fq.core.events import ThreadBooted, ThreadStopping
from fq.runtime.logger import logger, unexpected
from fq.runtime.watched_threads import OnLost, current_stack, watched_thread
from fq.worker.executors.executors import Executors
from fq.worker.job import Job
from fq.worker.outbox import Outbox
from fq.worker.process.broker_session import BrokerSession
from fq.worker.process.claim_policy import QUARANTINE_FROM_DELIVERY, ClaimPolicy
from fq.worker.process.claim_size import ClaimedQueues
from fq.worker.process.isolated_commits import Batch, IsolatedCommits
from fq.worker.process.prefetch import HAND_BACK_AFTER_MS

log = logger("fq.worker")

COMMIT_LINGER_SECONDS = 0.003
"""How long outcomes gather while there is other work."""

CANCEL_POLL_SECONDS = 1.0
"""While any message is claimed, a turn is taken at least this often: a message may have been cancelled."""

STUCK_AFTER_SECONDS = 15.0
"""After this long outside of the broker's calls, the dispatcher is stuck."""

RECONNECT_SECONDS = (0.1, 5.0)
"""First and longest pause between attempts to reach the broker."""

LAST_TURN_SECONDS = 10.0


class Mode(IntEnum):
    """What a dispatcher does; but for the first two, a mode is followed only by later ones."""

    CLAIMING = auto()
    PAUSED = auto()
    """Claims nothing for now."""
    DRAINING = auto()
    """Claims nothing more, and commits what finishes."""
    STOPPING = auto()
    """Commits what has finished, hands back the rest, and ends."""


class Dispatcher:
    """
    The dispatcher of one worker.

    *cancel* is passed the ids of messages that were cancelled; *lost* is called if the thread cannot go on. Its public methods are for other threads.
    """

    def __init__(
        self,
        session: BrokerSession,
        outbox: Outbox,
        executors: Executors,
        queues: ClaimedQueues,
        cancel: Callable[[Sequence[str]], None],
        lost: OnLost,
        stuck_after_seconds: float = STUCK_AFTER_SECONDS,
        reconnect_seconds: tuple[float, float] = RECONNECT_SECONDS,
    ) -> None:
        self._session, self._outbox, self._queues, self._cancel = session, outbox, queues, cancel
        self._executors, self._runner = executors, executors.runner
        self.stuck_after_seconds, self.reconnect_seconds = stuck_after_seconds, reconnect_seconds
        self.committed = 0
        self.last_received: Delivery | None = None
        self._claimed: set[Job] = set()  # claimed, and not known to be committed
        self._immediate: list[Commit] = []  # of messages that never became a job
        self._policy = ClaimPolicy(executors.pool, executors.loop, self._claimed)
        self._isolated = IsolatedCommits(self._turn, self._on_committed, self._runner.registry.apply_send_layers)
        self._mode = Mode.CLAIMING
        self._mode_lock = threading.RLock()  # reentrant, since `pause` is called by signal handlers
        self._drained = threading.Event()
        self._more_to_claim = True  # the broker may have more than it gave
        self._hands_back = False  # what this turn hands back is for other workers first
        self._hands_back_all = (
            False  # one of the claimed messages was cancelled: those that have not begun go back, and come again as cancelled
        )
        self._thread = watched_thread("fq-dispatcher", self._main, lost, restart=False)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def pause(self, paused: bool) -> None:
        """Stop claiming, and hand back what has not begun; or resume."""
        with self._mode_lock:
            if self._mode < Mode.DRAINING:
                self._mode = Mode.PAUSED if paused else Mode.CLAIMING
        self._outbox.flush()

    def stop_claiming(self) -> None:
        """Claim nothing more, and hand back what has not begun."""
        self._advance(Mode.DRAINING)

    def drain(self, timeout: float) -> bool:
        """Do the same, and wait up to *timeout* seconds until all that runs is committed; return whether it is."""
        self.stop_claiming()
        return self._drained.wait(timeout)

    def give_up(self) -> None:
        """End a `drain` that waits in another thread."""
        self._drained.set()

    def stop(self) -> None:
        """Commit what has finished, hand back all that still runs, and end the thread."""
        self._advance(Mode.STOPPING)
        self._thread.join(LAST_TURN_SECONDS)
        if not self._outbox.closed:
            log.error("stopping, although the broker takes no calls: the messages whose outcomes wait here will run again")

    @property
    def alive(self) -> bool:
        """Is the thread running?"""
        return self._thread.is_alive()

    @property
    def stuck(self) -> bool:
        """Does the thread no longer go on? The broker bounds its calls, but a layer that handles events may not return."""
        return self._session.seconds_since_step >= self.stuck_after_seconds

    def stack(self) -> str:
        """Return where the thread is, for the log."""
        return current_stack(self._thread)

    def _advance(self, mode: Mode) -> None:
        with self._mode_lock:
            self._mode = max(self._mode, mode)
        self._outbox.flush()

    def _main(self) -> None:
        emit, name = self._runner.registry.emit, self._thread.name
        emit(ThreadBooted(name, "pump"))
        try:
            if self._run():
                self._session.sign_off()
            self._drained.set()  # a second stop waits for nothing
        finally:
            self._outbox.close()
            emit(ThreadStopping(name, "pump"))

    def _run(self) -> bool:
        """Take turns until asked to stop, and return whether all outcomes are committed."""
        batch = Batch()
        reconnect, longest = self.reconnect_seconds
        while True:
            self._session.step()
            stopping = self._mode is Mode.STOPPING
            self._collect(batch, stopping)
            try:
                self._isolated.raise_known_error(batch)
                turn = self._exchange(batch)
            except Exception as error:
                if batch.commits and self._isolated.commit_individually(batch, error):
                    continue
                log.error("cannot use the broker (outcomes waiting: %d): %s", len(batch.commits), error, exc_info=unexpected(error))
                if stopping:
                    log.error("stopping all the same: the messages of these outcomes will run again")
                    return False
                self._wait_for_broker(batch, reconnect)
                reconnect = min(2 * reconnect, longest)
                continue
            reconnect = self.reconnect_seconds[0]
            self._on_committed(turn, batch.jobs)
            batch = Batch()
            if stopping:
                return True
            self._dispatch(turn)
            if self._mode >= Mode.DRAINING and not self._claimed:
                self._drained.set()
            self._wait_for_work()

    def _collect(self, batch: Batch, stopping: bool) -> None:
        """Add to *batch*, which has what an earlier, failed turn left, what has finished and what is to be handed back."""
        if self._outbox and self._executors.pool.backlog() and not stopping:
            self._outbox.linger(COMMIT_LINGER_SECONDS)
        self._outbox.begin_turn()
        batch.commits += self._immediate
        self._immediate = []
        unstarted = self._policy.take_back(everything=self._hands_back_all or self._mode is not Mode.CLAIMING)
        self._hands_back, self._hands_back_all = bool(unstarted), False
        batch.add(self._outbox.take())
        batch.add(list(self._claimed.difference(batch.jobs)) if stopping else unstarted)

    def _exchange(self, batch: Batch) -> Turn:
        """Take a turn, if there is a reason to."""
        self._policy.measure(batch.finished, idle=not self._claimed)
        limit, queues = self._claim_size(len(batch.jobs))
        must_deregister = self._mode is not Mode.CLAIMING and self._session.registered
        may_be_cancelled = self._claimed and self._session.seconds_since_turn >= CANCEL_POLL_SECONDS
        if not (batch.commits or limit or must_deregister or may_be_cancelled):
            return Turn(idle_for=self._session.idle_for)
        turn = self._turn(tuple(batch.commits), limit, queues)
        if limit:
            self._more_to_claim = len(turn.deliveries) >= limit
            self._policy.asked(limit)
        return turn

    def _claim_size(self, finished: int = 0) -> tuple[int, tuple[str, ...]]:
        """Return how many messages to ask for now, and from which queues, with this many *finished* that are about to be committed."""
        if self._mode is not Mode.CLAIMING or self._hands_back:
            return 0, self._queues.all
        size = self._policy.claim_size(len(self._claimed) - len(self._outbox) - finished)
        queues = self._queues.of(size.kind)
        return (size.limit, queues) if queues else (0, self._queues.all)

    def _turn(self, commits: Sequence[Commit], limit: int = 0, queues: tuple[str, ...] | None = None) -> Turn:
        """Take a turn, and interrupt what was cancelled."""
        turn = self._session.turn(commits, queues or self._queues.all, limit)
        if turn.cancelled:
            self._hands_back_all = True
            self._cancel(turn.cancelled)
        return turn

    def _on_committed(self, turn: Turn, jobs: list[Job]) -> None:
        """Forget *jobs*, which *turn* has committed, and tell the layers."""
        self._claimed.difference_update(jobs)
        self._policy.committed(jobs)
        self.committed += sum([job.commit is not None for job in jobs])
        stale = set(turn.stale)
        if stale or self._runner.emits_events:
            for job in jobs:
                self._runner.after_commit(job, job.delivery.message_id in stale)

    def _dispatch(self, turn: Turn) -> None:
        """Hand out what was claimed."""
        if not turn.deliveries:
            return self._executors.loop.start_if_needed()
        self._policy.received(turn.deliveries)
        async_jobs: list[Job] = []
        returned = 0
        receive, add, put = self._runner.receive, self._claimed.add, self._executors.pool.put
        for delivery in turn.deliveries:
            self.last_received = delivery
            job = receive(delivery)
            if not isinstance(job, Job):
                self._immediate.append(job)
                continue
            add(job)
            if job.actor.ahandler is not None:
                async_jobs.append(job)
            elif delivery.deliveries < QUARANTINE_FROM_DELIVERY:
                put(job)
            elif self._policy.quarantine(job):
                self._executors.quarantine.put(job)
            else:
                returned += 1
                self._outbox.return_unstarted(job)
        if async_jobs:
            self._executors.loop.put(async_jobs)
        self._policy.dispatched(len(turn.deliveries), returned)

    def _wait_for_broker(self, batch: Batch, seconds: float) -> None:
        """Wait before the next attempt to reach the broker. While draining, each outcome that comes in is no reason for one."""
        draining = self._mode >= Mode.DRAINING
        if draining and not self._claimed and not batch.commits:  # there is nothing to commit
            self._drained.set()
        (self._outbox.linger if draining else self._outbox.wait)(seconds)

    def _wait_for_work(self) -> None:
        """Wait until there is something to do."""
        if self._mode is Mode.STOPPING or self._outbox or self._immediate:
            return
        self._hands_back = False
        limit, queues = self._claim_size()
        if not limit:
            self._outbox.wait(HAND_BACK_AFTER_MS / 1_000)
        elif not self._more_to_claim:
            self._listen(queues)

    def _listen(self, queues: tuple[str, ...]) -> None:
        """Wait until the broker has work in *queues*, or the outbox has."""
        asks_again = bool(self._claimed) or queues != self._queues.all
        timeout = listen_ms(self._session.idle_for, asks_again, bool(self._policy.backlog()))
        try:
            self._session.wait(queues, timeout, unless=lambda: self._outbox.has_changed)
        except Exception as error:
            log.error("cannot reach the broker: %s", error, exc_info=unexpected(error))
            self._outbox.wait(self.reconnect_seconds[0])


def listen_ms(idle_for: int, asks_again: bool, has_backlog: bool) -> int:
    """
    Return how long to wait for the broker, in ms, which says that it has nothing to do for *idle_for* ms.

    A worker that holds messages, or leaves out queues for now, asks again before that. What waits for a thread must be handed back in time.

    >>> listen_ms(60_000, False, False), listen_ms(60_000, True, False), listen_ms(60_000, True, True), listen_ms(10, True, True)
    (60000, 1000, 200, 10)
    """
    return min(idle_for, HAND_BACK_AFTER_MS if has_backlog else 1_000) if asks_again else idle_for
