"""`Ward`, a child process under supervision, and the pure decisions about it. The supervisor carries them out."""

import os
from typing import Literal, TypeAlias

from attrs import define, frozen

from fq.worker.board import Board, Reading
from fq.worker.orders import RETIRE
from fq.worker.settings import WorkerSettings

Verdict: TypeAlias = Literal["well", "worn out", "overran", "wedged"]


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
    """What is known of a child at one moment: *now* in seconds, *memory* in bytes."""

    reading: Reading
    now: float
    memory: int
    stopped: bool
    continued: float = 0.0


def verdict(facts: Facts, settings: WorkerSettings) -> Verdict:
    """Return how a child does."""
    if facts.stopped:
        return "well"  # whoever stopped it will continue it; its lease is not renewed meanwhile
    if overran(facts.reading, facts.now, settings.hard_limit_grace):
        return "overran"
    if silent(facts, settings):
        return "wedged"
    tired = settings.max_tasks_per_child is not None and facts.reading.finished >= settings.max_tasks_per_child
    fat = settings.max_memory_per_child is not None and facts.memory > settings.max_memory_per_child
    return "worn out" if tired or fat else "well"


def overran(reading: Reading, now: float, grace: int) -> frozenset[str]:
    """Return the ids of the messages that run *grace* ms past their time limit, or more: blocking code that no exception reaches."""
    return frozenset(running.message_id for running in reading.running if now - running.deadline > grace / 1_000)


def silent(facts: Facts, settings: WorkerSettings) -> bool:
    """Has a child that runs nothing given no sign of life for three leases? One that runs something may be holding the GIL: that is work."""
    heard = max(facts.reading.pulse, facts.continued)
    return facts.reading.pulse > 0 and heard < facts.now - 3 * settings.lease / 1_000 and not facts.reading.running
