"""`OperatorCalls`: the calls of a `SqliteBroker` that look at messages, queues and workers, and those that operators make. Mutable, like the broker."""

from collections.abc import Sequence
from pathlib import Path

from fq.brokers.browsing import BrowsedState, Entry, Page
from fq.brokers.clock import Clock
from fq.brokers.findings import DAMAGE_CHECK_SECONDS, Finding
from fq.brokers.parts import parts
from fq.brokers.records import ClaimedMessage, DeadKinds, DeadLetter, QueueStats, Status, WorkerStats
from fq.brokers.requeue import RequeuePlanner, planner
from fq.brokers.sights import COUNT_ALL, MOST_COUNTED
from fq.brokers.sqlite import browsing, dead_kinds, deleting, inspection, queue_counts
from fq.brokers.sqlite.cancellation import cancel
from fq.brokers.sqlite.database import Database, Settings
from fq.brokers.sqlite.diagnostics import diagnose
from fq.brokers.sqlite.groups import cancel_groups
from fq.brokers.sqlite.listener import Listener
from fq.brokers.sqlite.replacing import run_now
from fq.brokers.sqlite.requeue import requeue
from fq.brokers.validation import check_names, check_search

MAX_CHANGED, MAX_REQUEUED = 250, 100
"""How many messages one transaction changes, or requeues, at most: other processes write in between."""


class OperatorCalls:
    """Needs the connections, the clock and the listener of the broker."""

    path: str
    clock: Clock
    _settings: Settings
    _dead_ttl: int
    _writer: Database
    _reader: Database
    _listener: Listener

    def status(self, message_id: str) -> Status:
        """See `Broker.status`."""
        check_names("message_id", message_id)
        with self._reader.reading() as connection:
            return inspection.status(connection, message_id, self.clock.now, self._dead_ttl)

    def queues(self, most: int = COUNT_ALL) -> tuple[QueueStats, ...]:
        """See `Broker.queues`."""
        with self._reader.reading() as connection:
            return queue_counts.queues(connection, self.clock.now, self._dead_ttl, most)

    def workers(self) -> tuple[WorkerStats, ...]:
        """See `Broker.workers`."""
        with self._reader.reading() as connection:
            return inspection.workers(connection, self.clock.now)

    def dead_letters(
        self,
        *,
        queue: str | None = None,
        actor: str | None = None,
        error: str | None = None,
        until: int | None = None,
        limit: int = 100,
    ) -> tuple[DeadLetter, ...]:
        """See `Broker.dead_letters`."""
        check_search(queue=queue, actor=actor, error=error)
        with self._reader.reading() as connection:
            return inspection.dead_letters(connection, queue, actor, error, max(0, limit), self.clock.now - self._dead_ttl, until)

    def claimed_by(self, worker: str, limit: int = 100) -> tuple[ClaimedMessage, ...]:
        """See `Broker.claimed_by`."""
        check_names("worker", worker)
        with self._reader.reading() as connection:
            return inspection.claimed_by(connection, worker, max(0, limit))

    def browse(
        self,
        state: BrowsedState,
        *,
        queue: str | None = None,
        actor: str | None = None,
        error: str | None = None,
        after: str = "",
        limit: int = 100,
    ) -> Page:
        """See `Browser.browse`."""
        check_search(queue=queue, actor=actor, error=error)
        with self._reader.reading() as connection:
            now = self.clock.now
            return browsing.browse(connection, state, queue, actor, error, after, limit, now, now - self._dead_ttl)

    def peek(self, message_id: str) -> Entry | None:
        """See `Browser.peek`."""
        check_names("message_id", message_id)
        with self._reader.reading() as connection:
            return browsing.peek(connection, message_id, self.clock.now, self.clock.now - self._dead_ttl)

    def dead_kinds(self, most: int = MOST_COUNTED) -> DeadKinds:
        """See `Browser.dead_kinds`."""
        with self._reader.reading() as connection:
            return dead_kinds.dead_kinds(connection, self.clock.now - self._dead_ttl, most)

    def cancel(self, message_id: str) -> bool:
        """See `Broker.cancel`."""
        return self.cancel_all((message_id,)) > 0

    def cancel_all(self, message_ids: Sequence[str], groups: Sequence[str] = ()) -> int:
        """See `Broker.cancel_all`."""
        check_names("message_id", *message_ids)
        check_names("group", *groups)
        with self._writer.writing() as connection:
            cancel_groups(connection, groups, self.clock.now)
        found = 0
        for part in parts(message_ids, MAX_CHANGED):
            with self._writer.writing() as connection:
                now = self.clock.now
                found += cancel(connection, part, now)
                deleting.free_keys_of_waiting(connection, part, now)  # they will not run
        self._listener.notify_work()
        return found

    def run_now(self, message_ids: Sequence[str]) -> int:
        """See `Broker.run_now`."""
        check_names("message_id", *message_ids)
        found = 0
        for part in parts(message_ids, MAX_CHANGED):
            with self._writer.writing() as connection:
                found += run_now(connection, part, self.clock.now)
        self._listener.notify_work()
        return found

    def requeue(self, message_ids: Sequence[str], plan: RequeuePlanner | None = None) -> int:
        """See `Broker.requeue`."""
        check_names("message_id", *message_ids)
        count = 0
        for part in parts(message_ids, MAX_REQUEUED):
            with self._writer.writing() as connection:
                now = self.clock.now
                count += requeue(connection, part, planner(plan), now, now - self._dead_ttl, self._writer.known)
        self._listener.notify_work()
        return count

    def discard(self, message_ids: Sequence[str]) -> int:
        """See `Broker.discard`."""
        check_names("message_id", *message_ids)
        count = 0
        for part in parts(message_ids, MAX_CHANGED):
            with self._writer.writing() as connection:
                now = self.clock.now
                count += deleting.discard(connection, part, now, now - self._dead_ttl)
        self._listener.notify_work()
        return count

    def purge(self, queue: str) -> int:
        """See `Broker.purge`."""
        check_names("queue", queue)
        with self._reader.reading() as connection:
            waiting = deleting.count_waiting(connection, queue)
        total, some, since = 0, 1, 0
        while some and total < waiting:
            with self._writer.writing() as connection:
                some, since = deleting.purge_some(connection, queue, min(MAX_CHANGED, waiting - total), since, self.clock.now)
            total += some
        self._listener.notify_work()
        return total

    def pause(self, queue: str) -> None:
        """See `Broker.pause`."""
        check_names("queue", queue)
        with self._writer.writing() as connection:
            inspection.set_paused(connection, queue, True)

    def resume(self, queue: str) -> None:
        """See `Broker.resume`."""
        check_names("queue", queue)
        with self._writer.writing() as connection:
            inspection.set_paused(connection, queue, False)
        self._listener.notify_work()

    def diagnose(self, check_seconds: float = DAMAGE_CHECK_SECONDS) -> tuple[Finding, ...]:
        """See `Broker.diagnose`."""
        is_new = not Path(self.path).exists()  # before it is opened, which creates it
        with self._reader.reading() as connection:
            return diagnose(connection, self.path, self._settings.synchronous, is_new, check_seconds)
