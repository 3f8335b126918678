"""
`Supervisor`: the parent of a worker's child processes. Mutable shell, one thread, since it forks; it never runs an actor.

It owns liveness: it renews its children's leases, so that a child whose actor holds the GIL for minutes is still alive; it replaces a child that dies, after
handing back at once what that child held; it kills a child whose message overran its time limit in code that no exception reaches.
"""

import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from time import monotonic
from typing import TYPE_CHECKING

from attrs import define, field

from fq.errors import FqError
from fq.message import TIME_LIMIT
from fq.worker import reload
from fq.worker.board import Board
from fq.worker.helpers import Helpers
from fq.worker.launch import fork, memory_of, slots, spawn
from fq.worker.settings import WorkerSettings
from fq.worker.signals import Signals
from fq.worker.ward import Facts, Ward, overran, verdict

if TYPE_CHECKING:
    from fq.app import App

log = logging.getLogger("fq.worker")

YOUNG = 5.0
"""A child that dies younger than this, in seconds, makes its replacement wait, longer each time."""

LAST_WAIT = 5.0
"""How long children may take to end after ``--shutdown-timeout``, or after they were told twice, in seconds, before they are killed."""

LOOK = 0.5
"""How often the boards are looked at, in seconds."""


@define(eq=False)
class Place:
    """Mutable: room for one child, and for the *successor* that boots while the child still works."""

    ward: Ward | None = None
    successor: Ward | None = None
    crashes: int = 0
    start_at: float = 0.0


@define(eq=False)
class Supervisor:
    """
    Keeps ``settings.processes`` children of *app* running until it is told to stop.

    *app_path* is needed to start children in fresh interpreters (*spawns*) and to reload. *helpers* run beside the children.
    """

    app: "App"
    settings: WorkerSettings
    app_path: str = ""
    spawns: bool = False
    helpers: Helpers = field(factory=Helpers)
    _places: list[Place] = field(init=False)
    _retiring: list[Ward] = field(init=False)
    _born: int = field(init=False, default=0)
    _told: int = field(init=False, default=0)
    _next_beat: float = field(init=False, default=0.0)
    _kill_at: float = field(init=False, default=float("inf"))
    _reloaded: bool = field(init=False, default=False)
    _quiet: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self._places = [Place() for _ in range(self.settings.processes)]
        legacy = reload.inherited()
        self._retiring, self._quiet = legacy.wards, legacy.quiet
        self._reloaded = bool(self._retiring)

    def run(self, signals: Signals) -> int:
        """Run until told to stop by TERM or INT; a second one is quick. HUP reloads, USR1 quiets, USR2 resumes. Return the exit code."""
        signals.booted()
        while True:
            for number in signals.taken():
                self._on(number, signals)
            self._reap()
            if self._told and not list(self._wards()):
                self.helpers.stop()
                return 0
            self._look()
            self._beat()
            signals.wait(self._patience())

    def _on(self, number: int, signals: Signals) -> None:
        match number:
            case signal.SIGTERM | signal.SIGINT:
                self._told += 1
                log.info("stopping" if self._told == 1 else "stopping at once")
                patience = self.settings.shutdown_timeout / 1_000 if self._told == 1 else 0.0
                self._kill_at = min(self._kill_at, monotonic() + patience + LAST_WAIT)  # a child whose GIL is held keeps no time
                self._tell(signal.SIGTERM)
            case signal.SIGHUP if not self._told:
                self.helpers.stop()
                reload.replace_process(self.app_path, reload.Legacy(list(self._wards()), self._quiet), signals.hold_back)
            case signal.SIGUSR1 | signal.SIGUSR2:
                self._quiet = number == signal.SIGUSR1
                self._tell(number)
            case _:
                pass

    def _wards(self) -> Iterator[Ward]:
        for place in self._places:
            yield from (ward for ward in (place.ward, place.successor) if ward is not None)
        yield from self._retiring

    def _tell(self, number: int) -> None:
        for ward in self._wards():
            os.kill(ward.pid, number)
            if ward.stopped:
                os.kill(ward.pid, signal.SIGCONT)  # or it would never hear

    def _patience(self) -> float:
        """How long to wait for a signal, in seconds."""
        return max(0.0, min(self._next_beat, monotonic() + LOOK) - monotonic())

    def _look(self) -> None:
        """Start what is missing, hand over to successors that have booted, and see how each child does."""
        now = monotonic()
        if not self._told:
            self.helpers.start_missing()
        for place in self._places if not self._told else ():
            if place.ward is None and place.start_at <= now:
                place.ward = self._start()
            if place.ward is not None and place.successor is not None and place.successor.ready:
                self._retiring.append(place.ward)
                self._retire(place.ward)
                place.ward, place.successor = place.successor, None
        for ward in list(self._wards()):
            self._examine(ward, now)
        if self._reloaded and all(place.ward is not None and place.ward.ready for place in self._places):
            self._reloaded = False
            for ward in self._retiring:
                self._retire(ward)
        if now > self._kill_at:
            self._kill_at = float("inf")
            log.error("children do not end: they are killed")
            self._tell(signal.SIGKILL)

    def _examine(self, ward: Ward, now: float) -> None:
        reading = ward.board.read()
        match verdict(Facts(reading, now, memory_of(ward.pid), ward.stopped, ward.continued), self.settings):
            case "overran":
                late = overran(reading, now, self.settings.hard_limit_grace)
                if late & ward.overrunning:  # seen twice: it was not just about to leave
                    log.error(
                        "worker process %d is killed: message %s overran its time limit",
                        ward.pid,
                        ", ".join(sorted(late & ward.overrunning)),
                    )
                    ward.interrupted = late & ward.overrunning
                    os.kill(ward.pid, signal.SIGKILL)
                ward.overrunning = late
            case "wedged":
                log.error("worker process %d is killed: it runs nothing and gives no sign of life", ward.pid)
                os.kill(ward.pid, signal.SIGKILL)
            case "worn out":
                for place in self._places:
                    if place.ward is ward and place.successor is None and not self._told:
                        log.info("worker process %d has done its share: a successor starts", ward.pid)
                        place.successor = self._start()
            case "well":
                ward.overrunning = frozenset()

    def _retire(self, ward: Ward) -> None:
        if ward.retire():
            log.info("worker process %d retires: it finishes what runs", ward.pid)

    def _start(self) -> Ward:
        self._born += 1
        name = f"{socket.gethostname()}:{os.getpid()}:{int(monotonic())}-{self._born}"
        board = Board(slots(self.settings))
        launched = spawn(self.app_path, self.settings, name, board) if self.spawns else fork(self.app, self.settings, name, board)
        if self._quiet:
            os.kill(launched, signal.SIGUSR1)
        self._next_beat = 0.0
        return Ward(launched, name, board, monotonic())

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
                continue
            if os.WIFSTOPPED(status) or os.WIFCONTINUED(status):
                ward.stopped = os.WIFSTOPPED(status)
                ward.continued = monotonic()
                log.warning("worker process %d was %s", pid, "stopped: its lease is not renewed" if ward.stopped else "continued")
            else:
                self._bury(ward, os.waitstatus_to_exitcode(status))

    def _bury(self, ward: Ward, code: int) -> None:
        """Hand back what a dead child held, and plan its replacement."""
        retired = ward in self._retiring
        self._retiring = [other for other in self._retiring if other is not ward]
        crashes = self._crashes(ward)
        for place in self._places:
            if place.successor is ward:
                place.successor = None
            if place.ward is ward:
                place.ward, place.successor = place.successor, None
                place.crashes = crashes if code else 0
                place.start_at = monotonic() + (min(0.1 * 2**crashes, YOUNG) if code and crashes else 0.0)
        if code or not (retired or self._told):
            held = self._hand_back(ward)
            log.error("worker process %d %s; %s messages are handed back", ward.pid, _ending(code), "its" if held is None else held)
        ward.board.close()

    def _crashes(self, ward: Ward) -> int:
        """How often in a row the place of *ward* has lost a young child, this one included."""
        before = next((place.crashes for place in self._places if place.ward is ward), 0)
        return before + 1 if monotonic() - ward.born < YOUNG and not ward.interrupted else 0

    def _hand_back(self, ward: Ward) -> int | None:
        running = frozenset(running.message_id for running in ward.board.read().running)
        reasons = dict.fromkeys(ward.interrupted, TIME_LIMIT)
        counted = ward.interrupted or running
        return self._quietly(lambda: self.app.broker.release(ward.name, reasons, counted))

    def _beat(self) -> None:
        """Renew the leases of all children that have not been stopped, when it is time."""
        now = monotonic()
        if now >= self._next_beat:
            self._next_beat = now + self.settings.heartbeat / 1_000
            names = [ward.name for ward in self._wards() if not ward.stopped]
            self._quietly(lambda: self.app.broker.renew(names, self.settings.lease))

    def _quietly(self, call: Callable[[], int | None]) -> int | None:
        """Return what *call* returns, None if the broker cannot be used just now: the leases do the rest."""
        try:
            return call()
        except FqError as error:
            log.error("cannot use the broker: %s", error)
            return None


def _ending(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
