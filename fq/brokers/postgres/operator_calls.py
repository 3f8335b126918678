"""`OperatorCalls`: the calls of a `PostgresBroker` that look at messages, queues and workers, and those that operators make. Mutable, like the broker."""

from collections.abc import Callable, Sequence
from functools import partial

from fq.brokers.browsing import BrowsedState, Entry, Page
from fq.brokers.findings import DAMAGE_CHECK_SECONDS, Finding
from fq.brokers.parts import parts
from fq.brokers.postgres import browsing, dead_kinds, deleting, inspection, queue_counts
from fq.brokers.postgres.cancellation import cancel
from fq.brokers.postgres.database import Database
from fq.brokers.postgres.diagnostics import diagnose
from fq.brokers.postgres.groups import cancel_groups
from fq.brokers.postgres.listener import Listener
from fq.brokers.postgres.replacing import run_now
from fq.brokers.postgres.requeue import requeue
from fq.brokers.postgres.transaction import Transaction
from fq.brokers.postgres.turn import ANNOUNCE
from fq.brokers.postgres.unique_keys import free_keys
from fq.brokers.records import ClaimedMessage, DeadKinds, DeadLetter, QueueStats, Status, WorkerStats
from fq.brokers.requeue import RequeuePlanner, planner
from fq.brokers.sights import COUNT_ALL, MOST_COUNTED
from fq.brokers.validation import check_names, check_search

MAX_CHANGED, MAX_REQUEUED = 250, 100
"""How many messages one transaction changes, or requeues, at most: other processes write in between."""


class OperatorCalls:
    """Needs the connections and the listener of the broker."""

    _dead_ttl: int
    _writer: Database
    _reader: Database
    _listener: Listener

    def status(self, message_id: str) -> Status:
        """See `Broker.status`."""
        check_names("message_id", message_id)
        return self._reader.reading(lambda tx: inspection.status(tx, message_id, self._dead_ttl))

    def queues(self, most: int = COUNT_ALL) -> tuple[QueueStats, ...]:
        """See `Broker.queues`."""
        return self._reader.reading(lambda tx: queue_counts.queues(tx, self._dead_ttl, most))

    def workers(self) -> tuple[WorkerStats, ...]:
        """See `Broker.workers`."""
        return self._reader.reading(inspection.workers)

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
        most = max(0, limit)
        return self._reader.reading(lambda tx: inspection.dead_letters(tx, queue, actor, error, most, tx.now - self._dead_ttl, until))

    def claimed_by(self, worker: str, limit: int = 100) -> tuple[ClaimedMessage, ...]:
        """See `Broker.claimed_by`."""
        check_names("worker", worker)
        return self._reader.reading(lambda tx: inspection.claimed_by(tx, worker, max(0, limit)))

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
        return self._reader.reading(lambda tx: browsing.browse(tx, state, queue, actor, error, after, limit, tx.now - self._dead_ttl))

    def peek(self, message_id: str) -> Entry | None:
        """See `Browser.peek`."""
        check_names("message_id", message_id)
        return self._reader.reading(lambda tx: browsing.peek(tx, message_id, tx.now - self._dead_ttl))

    def dead_kinds(self, most: int = MOST_COUNTED) -> DeadKinds:
        """See `Browser.dead_kinds`."""
        return self._reader.reading(lambda tx: dead_kinds.dead_kinds(tx, tx.now - self._dead_ttl, most))

    def cancel(self, message_id: str) -> bool:
        """See `Broker.cancel`."""
        return self.cancel_all((message_id,)) > 0

    def cancel_all(self, message_ids: Sequence[str], groups: Sequence[str] = ()) -> int:
        """See `Broker.cancel_all`."""
        check_names("message_id", *message_ids)
        check_names("group", *groups)
        if groups:
            self._writer.alone(lambda tx: cancel_groups(tx, groups))
        return self._in_parts(message_ids, MAX_CHANGED, _cancel_some)

    def run_now(self, message_ids: Sequence[str]) -> int:
        """See `Broker.run_now`."""
        check_names("message_id", *message_ids)
        return self._in_parts(message_ids, MAX_CHANGED, run_now)

    def requeue(self, message_ids: Sequence[str], plan: RequeuePlanner | None = None) -> int:
        """See `Broker.requeue`."""
        check_names("message_id", *message_ids)
        return self._in_parts(message_ids, MAX_REQUEUED, lambda tx, part: requeue(tx, part, planner(plan), tx.now - self._dead_ttl))

    def discard(self, message_ids: Sequence[str]) -> int:
        """See `Broker.discard`."""
        check_names("message_id", *message_ids)
        return self._in_parts(message_ids, MAX_CHANGED, lambda tx, part: deleting.discard(tx, part, tx.now - self._dead_ttl))

    def purge(self, queue: str) -> int:
        """See `Broker.purge`."""
        check_names("queue", queue)
        waiting = self._reader.reading(lambda tx: deleting.count_waiting(tx, queue))
        total, some, since = 0, 1, 0
        while some and total < waiting:
            step = partial(deleting.purge_some, queue=queue, limit=min(MAX_CHANGED, waiting - total), since=since)
            some, since = self._writer.alone(step)
            total += some
        self._announce()
        return total

    def pause(self, queue: str) -> None:
        """See `Broker.pause`."""
        check_names("queue", queue)
        self._writer.alone(lambda tx: inspection.set_paused(tx, queue, True))

    def resume(self, queue: str) -> None:
        """See `Broker.resume`."""
        check_names("queue", queue)
        self._writer.alone(lambda tx: inspection.set_paused(tx, queue, False))
        self._announce()

    def diagnose(self, check_seconds: float = DAMAGE_CHECK_SECONDS) -> tuple[Finding, ...]:
        """See `Broker.diagnose`."""
        return self._reader.reading(lambda tx: diagnose(tx, self._reader.settings.name, self._listener.hears()))

    def _in_parts(self, message_ids: Sequence[str], size: int, work: Callable[[Transaction, tuple[str, ...]], int]) -> int:
        """Return the sum of what *work* returns for some of *message_ids* at a time."""
        count = sum(self._writer.alone(partial(_some, work=work, message_ids=part)) for part in parts(message_ids, size))
        self._announce()
        return count

    def _announce(self) -> None:
        self._writer.single(lambda tx: tx.row(ANNOUNCE, "w"))
        self._listener.notify_work()


def _some(tx: Transaction, work: Callable[[Transaction, tuple[str, ...]], int], message_ids: tuple[str, ...]) -> int:
    return work(tx, message_ids)


def _cancel_some(tx: Transaction, message_ids: tuple[str, ...]) -> int:
    found = cancel(tx, message_ids)
    free_keys(tx, deleting.waiting_among(tx, message_ids))  # they will not run
    return found
