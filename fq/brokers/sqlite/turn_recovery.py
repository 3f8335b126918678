"""
`Turns`: takes turns, and remembers one whose worker was told that it failed although it was applied: to a file that was moved away at that moment.

If that file is back at the worker's next turn, the worker hears what came of both: its outcomes are not too late, and what it claimed is not stranded.
"""

import sqlite3
from collections.abc import Sequence

from attrs import evolve, frozen

from fq.brokers.clock import Clock
from fq.brokers.records import ClaimRequest, Commit, Delivery, Turn
from fq.brokers.sqlite.database import Database
from fq.brokers.sqlite.file_check import AppliedElsewhereError, Key
from fq.brokers.sqlite.maintenance import Upkeep
from fq.brokers.sqlite.schema import RUNNING
from fq.brokers.sqlite.turn import Taken, take_turn

NOTHING = Taken(Turn(), (), new=False)


@frozen
class _Unheard:
    """What a turn came to that was applied to *file*, and which commits, by message and token, it *applied*."""

    file: Key
    taken: Taken
    applied: frozenset[tuple[str, int]]


class Turns:
    """Mutable: all that is *unheard*, by worker."""

    def __init__(self, writer: Database, clock: Clock, upkeep: Upkeep) -> None:
        self._writer = writer
        self._clock = clock
        self._upkeep = upkeep
        self._unheard: dict[str, _Unheard] = {}

    def take(self, commits: Sequence[Commit], want: ClaimRequest) -> Taken:
        """Do all that a turn does, or nothing of it."""
        taken = NOTHING
        try:
            with self._writer.writing() as connection:
                taken = take_turn(connection, commits, want, self._clock.now, self._upkeep, self._writer.known)
                if self._unheard:
                    taken = self._with_unheard(connection, taken, commits, want.worker)
        except AppliedElsewhereError:
            stale = set(taken.turn.stale)
            applied = frozenset((commit.message_id, commit.token) for commit in commits if commit.message_id not in stale)
            self._unheard[want.worker] = _Unheard(self._writer.file, taken, applied)
            raise
        if self._unheard:
            self._unheard.pop(want.worker, None)
        return taken

    def _with_unheard(self, connection: sqlite3.Connection, taken: Taken, commits: Sequence[Commit], worker: str) -> Taken:
        """Return *taken* with what is true still of the turn that *worker* has not heard of."""
        unheard = self._unheard.get(worker)
        if unheard is None or unheard.file != self._writer.file:
            return taken
        before, turn = unheard.taken, taken.turn
        applied = {commit.message_id for commit in commits if (commit.message_id, commit.token) in unheard.applied}
        held = tuple(delivery for delivery in before.turn.deliveries if _is_held(connection, delivery, worker))
        both = evolve(
            turn,
            deliveries=(*held, *turn.deliveries),
            stale=tuple(message_id for message_id in turn.stale if message_id not in applied),
            cancelled=(*before.turn.cancelled, *turn.cancelled),
        )
        return Taken(both, (*before.keeps, *taken.keeps), new=True)


def _is_held(connection: sqlite3.Connection, delivery: Delivery, worker: str) -> bool:
    found = connection.execute(
        f"SELECT 1 FROM messages WHERE message_id = ? AND state = {RUNNING} AND token = ? AND worker = ?",
        (delivery.message_id, delivery.token, worker),
    )
    return found.fetchone() is not None
