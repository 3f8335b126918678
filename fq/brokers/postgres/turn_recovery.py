"""
`TurnRunner`: takes turns. A turn whose connection broke may have been applied, and its worker does not know. It remembers such turns.

At the worker's next turn it asks the table of workers whether that was so: then what was claimed is told, and commits that are stale by now were applied,
in whichever later turns the worker repeats them: it may ask whether the broker is back before it does.
"""

from collections.abc import Sequence
from functools import partial
from itertools import count
from uuid import uuid4

from attrs import define, evolve, field

from fq.brokers.planning.repeated_commits import Claim, claim_of, final_claims
from fq.brokers.postgres.claims import deliveries
from fq.brokers.postgres.database import Database
from fq.brokers.postgres.maintenance import Maintenance
from fq.brokers.postgres.transaction import Transaction
from fq.brokers.postgres.turn import TurnResult, take_turn
from fq.brokers.records import ClaimRequest, Commit, Delivery
from fq.errors import BrokerUnavailable

MAX_WORKERS = 1_000
"""For how many workers it remembers the latest claim; beyond that it forgets them."""

READ_TURN_ID = "SELECT turn_id FROM fq.workers WHERE name = %s"

READ_UNREPORTED = """
    SELECT m.claimed, m.token, m.message_id, m.queue, m.actor, b.body, m.deliveries, m.interrupted
    FROM fq.messages m JOIN fq.bodies b ON b.seq = m.seq WHERE m.state = 2 AND m.worker = %s AND m.token > %s ORDER BY m.token, m.seq
"""


@define
class Uncertain:
    """Mutable: the turns whose result is not known, with what they committed, the latest last; and commits of which it is known that they were *applied*."""

    turns: dict[str, frozenset[Claim]] = field(factory=dict)
    applied: set[Claim] = field(factory=set)

    def note_latest(self, turn_id: str) -> None:
        """Note which turn is the latest that was applied: those before it may have been, those after it may still be."""
        for each in list(self.turns):
            self.applied |= self.turns.pop(each)
            if each == turn_id:
                break
        self.turns = {turn_id: frozenset(), **self.turns}


class TurnRunner:
    """Mutable: remembers turns whose result is not known, and the latest token that was told, by worker."""

    def __init__(self, database: Database, maintenance: Maintenance) -> None:
        self._database = database
        self._maintenance = maintenance
        self._uncertain: dict[str, Uncertain] = {}
        self._told: dict[str, int] = {}
        self._prefix, self._numbers = uuid4().hex, count()

    def run(self, commits: Sequence[Commit], request: ClaimRequest) -> TurnResult:
        """Take a turn, wholly or not at all; again if the connection was lost."""
        try:
            return self._run(commits, request)
        except BrokerUnavailable:
            return self._run(commits, request)

    def _run(self, commits: Sequence[Commit], request: ClaimRequest) -> TurnResult:
        worker, turn_id = request.worker, f"{self._prefix}:{next(self._numbers)}"
        found: list[Delivery] = []
        uncertain = self._uncertain.get(worker)
        if uncertain and uncertain.turns:
            found = self._database.reading(partial(self._look, worker=worker, uncertain=uncertain))
        try:
            result = take_turn(self._database, commits, request, turn_id, self._maintenance)
        except BrokerUnavailable:
            self._uncertain.setdefault(worker, Uncertain()).turns[turn_id] = frozenset(map(claim_of, commits))
            raise
        if uncertain:
            result = _with_earlier(result, found, {commit.message_id for commit in commits if claim_of(commit) in uncertain.applied})
            self._note_answer(worker, uncertain, commits)
        self._note(worker, result)
        return result

    def _note_answer(self, worker: str, uncertain: Uncertain, commits: Sequence[Commit]) -> None:
        """Keep of what was *uncertain* those commits that *worker* has not repeated yet."""
        uncertain.turns.clear()
        uncertain.applied -= final_claims(commits)
        if not uncertain.applied:
            self._uncertain.pop(worker, None)

    def _look(self, tx: Transaction, worker: str, uncertain: Uncertain) -> list[Delivery]:
        """Note which of the *uncertain* turns were applied, and return what *worker* holds that it was not told about."""
        row = tx.first(READ_TURN_ID, worker)
        if row is None or row[0] not in uncertain.turns:
            return []
        uncertain.note_latest(row[0])
        rows = tx.rows(READ_UNREPORTED, worker, self._told.get(worker, 0))
        return [
            delivery
            for now, token, name, queue, actor, body, number, reason in rows
            for delivery in deliveries(now, token, [name], [queue], [actor], [body], [number], [reason])
        ]

    def _note(self, worker: str, result: TurnResult) -> None:
        if result.turn.deliveries:
            if len(self._told) >= MAX_WORKERS:
                self._told.clear()
            self._told[worker] = max(delivery.token for delivery in result.turn.deliveries)


def _with_earlier(result: TurnResult, found: Sequence[Delivery], applied: set[str]) -> TurnResult:
    """Return *result* with what an earlier turn claimed, and without those stale commits that it had *applied*."""
    stale = tuple(message_id for message_id in result.turn.stale if message_id not in applied)
    committed = applied.difference(stale)
    earlier = [delivery for delivery in found if delivery.message_id not in committed]
    return evolve(result, turn=evolve(result.turn, deliveries=(*earlier, *result.turn.deliveries), stale=stale))
