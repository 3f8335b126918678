"""`Listener`: the threads and coroutines of this process that wait for work or for results."""

from collections.abc import Iterable

from fq.brokers import listener
from fq.brokers.listener import SeenMarks
from fq.brokers.planning.states import NEVER
from fq.brokers.postgres.change_listener import ChangeListener
from fq.brokers.postgres.claims import next_due
from fq.brokers.postgres.database import Database
from fq.brokers.postgres.transaction import Transaction
from fq.brokers.records import ClaimRequest

RESULTS = "SELECT message_id, body FROM fq.results WHERE message_id = ANY (%s::text[]) AND until > fq.now_ms()"

OUTLOOK = """
    WITH clock AS MATERIALIZED (SELECT fq.now_ms() AS now)
    SELECT clock.now, o.next_due, o.next_lease, o.first_mark, o.next_mark, EXISTS (
        SELECT 1 FROM unnest(%s::text[]) AS asked (name)
        WHERE EXISTS (SELECT 1 FROM fq.messages m WHERE m.state = 1 AND m.queue = asked.name)
        AND NOT EXISTS (SELECT 1 FROM fq.queues q WHERE q.name = asked.name AND q.paused))
    FROM clock, fq.outlook(%s, clock.now, %s) o
"""
"""For a worker without work: the time, what comes next, and whether any of its queues has a ready message."""


class Listener(listener.Listener[ChangeListener]):
    """Mutable. It reads through *reader*."""

    def __init__(self, reader: Database, listens: bool, poll: int) -> None:
        self._reader = reader
        self._listens = listens
        self._poll = poll
        self._begin()

    def _watch(self) -> ChangeListener:
        return ChangeListener(self._reader.connect, self._reader.settings.schema, self._hear, self._listens, self._poll)

    def close(self) -> None:
        """End the thread that listens."""
        self._changes.close()

    def hears(self) -> bool | None:
        """Does LISTEN work? None if that has not been tried."""
        return self._changes.hears

    def result(self, message_id: str) -> bytes | None:
        """See `Broker.result`."""
        return dict(self._find((message_id,))).get(message_id)

    def _seconds_left(self, request: ClaimRequest) -> float:
        if request.limit <= 0:
            return float("inf")
        seen = self._marks.get(request.worker)
        asked = list(request.queues), request.worker, -1 if seen is None else seen.at
        now, due, lease, first, next_mark, is_ready = self._reader.single(lambda tx: tx.row(OUTLOOK, *asked))
        first_mark = NEVER if first is None else first
        mark = NEVER if next_mark is None else next_mark
        if seen is None:  # this worker has taken no turn here: what is due by now is known to it
            self.note_marks(request.worker, SeenMarks(now, first_mark))
        elif first_mark > seen.first:  # that one is gone: the next one to be set is new
            self.note_marks(request.worker, SeenMarks(seen.at, first_mark))
        elif first_mark < seen.first:
            mark = first_mark
        until = min(mark, next_due(now, due, lease, None, None)[0])
        return 0.0 if is_ready else float("inf") if until >= NEVER else (until - now) / 1_000

    def _find(self, message_ids: Iterable[str]) -> Iterable[tuple[str, bytes]]:
        ids = list(message_ids)

        def read(tx: Transaction) -> list[tuple[str, bytes]]:
            return [(name, body) for name, body in tx.rows(RESULTS, ids)]

        return self._reader.single(read)
