"""
`Supervisor`: the parent of a worker's child processes. Mutable shell, one thread, since it forks; it never runs an actor.

It renews its children's leases, so that a child whose actor holds the GIL for minutes keeps its messages. It replaces a child that dies, and hands back at
once what that child held. It kills a child whose message runs past its time limit in code that no exception reaches.
"""

import os
import signal
from collections.abc import Callable, Iterator
from time import monotonic

from attrs import define, field

from fq.brokers.protocol import Broker
from fq.execution.worker_orders import Orders
from fq.runtime.fresh_ids import fresh_worker_name
from fq.runtime.logger import logger
from fq.runtime.process_memory import memory_of
from fq.worker.process_hygiene import kill_group, kill_what_is_left
from fq.worker.scoreboard import Scoreboard, Snapshot
from fq.worker.settings import WorkerSettings
from fq.worker.supervisor import reload
from fq.worker.supervisor.child import ChildHealth, ChildProcess, Diagnosis, diagnose, overrunning
from fq.worker.supervisor.child_slot import ChildSlot
from fq.worker.supervisor.lease_renewal import LeaseRenewal
from fq.worker.supervisor.preflight import PreflightCheck
from fq.worker.supervisor.sidecars import Sidecars
from fq.worker.supervisor.signals import Signals
from fq.worker.supervisor.spawn import scoreboard_slots
from fq.worker.supervisor.stack_requests import StackRequests

log = logger("fq.worker")

KILL_AFTER_SECONDS = 5.0
"""How long children may take to end after ``--shutdown-timeout``, or after a second stop, before they are killed."""

SCOREBOARD_POLL_SECONDS = 0.5


@define(eq=False)
class Supervisor:
    """
    Keeps ``settings.processes`` children running, and renews their leases at *broker*, until it is asked to stop.

    *start_child* starts a child with this name and scoreboard, and returns its process id. *sidecars* run beside the children.
    """

    broker: Broker
    settings: WorkerSettings
    start_child: Callable[[str, Scoreboard], int]
    sidecars: Sidecars = field(factory=Sidecars)
    _leases: LeaseRenewal = field(init=False)
    _stacks: StackRequests = field(init=False)
    _preflight: PreflightCheck = field(init=False, factory=PreflightCheck)
    _slots: list[ChildSlot] = field(init=False)
    _draining: list[ChildProcess] = field(init=False)
    _started: int = field(init=False)
    _stop_requests: int = field(init=False, default=0)
    _kill_at: float = field(init=False, default=float("inf"))
    _reloaded: bool = field(init=False, default=False)
    _quiet: bool = field(init=False)
    _warned_of_memory: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self._leases = LeaseRenewal(self.broker, self.settings)
        self._stacks = StackRequests(self._leases.desk)
        self._slots = [ChildSlot() for _ in range(self.settings.processes)]
        state = reload.inherited_state()
        self._draining, self._quiet, self._started = state.children, state.quiet, state.started
        self._reloaded = bool(self._draining)

    def run(self, signals: Signals) -> int:
        """Run until a TERM or INT; a second one stops at once. HUP reloads, USR1 stops claiming, USR2 resumes. Return the exit code."""
        signals.booted()
        self._heartbeat()  # first: the leases of inherited children have run during the reload
        while True:
            for number in signals.take():
                self._on_signal(number)
            self._reap()
            if self._preflight.passed:
                self._reload(signals)
            if self._stop_requests and not list(self._children()):
                self.sidecars.stop()
                return 0
            self._tend_children()
            self._heartbeat()
            signals.wait(max(0.0, min(self._leases.due_at - monotonic(), SCOREBOARD_POLL_SECONDS)))

    def _heartbeat(self) -> None:
        """Renew the leases when that is due, and do what people have asked for meanwhile."""
        children = list(self._children())
        if self._stacks.collect(children):
            self._leases.renew_now()
        orders = self._leases.renew_if_due(children, self._quiet)
        self._stacks.ask(children, orders.stacks)
        self._obey(orders)

    def _obey(self, orders: Orders) -> None:
        wanted = orders.wanted
        if wanted.wanted:
            log.warning("%s asks this worker to be %s", wanted.who, "stopped" if wanted.wanted == "stop" else wanted.wanted)
        match wanted.wanted:
            case "stop" if not self._stop_requests:
                self._stop()
            case "quiet" | "active":
                self._set_quiet(wanted.wanted == "quiet")
            case _:
                pass

    def _on_signal(self, number: int) -> None:
        match number:
            case signal.SIGTERM | signal.SIGINT:
                self._stop()
            case signal.SIGHUP if not self._stop_requests:
                self._preflight.start()
            case signal.SIGUSR1 | signal.SIGUSR2:
                self._set_quiet(number == signal.SIGUSR1)
            case _:
                pass

    def _set_quiet(self, quiet: bool) -> None:
        self._quiet = quiet
        self._signal_children(signal.SIGUSR1 if quiet else signal.SIGUSR2)

    def _stop(self) -> None:
        self._preflight.abandon()
        self._stop_requests += 1
        first = self._stop_requests == 1
        log.info("stopping" if first else "stopping at once")
        allowed = self.settings.shutdown_timeout / 1_000 if first else 0.0
        self._kill_at = min(self._kill_at, monotonic() + allowed + KILL_AFTER_SECONDS)  # a child whose GIL is held cannot keep the time
        self._signal_children(signal.SIGTERM)

    def _reload(self, signals: Signals) -> None:
        """Replace this program. No lease is renewed while the new one imports the app, so all are renewed for twice as long as that has just taken."""
        self.sidecars.stop()
        self._leases.extend(self._children(), self.settings.lease + 2 * self._preflight.duration_ms)
        reload.replace_process(reload.HandoverState(list(self._children()), self._quiet, self._started), signals)
        self._preflight.abandon()  # the new program could not be started
        self._leases.renew_now()

    def _children(self) -> Iterator[ChildProcess]:
        for slot in self._slots:
            yield from slot.children()
        yield from self._draining

    def _signal_children(self, number: int) -> None:
        for child in self._children():
            os.kill(child.pid, number)
            if child.stopped:
                os.kill(child.pid, signal.SIGCONT)  # a stopped process handles no signal

    def _tend_children(self) -> None:
        """Start missing children, let successors that have booted take over, and examine each child."""
        now = monotonic()
        if not self._stop_requests:
            self.sidecars.start_missing()
            for slot in self._slots:
                self._fill(slot, now)
        for child in list(self._children()):
            self._examine(child, now)
        if self._reloaded and all(slot.ready for slot in self._slots):
            self._reloaded = False
            for child in self._draining:
                self._drain(child)
        if now > self._kill_at:
            self._kill_at = float("inf")
            log.error("killing the worker processes that have not ended in time")
            for child in self._children():
                kill_group(child.pid)

    def _fill(self, slot: ChildSlot, now: float) -> None:
        if slot.wants_child(now):
            slot.child = self._start(slot)
        if (replaced := slot.hand_over()) is not None:
            self._draining.append(replaced)
            self._drain(replaced)

    def _examine(self, child: ChildProcess, now: float) -> None:
        snapshot = child.scoreboard.read()
        health = ChildHealth(snapshot, now, memory_of(child.pid), child.stopped, child.continued_at, child.started_at)
        match diagnose(health, self.settings):
            case Diagnosis.TIME_LIMIT_EXCEEDED:
                self._on_overrun(child, snapshot, now)
            case Diagnosis.UNRESPONSIVE:
                self._kill(child, "it runs nothing and gives no sign of life")
            case Diagnosis.BOOT_TIMEOUT:
                self._kill(child, "it has not booted within --boot-timeout")
            case Diagnosis.OVERSIZED_AT_BOOT:
                self._warn_of_memory(child)
            case Diagnosis.DUE_FOR_RECYCLING:
                self._recycle(child, now)
            case Diagnosis.HEALTHY:
                child.overrunning = frozenset()

    def _on_overrun(self, child: ChildProcess, snapshot: Snapshot, now: float) -> None:
        """Kill *child* for the messages that overrun for the second look in a row: at the first, one may be about to end."""
        late = overrunning(snapshot, now, self.settings.hard_limit_grace)
        if late & child.overrunning:
            child.interrupted = late & child.overrunning
            self._kill(child, f"its message {', '.join(sorted(child.interrupted))} runs past the time limit and cannot be interrupted")
        child.overrunning = late

    def _kill(self, child: ChildProcess, why: str) -> None:
        log.error("killing worker process %d: %s", child.pid, why)
        kill_group(child.pid)

    def _recycle(self, child: ChildProcess, now: float) -> None:
        for slot in self._slots:
            if slot.wants_successor(child, now) and not self._stop_requests:
                log.info(
                    "worker process %d has reached its --max-tasks-per-child or --max-memory-per-child: starting its successor", child.pid
                )
                slot.successor = self._start(slot)

    def _warn_of_memory(self, child: ChildProcess) -> None:
        """Warn, once, that children need more memory than they may have before they have run a message."""
        if not self._warned_of_memory:
            self._warned_of_memory = True
            log.warning(
                "worker process %d has %d MB before its first message, more than --max-memory-per-child: each child will be replaced after its first"
                " messages; allow clearly more",
                child.pid,
                memory_of(child.pid) // 1024**2,
            )

    def _drain(self, child: ChildProcess) -> None:
        if child.drain():
            log.info("worker process %d drains: it finishes what runs, and ends", child.pid)

    def _start(self, slot: ChildSlot) -> ChildProcess | None:
        """Start a child for *slot*; return None if the machine cannot just now: the slot tries again later."""
        self._started += 1
        name = fresh_worker_name(str(self._started))
        try:
            scoreboard = Scoreboard(scoreboard_slots(self.settings))
            child = ChildProcess(self._start_process(name, scoreboard), name, scoreboard, monotonic())
        except OSError as error:
            log.error("a worker process cannot be started, trying again: %s", error)
            slot.start_failed(monotonic())
            return None
        if self._quiet:
            os.kill(child.pid, signal.SIGUSR1)
        self._leases.renew_now()
        return child

    def _start_process(self, name: str, scoreboard: Scoreboard) -> int:
        try:
            return self.start_child(name, scoreboard)
        except OSError:
            scoreboard.close()
            raise

    def _reap(self) -> None:
        """Collect the state changes of child processes; as process 1 of a container, those of all orphans, too."""
        known = {child.pid: child for child in self._children()}
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if (child := known.get(pid)) is None:
                self.sidecars.reaped(pid, status)
                self._preflight.reaped(pid, status)
            elif os.WIFSTOPPED(status) or os.WIFCONTINUED(status):
                child.stopped = os.WIFSTOPPED(status)
                child.continued_at = monotonic()
                log.warning("worker process %d was %s", pid, "stopped: its lease is not renewed" if child.stopped else "continued")
            else:
                self._on_exit(child, os.waitstatus_to_exitcode(status))

    def _on_exit(self, child: ChildProcess, code: int) -> None:
        """Hand back what a dead child held, and plan its replacement. If it was killed, kill what it has started, too."""
        if code:
            kill_what_is_left(child.pid)
        draining = child in self._draining
        self._draining = [other for other in self._draining if other is not child]
        for slot in self._slots:
            slot.child_exited(child, monotonic())
        if code or not (draining or self._stop_requests):
            count = self._leases.hand_back(child)
            log.error(
                "worker process %d %s; messages handed back: %s", child.pid, _describe_exit(code), "unknown" if count is None else count
            )
        child.scoreboard.close()


def _describe_exit(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
