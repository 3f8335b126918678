"""`Ward`, a child process under supervision, and the pure decisions about it. The supervisor carries them out."""

import os
from typing import Literal, TypeAlias

from attrs import define, frozen

from fq.worker.process.control_signals import RETIRE
from fq.worker.scoreboard import Board, Reading
from fq.worker.settings import WorkerSettings

Verdict: TypeAlias = Literal["well", "worn out", "large from birth", "overran", "wedged", "never booted"]

FAINT = 5_000
"""No child is given up for less silence than this, ms: it gives a sign of life once a second, and a machine may have much to do."""


@define(eq=False)
class Ward:
    """
    Mutable: a child process.

    Attributes:
        pid, name: of the process, and of the worker that it is to the broker.

        born: when it was started, in seconds on the monotonic clock.

        continued: when it was last continued after a stop: until then it could give no sign of life.

        stopped: has it been stopped by a signal (SIGSTOP), and not continued?

        retired: has it been told to finish what runs and end? That may take long, and it is left alone.

        overrunning: messages that were past their limit and the grace when last looked at.
    """

    pid: int
    name: str
    board: Board
    born: float
    stopped: bool = False
    continued: float = 0.0
    retired: bool = False
    overrunning: frozenset[str] = frozenset()
    interrupted: frozenset[str] = frozenset()

    @property
    def ready(self) -> bool:
        """Has it booted?"""
        return self.board.read().pulse > 0

    def retire(self) -> bool:
        """Tell it to finish what runs and end; was that new to it?"""
        before, self.retired = self.retired, True
        if not before:
            os.kill(self.pid, RETIRE)
        return not before


@frozen
class Facts:
    """What is known of a child at one moment: *now*, *born* and *continued* in seconds on the monotonic clock, *memory* in bytes."""

    reading: Reading
    now: float
    memory: int
    stopped: bool
    continued: float = 0.0
    born: float = 0.0


def verdict(facts: Facts, settings: WorkerSettings) -> Verdict:
    """Return how a child does."""
    if facts.stopped:
        return "well"  # whoever stopped it will continue it; its lease is not renewed meanwhile
    if overran(facts.reading, facts.now, settings.hard_limit_grace):
        return "overran"
    if silent(facts, settings):
        return "wedged" if facts.reading.pulse else "never booted"
    return outgrown(facts, settings)


def outgrown(facts: Facts, settings: WorkerSettings) -> Literal["well", "worn out", "large from birth"]:
    """
    Return whether a child has done, or grown to, as much as it may.

    One that is too large before it has finished anything is no better replaced: whoever took its place would be as large.
    """
    reading = facts.reading
    fat = settings.max_memory_per_child is not None and facts.memory > settings.max_memory_per_child
    tired = settings.max_tasks_per_child is not None and reading.finished >= settings.max_tasks_per_child
    if tired or (fat and reading.finished):
        return "worn out"
    return "large from birth" if fat and reading.pulse and not reading.running else "well"


def overran(reading: Reading, now: float, grace: int) -> frozenset[str]:
    """Return the ids of the messages that run *grace* ms past their time limit, or more: blocking code that no exception reaches."""
    return frozenset(running.message_id for running in reading.running if now - running.deadline > grace / 1_000)


def silent(facts: Facts, settings: WorkerSettings) -> bool:
    """
    Has a child that runs nothing given no sign of life for three leases, and `FAINT`? One that runs something may be holding the GIL: that is work.

    Before its first sign of life it has ``settings.boot_timeout``, if that is longer: it may have much to import.
    """
    patience = max(3 * settings.lease, FAINT if facts.reading.pulse else settings.boot_timeout)
    heard = max(facts.reading.pulse, facts.continued, facts.born)
    return heard < facts.now - patience / 1_000 and not facts.reading.running
