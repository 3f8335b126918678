"""
`TurnRunner`: runs turns. A turn may fail for its worker although it was applied: to a file that was moved away at that moment. It remembers such turns.

If that file is back at the worker's next turn, the worker is told the result of both: what it claimed is not stranded. Its commits are not stale, in
whichever later turns it repeats them: it may ask whether the broker is back before it does.
"""

import sqlite3
from collections.abc import Sequence

from attrs import evolve, frozen

from fq.brokers.clock import Clock
from fq.brokers.planning.repeated_commits import Claim, claim_of, final_claims
from fq.brokers.planning.states import RUNNING
from fq.brokers.records import ClaimRequest, Commit, Delivery, Turn
from fq.brokers.sqlite.database import Database
from fq.brokers.sqlite.file_check import AppliedElsewhereError, FileKey
from fq.brokers.sqlite.maintenance import Maintenance
from fq.brokers.sqlite.turn import TurnResult, run_turn

NO_RESULT = TurnResult(Turn(), (), new=False)


@frozen
class _UnreportedTurn:
    """The result of a turn that was applied to *file*, and the commits that were *applied* in turns without a report."""

    file: FileKey
    result: TurnResult
    applied: frozenset[Claim]


class TurnRunner:
    """Mutable: remembers unreported turns, by worker."""

    def __init__(self, writer: Database, clock: Clock, maintenance: Maintenance) -> None:
        self._writer = writer
        self._clock = clock
        self._maintenance = maintenance
        self._unreported: dict[str, _UnreportedTurn] = {}

    def run(self, commits: Sequence[Commit], request: ClaimRequest) -> TurnResult:
        """Run a turn, wholly or not at all."""
        result, unreported = NO_RESULT, None
        try:
            with self._writer.writing() as connection:
                result = run_turn(connection, commits, request, self._clock.now, self._maintenance, self._writer.known)
                if self._unreported and (unreported := self._unreported_to(request.worker)):
                    result = _with_unreported(connection, unreported, result, commits, request.worker)
        except AppliedElsewhereError:
            stale = set(result.turn.stale)
            applied = frozenset(claim_of(commit) for commit in commits if commit.message_id not in stale)
            before: frozenset[Claim] = frozenset() if unreported is None else unreported.applied
            self._unreported[request.worker] = _UnreportedTurn(self._writer.file, result, before | applied)
            raise
        if self._unreported:
            self._note_report(request.worker, unreported, commits)
        return result

    def _unreported_to(self, worker: str) -> _UnreportedTurn | None:
        """Return the turn that *worker* was not told about, if it was applied to the file that is open now."""
        found = self._unreported.get(worker)
        return None if found is None or found.file != self._writer.file else found

    def _note_report(self, worker: str, unreported: _UnreportedTurn | None, commits: Sequence[Commit]) -> None:
        """Keep of what was *unreported* those commits that *worker* has not repeated yet."""
        self._unreported.pop(worker, None)
        if unreported is not None and (applied := unreported.applied.difference(final_claims(commits))):
            self._unreported[worker] = evolve(unreported, result=NO_RESULT, applied=applied)


def _with_unreported(
    connection: sqlite3.Connection, unreported: _UnreportedTurn, result: TurnResult, commits: Sequence[Commit], worker: str
) -> TurnResult:
    """Return *result* with what is still true of the turn that *worker* was not told about."""
    before, turn = unreported.result, result.turn
    applied = {commit.message_id for commit in commits if claim_of(commit) in unreported.applied}
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
