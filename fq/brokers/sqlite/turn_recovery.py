"""
`TurnRunner`: runs turns. A turn may fail for its worker although it was applied: to a file that was moved away at that moment. It remembers such turns.

If that file is back at the worker's next turn, the worker is told the result of both: its commits are not stale, and what it claimed is not stranded.
"""

import sqlite3
from collections.abc import Sequence

from attrs import evolve, frozen

from fq.brokers.clock import Clock
from fq.brokers.planning.states import RUNNING
from fq.brokers.records import ClaimRequest, Commit, Delivery, Turn
from fq.brokers.sqlite.database import Database
from fq.brokers.sqlite.file_check import AppliedElsewhereError, FileKey
from fq.brokers.sqlite.maintenance import Maintenance
from fq.brokers.sqlite.turn import TurnResult, run_turn

NO_RESULT = TurnResult(Turn(), (), new=False)


@frozen
class _UnreportedTurn:
    """The result of a turn that was applied to *file*, and the commits, by message and token, that it *applied*."""

    file: FileKey
    result: TurnResult
    applied: frozenset[tuple[str, int]]


class TurnRunner:
    """Mutable: remembers unreported turns, by worker."""

    def __init__(self, writer: Database, clock: Clock, maintenance: Maintenance) -> None:
        self._writer = writer
        self._clock = clock
        self._maintenance = maintenance
        self._unreported: dict[str, _UnreportedTurn] = {}

    def run(self, commits: Sequence[Commit], request: ClaimRequest) -> TurnResult:
        """Run a turn, wholly or not at all."""
        result = NO_RESULT
        try:
            with self._writer.writing() as connection:
                result = run_turn(connection, commits, request, self._clock.now, self._maintenance, self._writer.known)
                if self._unreported:
                    result = self._with_unreported(connection, result, commits, request.worker)
        except AppliedElsewhereError:
            stale = set(result.turn.stale)
            applied = frozenset((commit.message_id, commit.token) for commit in commits if commit.message_id not in stale)
            self._unreported[request.worker] = _UnreportedTurn(self._writer.file, result, applied)
            raise
        if self._unreported:
            self._unreported.pop(request.worker, None)
        return result

    def _with_unreported(self, connection: sqlite3.Connection, result: TurnResult, commits: Sequence[Commit], worker: str) -> TurnResult:
        """Return *result* with what is still true of the turn that *worker* was not told about."""
        unreported = self._unreported.get(worker)
        if unreported is None or unreported.file != self._writer.file:
            return result
        before, turn = unreported.result, result.turn
        applied = {commit.message_id for commit in commits if (commit.message_id, commit.token) in unreported.applied}
        held = tuple(delivery for delivery in before.turn.deliveries if _is_held(connection, delivery, worker))
        both = evolve(
            turn,
            deliveries=(*held, *turn.deliveries),
            stale=tuple(message_id for message_id in turn.stale if message_id not in applied),
            cancelled=(*before.turn.cancelled, *turn.cancelled),
        )
        return TurnResult(both, (*before.results, *result.results), new=True, marks=result.marks)


def _is_held(connection: sqlite3.Connection, delivery: Delivery, worker: str) -> bool:
    found = connection.execute(
        f"SELECT 1 FROM messages WHERE message_id = ? AND state = {RUNNING} AND token = ? AND worker = ?",
        (delivery.message_id, delivery.token, worker),
    )
    return found.fetchone() is not None
