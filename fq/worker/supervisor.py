"""
`Supervisor`: the parent of a worker's child processes. Mutable shell, one thread.

It owns liveness: it renews its children's leases, so that a child whose actor holds the GIL for minutes is still alive, and replaces a child that dies, after
handing back at once what that child held. It never runs an actor itself. It stays single-threaded, since it forks.
"""

import logging
import multiprocessing
import os
import signal
import socket
from collections.abc import Callable
from multiprocessing.connection import wait
from time import monotonic
from typing import TYPE_CHECKING

from attrs import define, evolve

from fq.errors import BrokerError
from fq.worker.child_process import run_child
from fq.worker.settings import WorkerSettings

if TYPE_CHECKING:
    from multiprocessing.context import ForkProcess

    from fq.app import App

log = logging.getLogger("fq.worker")

YOUNG = 5.0
"""A child that dies younger than this, in seconds, makes its replacement wait, longer each time."""

LAST_WAIT = 5.0
"""How long children may take to end after they were told twice, in seconds, before they are killed."""


@define(eq=False)
class Slot:
    """Mutable: one of the places for a child."""

    number: int
    process: "ForkProcess | None" = None
    name: str = ""
    born: float = 0.0
    crashes: int = 0
    start_at: float = 0.0


class Supervisor:
    """Keeps ``settings.processes`` children of *app* running until it is told to stop."""

    def __init__(self, app: "App", settings: WorkerSettings) -> None:
        self.app = app
        self.settings = settings
        self._slots = [Slot(number) for number in range(settings.processes)]
        self._told = 0  # how often to stop
        self._born = 0
        self._next_beat = 0.0
        self._kill_at = float("inf")

    def run(self) -> int:
        """Run until told to stop by TERM or INT; a second one is quick. Return the exit code."""
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        os.set_blocking(reader, False)
        before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        handlers = {number: signal.signal(number, self._on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            return self._supervise(reader)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(before)
            os.close(reader)
            os.close(writer)

    def _on_signal(self, number: int, _: object) -> None:
        self._told += 1

    def _supervise(self, reader: int) -> int:
        stopping = 0
        while True:
            if self._told > stopping:
                stopping = self._told
                self._tell_children(stopping)
            if not stopping:
                self._start_missing()
            alive = [slot for slot in self._slots if slot.process is not None]
            if stopping and not alive:
                return 0
            self._beat(alive)
            ready = wait([reader, *(slot.process.sentinel for slot in alive if slot.process)], self._patience())
            if reader in ready:
                os.read(reader, 4096)
            for slot in alive:
                if slot.process is not None and slot.process.sentinel in ready:
                    self._bury(slot, bool(stopping))
            if monotonic() > self._kill_at:
                self._kill()

    def _patience(self) -> float:
        now = monotonic()
        missing = [slot.start_at for slot in self._slots if slot.process is None and not self._told]
        return max(0.0, min([self._next_beat, self._kill_at, *missing]) - now)

    def _start_missing(self) -> None:
        now = monotonic()
        for slot in self._slots:
            if slot.process is None and slot.start_at <= now:
                self._start(slot)

    def _start(self, slot: Slot) -> None:
        self._born += 1
        slot.name = f"{socket.gethostname()}:{os.getpid()}:{self._born}"
        slot.born = monotonic()
        context = multiprocessing.get_context("fork")
        settings = evolve(self.settings, queues=self.settings.queues or self.app.queues)
        slot.process = context.Process(target=run_child, args=(self.app, settings, slot.name, os.getpid()), name=f"fq-{slot.number}")
        slot.process.start()
        self._next_beat = 0.0

    def _bury(self, slot: Slot, expected: bool) -> None:
        """Hand back what a dead child held, and plan its replacement."""
        process = slot.process
        assert process is not None, "only slots with a child come here"
        process.join()
        slot.process = None
        if expected and process.exitcode == 0:
            return
        held = self._quietly(lambda: self.app.broker.release(slot.name, {}))
        log.error("worker process %s %s; %s messages are handed back", process.pid, _ending(process.exitcode), "its" if held is None else held)
        now = monotonic()
        slot.crashes = slot.crashes + 1 if now - slot.born < YOUNG else 0
        slot.start_at = now + min(0.1 * 2**slot.crashes, 5.0) if slot.crashes else now

    def _beat(self, alive: list[Slot]) -> None:
        """Renew the leases of all children, when it is time."""
        now = monotonic()
        if now >= self._next_beat:
            self._next_beat = now + self.settings.heartbeat / 1_000
            self._quietly(lambda: self.app.broker.renew([slot.name for slot in alive], self.settings.lease))

    def _tell_children(self, times: int) -> None:
        log.info("stopping" if times == 1 else "stopping at once")
        if times > 1:
            self._kill_at = monotonic() + LAST_WAIT
        for slot in self._slots:
            if slot.process is not None:
                slot.process.terminate()

    def _kill(self) -> None:
        self._kill_at = float("inf")
        for slot in self._slots:
            if slot.process is not None:
                log.error("worker process %s does not end: it is killed", slot.process.pid)
                slot.process.kill()

    def _quietly(self, call: Callable[[], int | None]) -> int | None:
        """Return what *call* returns, None if the broker cannot be used just now: the leases do the rest."""
        try:
            return call()
        except BrokerError as error:
            log.error("cannot use the broker: %s", error)
            return None


def _ending(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return f"was killed by {signal.Signals(-exitcode).name}"
    return f"ended with exit code {exitcode}"
