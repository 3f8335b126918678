"""`Inspection`: the calls of a `MemoryBroker` that look at messages, queues and workers. Mutable, like the broker."""

import threading
from itertools import islice

from fq.brokers.browsing import BrowsedState, Entry, Page
from fq.brokers.clock import Clock
from fq.brokers.findings import DAMAGE_CHECK_SECONDS, Finding, unique_keys_finding
from fq.brokers.memory.state import MemoryState
from fq.brokers.records import ClaimedMessage, DeadKinds, DeadLetter, QueueStats, Status, WorkerStats
from fq.brokers.sights import COUNT_ALL, MOST_COUNTED
from fq.brokers.validation import check_names, check_search


class Inspection:
    """Needs the lock and the state of the broker."""

    clock: Clock
    _lock: threading.Lock
    _state: MemoryState

    def status(self, message_id: str) -> Status:
        """See `Broker.status`."""
        check_names("message_id", message_id)
        with self._lock:
            now = self.clock.now
            self._state.promote(now)
            return self._state.status(message_id, now)

    def queues(self, most: int = COUNT_ALL) -> tuple[QueueStats, ...]:
        """See `Broker.queues`."""
        with self._lock:
            now = self.clock.now
            self._state.promote(now)
            self._state.expire_letters(now)
            return tuple(self._state.queue_stats(now))

    def workers(self) -> tuple[WorkerStats, ...]:
        """See `Broker.workers`."""
        with self._lock:
            return tuple(self._state.worker_stats(self.clock.now))

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
        with self._lock:
            letters = (
                letter
                for letter in self._state.dead_letters(None, self.clock.now)
                if queue in (None, letter.queue_name)
                and actor in (None, letter.actor_name)
                and error in (None, letter.fault.type)
                and (until is None or letter.died_at <= until)
            )
            return tuple(islice(letters, max(0, limit)))

    def claimed_by(self, worker: str, limit: int = 100) -> tuple[ClaimedMessage, ...]:
        """See `Broker.claimed_by`."""
        check_names("worker", worker)
        with self._lock:
            return tuple(islice(self._state.claimed_by(worker), max(0, limit)))

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
        with self._lock:
            now = self.clock.now
            self._state.promote(now)
            return self._state.browse(state, queue, actor, error, after, limit, now)

    def peek(self, message_id: str) -> Entry | None:
        """See `Browser.peek`."""
        check_names("message_id", message_id)
        with self._lock:
            now = self.clock.now
            self._state.promote(now)
            return self._state.peek(message_id, now)

    def dead_kinds(self, most: int = MOST_COUNTED) -> DeadKinds:
        """See `Browser.dead_kinds`: all letters are counted."""
        with self._lock:
            self._state.expire_letters(self.clock.now)
            return DeadKinds(tuple(self._state.dead_kinds()))

    def diagnose(self, check_seconds: float = DAMAGE_CHECK_SECONDS) -> tuple[Finding, ...]:
        """See `Broker.diagnose`."""
        with self._lock:
            keys = unique_keys_finding(*self._state.lost_holders())
        advice = "nothing is kept when it ends: use sqlite:/// or redis:// for real work"
        return Finding("broker", "warn", "memory of this process", advice), keys
