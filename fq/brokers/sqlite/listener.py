"""`Listener`: the threads and coroutines of this process that wait for work or for results."""

from collections.abc import Iterable

from fq.brokers.clock import Clock
from fq.brokers.records import ClaimRequest, StoreResultOp
from fq.brokers.sqlite.bulk_sql import to_json
from fq.brokers.sqlite.change_poller import ChangePoller
from fq.brokers.sqlite.claims import NEVER, OUTLOOK
from fq.brokers.sqlite.database import Database
from fq.brokers.waiters import ResultWaiters, WorkSignal
from fq.errors import FqError

RESULT = "SELECT body FROM results WHERE message_id = ? AND until > ?"

RESULTS = "SELECT message_id, body FROM results WHERE message_id IN (SELECT value FROM json_each(?)) AND until > ?"


class Listener:
    """
    Mutable: waits on behalf of callers.

    It reads through *reader*, which must not be the connection that writes; *path* is that of the database.
    """

    def __init__(self, reader: Database, clock: Clock, path: str) -> None:
        self._reader = reader
        self._path = path
        self._clock = clock
        self._begin()
        clock.watch(self.notify_work)

    def _begin(self) -> None:
        self._signal = WorkSignal()
        self._waiters = ResultWaiters(self._find)
        self._poller = ChangePoller(self._reader.version, self._hear, self._path)

    def after_fork_in_child(self) -> None:
        """Start afresh: the waiters, and the thread that listened, are in the parent."""
        self._begin()

    def notify_work(self) -> None:
        """Let workers that wait check for work."""
        self._signal.notify_work()

    def wake(self) -> None:
        """End all waits for work."""
        self._signal.wake_all()

    def resolve_results(self, store_ops: Iterable[StoreResultOp]) -> None:
        """Hand these results to those who wait for them."""
        for store_op in store_ops:
            self._waiters.resolve(store_op.message_id, store_op.body)

    def wait(self, request: ClaimRequest, timeout: int) -> None:
        """See `Broker.wait`."""
        with self._poller.watching():
            self._signal.wait(request.worker, timeout, lambda: self._seconds_left(request))

    def result(self, message_id: str) -> bytes | None:
        """See `Broker.result`."""
        rows = self._reader.query(RESULT, (message_id, self._clock.now))
        return bytes(rows[0][0]) if rows else None

    def wait_result(self, message_id: str, timeout: int) -> bytes | None:
        """See `Broker.wait_result`."""
        with self._poller.watching():
            return self._waiters.wait(message_id, timeout)

    async def await_result(self, message_id: str, timeout: int) -> bytes | None:
        """See `Broker.await_result`."""
        with self._poller.watching():
            return await self._waiters.wait_async(message_id, timeout)

    def _seconds_left(self, request: ClaimRequest) -> float:
        """Return for how long there is nothing to claim, in seconds, as far as is known."""
        if request.limit <= 0:
            return float("inf")
        due, until, is_ready = self._reader.query(OUTLOOK, (NEVER, request.worker, to_json(request.queues)))[0]
        return 0.0 if is_ready else self._clock.seconds_until(min(due, until))

    def _hear(self) -> None:
        """The database has changed, here or in another process."""
        self._signal.notify_work()
        if ids := self._waiters.ids():
            try:
                self._waiters.look(dict.fromkeys(ids, 0))
            except FqError as error:
                self._waiters.fail(error)

    def _find(self, message_ids: Iterable[str]) -> Iterable[tuple[str, bytes]]:
        return self._reader.query(RESULTS, (to_json(list(message_ids)), self._clock.now))
