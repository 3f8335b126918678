"""`SmallRecords`: the calls of a `MemoryBroker` about marks and counters. Mutable, like the broker."""

import threading
from collections.abc import Mapping, Sequence
from itertools import islice

from fq.brokers.clock import Clock
from fq.brokers.counters import Count
from fq.brokers.memory.state import MemoryState
from fq.brokers.operations import Mark, SetMarkOp
from fq.brokers.validation import check_counts, check_key, check_keys, check_set_mark_op
from fq.brokers.waiters import WorkSignal


class SmallRecords:
    """Needs the lock, the state and the signal of the broker."""

    clock: Clock
    _lock: threading.Lock
    _signal: WorkSignal
    _state: MemoryState

    def _notify(self, has_new_first: bool) -> None:
        """Let waiting workers look for work; all end their waits if a mark is the first of `DUE` now, which may be due already."""
        if has_new_first:
            self._signal.wake_all()
        else:
            self._signal.notify_work()

    def set_marks(self, ops: Sequence[SetMarkOp]) -> tuple[bool, ...]:
        """See `MarkStore.set_marks`."""
        ops = tuple(ops)
        for op in ops:
            check_set_mark_op(op)
        with self._lock:
            now = self.clock.now
            done = tuple([self._state.set_mark(op, now) for op in ops])
            has_new_first = self._state.take_new_first()
        self._notify(has_new_first)
        return done

    def marks(self, keys: Sequence[str]) -> dict[str, Mark]:
        """See `MarkStore.marks`."""
        check_keys(keys)
        with self._lock:
            return self._state.marks(keys, self.clock.now)

    def marks_in(
        self, index: str, *, after: tuple[int, str] | None = None, limit: int = 100, latest_first: bool = False
    ) -> tuple[Mark, ...]:
        """See `MarkStore.marks_in`."""
        check_key(index)
        with self._lock:
            return tuple(islice(self._state.marks_in(index, after, latest_first, self.clock.now), max(0, limit)))

    def count_marks(self, index: str) -> int:
        """See `MarkStore.count_marks`."""
        check_key(index)
        with self._lock:
            return self._state.count_marks(index)

    def count(self, counts: Sequence[Count]) -> None:
        """See `CounterStore.count`."""
        counts = tuple(counts)
        check_counts(counts)
        with self._lock:
            self._state.count(counts, self.clock.now)

    def counts(self, buckets: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
        """See `CounterStore.counts`."""
        check_keys(buckets)
        with self._lock:
            return self._state.counts(buckets, self.clock.now)
