"""
`Dispatcher`: the one thread of a worker that talks to the broker, turn after turn: outcomes in, messages out, one round trip. Mutable shell.

Outcomes gather for a few ms while there is other work, and leave at once when there is none.
"""

import threading
from collections.abc import Callable, Sequence

from fq.brokers.planning.repeated_commits import Claim
from fq.brokers.records import Commit, Delivery, Turn
from fq.core.events import ThreadBooted, ThreadStopping
from fq.errors import BrokerUnavailable
from fq.runtime.logger import logger, unexpected
from fq.runtime.watched_threads import OnLost, current_stack, watched_thread
from fq.worker.claimed_job import Job
from fq.worker.executors.executors import Executors
from fq.worker.finished_jobs import FinishedJobs
from fq.worker.late_commits import late_claims
from fq.worker.process.broker_session import BrokerSession
from fq.worker.process.claim_policy import QUARANTINE_FROM_DELIVERY, ClaimPolicy
from fq.worker.process.claim_size import ClaimedQueues
from fq.worker.process.isolated_commits import Batch, IsolatedCommits
from fq.worker.process.mode import Mode
from fq.worker.process.prefetch import HAND_BACK_AFTER_MS, listen_ms
from fq.worker.process.resource_lifespan import ResourceLifespan
from fq.worker.process.scheduler import Scheduler
from fq.worker.tally import Tally

log = logger("fq.worker")

COMMIT_LINGER_SECONDS = 0.003
"""How long outcomes gather while there is other work."""

SHORT_JOB_SECONDS = 0.001
"""How long it listens to no broker after it has handed out messages: meanwhile their threads have the processor."""

CANCEL_POLL_SECONDS = 1.0
"""While any message is claimed, a turn is taken at least this often: a message may have been cancelled."""

STUCK_AFTER_SECONDS = 15.0
"""After this long outside of the broker's calls, the dispatcher is stuck."""

RECONNECT_SECONDS = (0.1, 5.0)
"""First and longest pause between attempts to reach the broker."""

LAST_TURN_SECONDS = 10.0


class Dispatcher:
    """
    The dispatcher of one worker.

    *cancel* is passed the ids of messages that were cancelled; *lost* is called if the thread cannot go on. Its public methods are for other threads.
    """

    def __init__(
        self,
        session: BrokerSession,
        finished: FinishedJobs,
        executors: Executors,
        queues: ClaimedQueues,
        scheduler: Scheduler,
        resources: ResourceLifespan,
        cancel: Callable[[Sequence[str]], None],
        lost: OnLost,
        stuck_after_seconds: float = STUCK_AFTER_SECONDS,
        reconnect_seconds: tuple[float, float] = RECONNECT_SECONDS,
    ) -> None:
        self._session, self._finished, self._queues, self._scheduler, self._cancel = session, finished, queues, scheduler, cancel
        self._resources, resources.on_open = resources, finished.flush
        self._executors, self._runner, self._reports = executors, executors.runner, executors.reports
        self.stuck_after_seconds, self.reconnect_seconds = stuck_after_seconds, reconnect_seconds
        self.committed = 0
        self.last_received: Delivery | None = None
        self._claimed: set[Job] = set()  # claimed, and not known to be committed
        self._immediate: list[Commit] = []  # of messages that never became a job
        self._late: frozenset[Claim] = frozenset()  # of the latest turn
        self._policy = ClaimPolicy(executors.pool, executors.loop, self._claimed)
        self._tally = Tally(self._runner.clock, session.calling)
        self._isolated = IsolatedCommits(self._turn, self._on_committed, self._runner.registry.apply_send_layers)
        self._mode, self._mode_lock = Mode.CLAIMING, threading.RLock()  # reentrant, since `pause` is called by signal handlers
        self._drained = threading.Event()
        self._more_to_claim = True  # the broker may have more than it gave
        self._hands_back = False  # what this turn hands back is for other workers first
        self._hands_back_all = False  # one was cancelled: all that have not begun go back, and it comes again as cancelled
        self._thread = watched_thread("fq-dispatcher", self._main, lost, restart=False)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def pause(self, paused: bool) -> None:
        """Stop claiming, and hand back what has not begun; or resume."""
        with self._mode_lock:
            if self._mode < Mode.DRAINING:
                self._mode = Mode.PAUSED if paused else Mode.CLAIMING
        self._finished.flush()

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
        if not self._finished.closed:
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
        self._finished.flush()

    def _main(self) -> None:
        emit, name = self._runner.registry.emit, self._thread.name
        emit(ThreadBooted(name, "pump"))
        try:
            if self._run():
                self._scheduler.end()
                self._tally.flush()
                self._session.sign_off()
            self._drained.set()  # a second stop waits for nothing
        finally:
            self._finished.close()
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
                self._reports.not_sent(again=bool(batch.commits) or isinstance(error, BrokerUnavailable))
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
            self._on_committed(batch.jobs)
            batch = Batch()
            if stopping:
                return True
            self._dispatch(turn)
            self._more_to_claim |= self._mode is Mode.CLAIMING and self._scheduler.after_turn(turn)
            if self._mode >= Mode.DRAINING and not self._claimed:
                self._drained.set()
            self._wait_for_work(has_begun=bool(turn.deliveries))

    def _collect(self, batch: Batch, stopping: bool) -> None:
        """Add to *batch*, which has what an earlier, failed turn left, what has finished and what is to be handed back."""
        if self._finished and self._executors.pool.backlog() and not stopping:
            self._finished.linger(COMMIT_LINGER_SECONDS)
        self._finished.begin_turn()
        batch.commits += self._immediate
        self._immediate = []
        unstarted = self._policy.take_back(everything=self._hands_back_all or self._mode is not Mode.CLAIMING)
        self._hands_back, self._hands_back_all = bool(unstarted), False
        batch.add(self._finished.take())
        batch.add(list(self._claimed.difference(batch.jobs)) if stopping else unstarted)

    def _exchange(self, batch: Batch) -> Turn:
        """Take a turn, if there is a reason to."""
        self._policy.measure(batch.finished, idle=not self._claimed)
        limit, queues = self._claim_size(len(batch.jobs))
        must_deregister = self._session.registered and not limit  # or the broker goes on waking it, and handing it messages
        may_be_cancelled = self._claimed and self._session.seconds_since_turn >= CANCEL_POLL_SECONDS
        reports = self._reports.take(self._session.name, self._runner.clock.now()) if self._reports else []
        if not (batch.commits or limit or must_deregister or may_be_cancelled or reports):
            return Turn(idle_for=self._session.idle_for)
        turn = self._turn((*reports, *batch.commits), limit, queues)
        if reports:
            self._reports.sent()
        if limit:
            self._more_to_claim = len(turn.deliveries) >= limit
            self._policy.asked(limit)
        return turn

    def _claim_size(self, finished: int = 0) -> tuple[int, tuple[str, ...]]:
        """Return how many messages to ask for now, and from which queues, with this many *finished* that are about to be committed."""
        if self._mode is not Mode.CLAIMING or self._hands_back or not self._resources.ready:
            return 0, self._queues.all
        size = self._policy.claim_size(len(self._claimed) - len(self._finished) - finished)
        queues = self._queues.of(size.kind)
        return (size.limit, queues) if queues else (0, self._queues.all)

    def _turn(self, commits: Sequence[Commit], limit: int = 0, queues: tuple[str, ...] | None = None) -> Turn:
        """Take a turn, and interrupt what was cancelled."""
        turn = self._session.turn(commits, queues or self._queues.all, limit)
        self._late = late_claims(commits, turn.stale) if turn.stale else frozenset()
        if turn.cancelled:
            self._hands_back_all = True
            self._cancel(turn.cancelled)
        return turn

    def _on_committed(self, jobs: list[Job]) -> None:
        """Forget *jobs*, which the latest turn has committed, and tell the layers."""
        self._claimed.difference_update(jobs)
        self._policy.committed(jobs)
        self.committed += sum([job.commit is not None for job in jobs])
        late = self._late
        self._tally.add(jobs, late)
        self._tally.flush_if_due()
        if late or self._runner.emits_events or self._runner.registry.observes_sends:
            for job in jobs:
                self._runner.after_commit(job, bool(late) and job.claim in late)

    def _dispatch(self, turn: Turn) -> None:
        """Hand out what was claimed."""
        if not turn.deliveries:
            return self._executors.loop.start_if_needed()
        self._policy.received(turn.deliveries)
        self._runner.clock.note(self._session.name, turn.deliveries)
        async_jobs, returned = list[Job](), 0
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
                self._finished.return_unstarted(job)
        if async_jobs:
            self._executors.loop.put(async_jobs)
        self._policy.dispatched(len(turn.deliveries), returned)

    def _wait_for_broker(self, batch: Batch, seconds: float) -> None:
        """Wait before the next attempt to reach the broker. While draining, each outcome that comes in is no reason for one."""
        draining = self._mode >= Mode.DRAINING
        if draining and not self._claimed and not batch.commits:  # there is nothing to commit
            self._drained.set()
        (self._finished.linger if draining else self._finished.wait)(seconds)

    def _wait_for_work(self, has_begun: bool) -> None:
        """Wait until there is something to do. A job that *has_begun* may be short, and its commit asks for more, too."""
        if self._mode is Mode.STOPPING or self._finished or self._immediate:
            return
        self._hands_back = False
        limit, queues = self._claim_size()
        if not limit:
            self._finished.wait(HAND_BACK_AFTER_MS / 1_000)
        elif not (self._more_to_claim or (has_begun and self._finished.wait(SHORT_JOB_SECONDS))):
            self._listen(queues)

    def _listen(self, queues: tuple[str, ...]) -> None:
        """Wait until the broker has work in *queues*, or a job has finished."""
        asks_again = bool(self._claimed) or queues != self._queues.all
        idle_for = min(self._session.idle_for, self._tally.wait_ms())
        timeout = listen_ms(idle_for, asks_again, bool(self._policy.backlog()))
        if self._reports:
            timeout = min(timeout, self._reports.wait_ms())
        try:
            self._session.wait(queues, timeout, unless=lambda: self._finished.has_changed)
        except Exception as error:
            log.error("cannot reach the broker: %s", error, exc_info=unexpected(error))
            self._finished.wait(self.reconnect_seconds[0])
