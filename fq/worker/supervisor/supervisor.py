"""
`Supervisor`: the parent of a worker's child processes. Mutable shell, one thread, since it forks; it never runs an actor.

It owns liveness: it renews its children's leases, so that a child whose actor holds the GIL for minutes is still alive; it replaces a child that dies, after
handing back at once what that child held; it kills a child whose message overran its time limit in code that no exception reaches.
"""

import os
import signal
from collections.abc import Callable, Iterator
from time import monotonic

from attrs import define, field

from fq.brokers.protocol import Broker
from fq.runtime.fresh_ids import fresh_worker_name
from fq.runtime.logger import logger
from fq.worker.process_hygiene import kill_group, kill_what_is_left
from fq.worker.scoreboard import Board
from fq.worker.settings import WorkerSettings
from fq.worker.supervisor import reload
from fq.worker.supervisor.child import Facts, Ward, overran, verdict
from fq.worker.supervisor.child_slot import Place
from fq.worker.supervisor.lease_renewal import Leases
from fq.worker.supervisor.preflight import Rehearsal
from fq.worker.supervisor.sidecars import Helpers
from fq.worker.supervisor.signals import Signals
from fq.worker.supervisor.spawn import memory_of, slots

log = logger("fq.worker")

LAST_WAIT = 5.0
"""How long children may take to end after ``--shutdown-timeout``, or after they were told twice, in seconds, before they are killed."""

LOOK = 0.5
"""How often the boards are looked at, in seconds."""


@define(eq=False)
class Supervisor:
    """
    Keeps ``settings.processes`` children running, and renews their leases at *broker*, until it is told to stop.

    *start_child* starts a child of this name, with this board, and returns its process id. *helpers* run beside the children.
    """

    broker: Broker
    settings: WorkerSettings
    start_child: Callable[[str, Board], int]
    helpers: Helpers = field(factory=Helpers)
    _leases: Leases = field(init=False)
    _rehearsal: Rehearsal = field(init=False, factory=Rehearsal)
    _places: list[Place] = field(init=False)
    _retiring: list[Ward] = field(init=False)
    _born: int = field(init=False)
    _told: int = field(init=False, default=0)
    _kill_at: float = field(init=False, default=float("inf"))
    _reloaded: bool = field(init=False, default=False)
    _quiet: bool = field(init=False)
    _advised: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self._leases = Leases(self.broker, self.settings)
        self._places = [Place() for _ in range(self.settings.processes)]
        legacy = reload.inherited()
        self._retiring, self._quiet, self._born = legacy.wards, legacy.quiet, legacy.born
        self._reloaded = bool(self._retiring)

    def run(self, signals: Signals) -> int:
        """Run until told to stop by TERM or INT; a second one is quick. HUP reloads, USR1 quiets, USR2 resumes. Return the exit code."""
        signals.booted()
        self._leases.beat(self._wards())  # before all else: those of a program that this one has replaced have waited
        while True:
            for number in signals.taken():
                self._on(number)
            self._reap()
            if self._rehearsal.passed:
                self._reload(signals)
            if self._told and not list(self._wards()):
                self.helpers.stop()
                return 0
            self._look()
            self._leases.beat(self._wards())
            signals.wait(self._patience())

    def _on(self, number: int) -> None:
        match number:
            case signal.SIGTERM | signal.SIGINT:
                self._rehearsal.abandon()
                self._told += 1
                log.info("stopping" if self._told == 1 else "stopping at once")
                patience = self.settings.shutdown_timeout / 1_000 if self._told == 1 else 0.0
                self._kill_at = min(self._kill_at, monotonic() + patience + LAST_WAIT)  # a child whose GIL is held keeps no time
                self._tell(signal.SIGTERM)
            case signal.SIGHUP if not self._told:
                self._rehearsal.begin()
            case signal.SIGUSR1 | signal.SIGUSR2:
                self._quiet = number == signal.SIGUSR1
                self._tell(number)
            case _:
                pass

    def _reload(self, signals: Signals) -> None:
        """Let the new code take over. While it is imported nobody renews, so leases run for as long as that has just taken, twice, on top."""
        self.helpers.stop()
        self._leases.renew(self._wards(), self.settings.lease + 2 * self._rehearsal.took)
        reload.replace_process(reload.Legacy(list(self._wards()), self._quiet, self._born), signals)
        self._rehearsal.abandon()  # it could not be started
        self._leases.soon()

    def _wards(self) -> Iterator[Ward]:
        for place in self._places:
            yield from place.wards()
        yield from self._retiring

    def _tell(self, number: int) -> None:
        for ward in self._wards():
            os.kill(ward.pid, number)
            if ward.stopped:
                os.kill(ward.pid, signal.SIGCONT)  # or it would never hear

    def _patience(self) -> float:
        """How long to wait for a signal, in seconds."""
        return max(0.0, min(self._leases.next_beat, monotonic() + LOOK) - monotonic())

    def _look(self) -> None:
        """Start what is missing, hand over to successors that have booted, and see how each child does."""
        now = monotonic()
        if not self._told:
            self.helpers.start_missing()
        for place in self._places if not self._told else ():
            if place.wants_child(now):
                place.ward = self._start(place)
            if (retired := place.hand_over()) is not None:
                self._retiring.append(retired)
                self._retire(retired)
        for ward in list(self._wards()):
            self._examine(ward, now)
        if self._reloaded and all(place.ready for place in self._places):
            self._reloaded = False
            for ward in self._retiring:
                self._retire(ward)
        if now > self._kill_at:
            self._kill_at = float("inf")
            log.error("children do not end: they are killed")
            for ward in self._wards():
                kill_group(ward.pid)

    def _examine(self, ward: Ward, now: float) -> None:
        reading = ward.board.read()
        match verdict(Facts(reading, now, memory_of(ward.pid), ward.stopped, ward.continued, ward.born), self.settings):
            case "overran":
                late = overran(reading, now, self.settings.hard_limit_grace)
                if late & ward.overrunning:  # seen twice: it was not just about to leave
                    ward.interrupted = late & ward.overrunning
                    self._kill(ward, f"message {', '.join(sorted(ward.interrupted))} overran its time limit")
                ward.overrunning = late
            case "wedged":
                self._kill(ward, "it runs nothing and gives no sign of life")
            case "never booted":
                self._kill(ward, "it has not booted within --boot-timeout")
            case "large from birth":
                self._advise(ward)
            case "worn out":
                for place in self._places:
                    if place.wants_successor(ward, now) and not self._told:
                        log.info("worker process %d has done its share: a successor starts", ward.pid)
                        place.successor = self._start(place)
            case "well":
                ward.overrunning = frozenset()

    def _kill(self, ward: Ward, why: str) -> None:
        log.error("worker process %d is killed: %s", ward.pid, why)
        kill_group(ward.pid)

    def _advise(self, ward: Ward) -> None:
        """Say, once, that children are too large before they have done anything."""
        if not self._advised:
            self._advised = True
            log.warning(
                "worker process %d has %d MB before its first message, more than --max-memory-per-child: each child will be replaced after its first"
                " messages; allow clearly more than that",
                ward.pid,
                memory_of(ward.pid) // 1024**2,
            )

    def _retire(self, ward: Ward) -> None:
        if ward.retire():
            log.info("worker process %d retires: it finishes what runs", ward.pid)

    def _start(self, place: Place) -> Ward | None:
        """Start a child for *place*; return None if that cannot be done just now, which is tried again."""
        self._born += 1
        name = fresh_worker_name(str(self._born))
        try:
            board = Board(slots(self.settings))
            ward = Ward(self._launched(name, board), name, board, monotonic())
        except OSError as error:
            log.error("a worker process cannot be started: %s", error)
            place.missed(monotonic())
            return None
        if self._quiet:
            os.kill(ward.pid, signal.SIGUSR1)
        self._leases.soon()
        return ward

    def _launched(self, name: str, board: Board) -> int:
        try:
            return self.start_child(name, board)
        except OSError:
            board.close()
            raise

    def _reap(self) -> None:
        """Learn what became of children; as process 1 of a container, reap everybody's."""
        known = {ward.pid: ward for ward in self._wards()}
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if (ward := known.get(pid)) is None:
                self.helpers.reaped(pid, status)
                self._rehearsal.reaped(pid, status)
                continue
            if os.WIFSTOPPED(status) or os.WIFCONTINUED(status):
                ward.stopped = os.WIFSTOPPED(status)
                ward.continued = monotonic()
                log.warning("worker process %d was %s", pid, "stopped: its lease is not renewed" if ward.stopped else "continued")
            else:
                self._bury(ward, os.waitstatus_to_exitcode(status))

    def _bury(self, ward: Ward, code: int) -> None:
        """Hand back what a dead child held, and plan its replacement. One that was killed takes along what it has started."""
        if code:
            kill_what_is_left(ward.pid)
        retired = ward in self._retiring
        self._retiring = [other for other in self._retiring if other is not ward]
        for place in self._places:
            place.lost(ward, monotonic())
        if code or not (retired or self._told):
            held = self._leases.hand_back(ward)
            log.error("worker process %d %s; %s messages are handed back", ward.pid, _ending(code), "its" if held is None else held)
        ward.board.close()


def _ending(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
