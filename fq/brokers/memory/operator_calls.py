"""`OperatorCalls`: the calls of a `MemoryBroker` that operators make to change messages and queues. Mutable, like the broker."""

import threading
from collections.abc import Sequence

from fq.brokers.browsing import BrowsedState
from fq.brokers.clock import Clock
from fq.brokers.memory.state import MemoryState
from fq.brokers.parts import parts
from fq.brokers.requeue import RequeuePlanner, planner
from fq.brokers.validation import check_names
from fq.brokers.waiters import WorkSignal

MAX_CHANGED, MAX_REQUEUED = 250, 100
"""How many messages are changed, or requeued, at most, while others wait for the lock."""

WAITING: tuple[BrowsedState, ...] = ("delayed", "ready")
"""What a purge deletes, in this order: what is put aside goes before the holder of its key, and does not become ready."""


class OperatorCalls:
    """Needs the clock, the lock, the state and the signal of the broker."""

    clock: Clock
    _lock: threading.Lock
    _state: MemoryState
    _signal: WorkSignal

    def cancel(self, message_id: str) -> bool:
        """See `Broker.cancel`."""
        return self.cancel_all((message_id,)) > 0

    def cancel_all(self, message_ids: Sequence[str], groups: Sequence[str] = ()) -> int:
        """See `Broker.cancel_all`."""
        check_names("message_id", *message_ids)
        check_names("group", *groups)
        with self._lock:
            self._state.cancel((), groups, self.clock.now)
        found = 0
        for part in parts(message_ids, MAX_CHANGED):
            with self._lock:
                found += self._state.cancel(part, (), self.clock.now)
        self._signal.notify_work()
        return found

    def run_now(self, message_ids: Sequence[str]) -> int:
        """See `Broker.run_now`."""
        check_names("message_id", *message_ids)
        found = 0
        for part in parts(message_ids, MAX_CHANGED):
            with self._lock:
                found += self._state.run_now(part, self.clock.now)
        self._signal.notify_work()
        return found

    def requeue(self, message_ids: Sequence[str], plan: RequeuePlanner | None = None) -> int:
        """See `Broker.requeue`."""
        check_names("message_id", *message_ids)
        count = 0
        for part in parts(message_ids, MAX_REQUEUED):
            with self._lock:
                count += self._state.requeue(part, planner(plan), self.clock.now)
        self._signal.notify_work()
        return count

    def discard(self, message_ids: Sequence[str]) -> int:
        """See `Broker.discard`."""
        check_names("message_id", *message_ids)
        count = 0
        for part in parts(message_ids, MAX_CHANGED):
            with self._lock:
                count += self._state.discard(part, self.clock.now)
        self._signal.notify_work()  # what was put aside for a key may be ready
        return count

    def purge(self, queue: str) -> int:
        """See `Broker.purge`."""
        check_names("queue", queue)
        with self._lock:
            waiting = self._state.count_waiting(queue)
        total = 0
        for state in WAITING:
            after: str | None = ""
            while after is not None and total < waiting:
                with self._lock:
                    deleted, after = self._state.purge_some(state, queue, after, min(MAX_CHANGED, waiting - total), self.clock.now)
                total += deleted
        self._signal.notify_work()
        return total

    def pause(self, queue: str) -> None:
        """See `Broker.pause`."""
        self._set_paused(queue, True)

    def resume(self, queue: str) -> None:
        """See `Broker.resume`."""
        self._set_paused(queue, False)

    def _set_paused(self, queue: str, paused: bool) -> None:
        check_names("queue", queue)
        with self._lock:
            self._state.queue(queue).paused = paused
        self._signal.notify_work()
