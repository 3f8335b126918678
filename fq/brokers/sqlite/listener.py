"""`Listener`: the threads and coroutines of this process that wait for work or for results."""

from collections.abc import Iterable

from fq.brokers import listener
from fq.brokers.clock import Clock
from fq.brokers.listener import SeenMarks
from fq.brokers.planning.states import NEVER
from fq.brokers.records import ClaimRequest
from fq.brokers.sqlite.bulk_sql import to_json
from fq.brokers.sqlite.change_poller import ChangePoller
from fq.brokers.sqlite.claims import NEXT_MARK, OUTLOOK
from fq.brokers.sqlite.database import Database

RESULT = "SELECT body FROM results WHERE message_id = ? AND until > ?"

RESULTS = "SELECT message_id, body FROM results WHERE message_id IN (SELECT value FROM json_each(?)) AND until > ?"


class Listener(listener.Listener[ChangePoller]):
    """Mutable. It reads through *reader*, which must not be the connection that writes; *path* is that of the database."""

    def __init__(self, reader: Database, clock: Clock, path: str) -> None:
        self._reader = reader
        self._path = path
        self._clock = clock
        self._begin()
        clock.watch(self.notify_work)

    def _watch(self) -> ChangePoller:
        return ChangePoller(self._reader.version, self._hear, self._path)

    def _note_first_marks(self, request: ClaimRequest) -> None:
        if request.limit > 0 and request.worker not in self._marks:
            now = self._clock.now
            self.note_marks(request.worker, SeenMarks(now, self._reader.query(NEXT_MARK, (NEVER, -1, now))[0][0]))

    def result(self, message_id: str) -> bytes | None:
        """See `Broker.result`."""
        rows = self._reader.query(RESULT, (message_id, self._clock.now))
        return bytes(rows[0][0]) if rows else None

    def _seconds_left(self, request: ClaimRequest) -> float:
        if request.limit <= 0:
            return float("inf")
        seen = self._marks.get(request.worker, SeenMarks())
        due, until, first_mark, next_mark, is_ready = self._reader.query(
            OUTLOOK, (NEVER, request.worker, self._clock.now, to_json(request.queues), seen.at)
        )[0]
        if first_mark > seen.first:  # that one is gone: the next one to be set is new
            self.note_marks(request.worker, SeenMarks(seen.at, first_mark))
        elif first_mark < seen.first:
            next_mark = first_mark
        return 0.0 if is_ready else self._clock.seconds_until(min(due, until, next_mark))

    def _find(self, message_ids: Iterable[str]) -> Iterable[tuple[str, bytes]]:
        return self._reader.query(RESULTS, (to_json(list(message_ids)), self._clock.now))
