"""
`TurnRunner`: takes turns. A turn whose connection broke may have been applied, and its worker does not know. It remembers such turns.

At the worker's next turn it asks the table of workers whether that was so: then commits that are stale by now were applied, and what was claimed is told.
"""

from collections.abc import Sequence
from functools import partial
from itertools import count
from uuid import uuid4

from attrs import define, evolve, field

from fq.brokers.postgres.claims import deliveries
from fq.brokers.postgres.database import Database, Transaction
from fq.brokers.postgres.maintenance import Maintenance
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
    """Mutable: the ids of turns whose result is not known, and what they committed, by message and token."""

    turn_ids: set[str] = field(factory=set)
    commits: set[tuple[str, int]] = field(factory=set)


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
        applied: set[tuple[str, int]] = set()
        if uncertain := self._uncertain.get(worker):
            was_applied, found = self._database.reading(partial(self._look, worker=worker, uncertain=uncertain))
            applied = uncertain.commits if was_applied else set()
        try:
            result = take_turn(self._database, commits, request, turn_id, self._maintenance)
        except BrokerUnavailable:
            uncertain = self._uncertain.setdefault(worker, Uncertain())
            uncertain.turn_ids.add(turn_id)
            uncertain.commits |= {(commit.message_id, commit.token) for commit in commits}
            raise
        self._uncertain.pop(worker, None)
        if found or applied:
            result = _with_earlier(result, found, {commit.message_id for commit in commits if (commit.message_id, commit.token) in applied})
        self._note(worker, result)
        return result

    def _look(self, tx: Transaction, worker: str, uncertain: Uncertain) -> tuple[bool, list[Delivery]]:
        """Return whether the latest of the *uncertain* turns was applied, and what *worker* holds that it was not told about."""
        row = tx.first(READ_TURN_ID, worker)
        if row is None or row[0] not in uncertain.turn_ids:
            return False, []
        rows = tx.rows(READ_UNREPORTED, worker, self._told.get(worker, 0))
        return True, [
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
