"""`ChildProcess`, a child under supervision, and `diagnose`, the pure decision about its health. The supervisor acts on it."""

import os
from enum import Enum

from attrs import define, frozen

from fq.worker.process.control_signals import DRAIN
from fq.worker.scoreboard import Scoreboard, Snapshot
from fq.worker.settings import WorkerSettings

MIN_SILENCE_MS = 5_000
"""A child is not unresponsive before this much silence: it writes a heartbeat once a second, and the machine may be busy."""


class Diagnosis(Enum):
    """What a child needs."""

    HEALTHY = "nothing"
    DUE_FOR_RECYCLING = "a successor: it has finished, or grown to, as much as the settings allow"
    OVERSIZED_AT_BOOT = "more memory than the settings allow, before its first message: a successor would be as large"
    TIME_LIMIT_EXCEEDED = "to be killed: a message runs past its time limit in code that no exception reaches"
    UNRESPONSIVE = "to be killed: it runs nothing and writes no heartbeat"
    BOOT_TIMEOUT = "to be killed: it has not booted in time"


@define(eq=False)
class ChildProcess:
    """
    Mutable: a child process.

    Attributes:
        pid, name: of the process, and of the worker that the broker knows.

        started_at: when it was started, in seconds on the monotonic clock.

        continued_at: when it was last continued after a stop; it could write no heartbeat before.

        stopped: has a signal (SIGSTOP) stopped it, and none continued it?

        draining: was it asked to finish what runs and end? That may take long, and it is left alone.

        overrunning: the messages that were past their time limit and the grace at the last look.

        interrupted: the messages for which it was killed.
    """

    pid: int
    name: str
    scoreboard: Scoreboard
    started_at: float
    stopped: bool = False
    continued_at: float = 0.0
    draining: bool = False
    overrunning: frozenset[str] = frozenset()
    interrupted: frozenset[str] = frozenset()

    @property
    def ready(self) -> bool:
        """Has it booted?"""
        return self.scoreboard.read().last_heartbeat > 0

    def drain(self) -> bool:
        """Ask it, once, to finish what runs and end; was this the first time?"""
        before, self.draining = self.draining, True
        if not before:
            os.kill(self.pid, DRAIN)
        return not before


@frozen
class ChildHealth:
    """What is known of a child at one moment: *now*, *started_at* and *continued_at* in seconds on the monotonic clock, *memory* in bytes."""

    snapshot: Snapshot
    now: float
    memory: int
    stopped: bool
    continued_at: float = 0.0
    started_at: float = 0.0


def diagnose(health: ChildHealth, settings: WorkerSettings) -> Diagnosis:
    """Return what the child needs."""
    if health.stopped:
        return Diagnosis.HEALTHY  # a person stopped it, and will continue it; its lease is not renewed meanwhile
    if overrunning(health.snapshot, health.now, settings.hard_limit_grace):
        return Diagnosis.TIME_LIMIT_EXCEEDED
    if is_silent(health, settings):
        return Diagnosis.UNRESPONSIVE if health.snapshot.last_heartbeat else Diagnosis.BOOT_TIMEOUT
    return diagnose_size(health, settings)


def diagnose_size(health: ChildHealth, settings: WorkerSettings) -> Diagnosis:
    """
    Return whether the child has finished, or grown to, as much as the settings allow.

    A child that is too large before it has finished a message is not replaced: its successor would be as large.
    """
    snapshot = health.snapshot
    too_large = settings.max_memory_per_child is not None and health.memory > settings.max_memory_per_child
    finished_all = settings.max_tasks_per_child is not None and snapshot.finished >= settings.max_tasks_per_child
    if finished_all or (too_large and snapshot.finished):
        return Diagnosis.DUE_FOR_RECYCLING
    idle_since_boot = snapshot.last_heartbeat and not snapshot.running
    return Diagnosis.OVERSIZED_AT_BOOT if too_large and idle_since_boot else Diagnosis.HEALTHY


def overrunning(snapshot: Snapshot, now: float, grace: int) -> frozenset[str]:
    """Return the ids of the messages that run *grace* ms past their time limit, or more: blocking code that no exception reaches."""
    return frozenset(running.message_id for running in snapshot.running if now - running.deadline > grace / 1_000)


def is_silent(health: ChildHealth, settings: WorkerSettings) -> bool:
    """
    Has a child that runs nothing written no heartbeat for three leases, and `MIN_SILENCE_MS`? One that runs an actor may be waiting for the GIL.

    Before its first heartbeat it has ``settings.boot_timeout``, if that is longer: imports may take long.
    """
    allowed_ms = max(3 * settings.lease, MIN_SILENCE_MS if health.snapshot.last_heartbeat else settings.boot_timeout)
    last_sign = max(health.snapshot.last_heartbeat, health.continued_at, health.started_at)
    return last_sign < health.now - allowed_ms / 1_000 and not health.snapshot.running
