"""`SmallRecords`: the calls of a `SqliteBroker` about marks and counters. Mutable, like the broker."""

from collections.abc import Mapping, Sequence

from fq.brokers.clock import Clock
from fq.brokers.counters import Count
from fq.brokers.records import Mark, SetMarkOp
from fq.brokers.sqlite import counters, marks
from fq.brokers.sqlite.database import Database
from fq.brokers.sqlite.listener import Listener
from fq.brokers.sqlite.placing import enqueue
from fq.brokers.validation import check_counts, check_key, check_keys, check_set_mark_op


class SmallRecords:
    """Needs the connections, the clock and the listener of the broker."""

    clock: Clock
    _writer: Database
    _reader: Database
    _listener: Listener

    def set_marks(self, ops: Sequence[SetMarkOp]) -> tuple[bool, ...]:
        """See `MarkStore.set_marks`."""
        ops = tuple(ops)
        for op in ops:
            check_set_mark_op(op)
        if not ops:
            return ()
        with self._writer.writing() as connection:
            now = self.clock.now
            done = marks.set_marks(connection, ops, now)
            if then := [each for op, was_as_expected in zip(ops, done, strict=True) if was_as_expected for each in op.then]:
                enqueue(connection, then, now, self._writer.known)
        self._listener.notify_work()
        return tuple(done)

    def marks(self, keys: Sequence[str]) -> dict[str, Mark]:
        """See `MarkStore.marks`."""
        keys = tuple(keys)
        check_keys(keys)
        with self._reader.reading() as connection:
            return marks.read_marks(connection, keys, self.clock.now)

    def marks_in(
        self, index: str, *, after: tuple[int, str] | None = None, limit: int = 100, latest_first: bool = False
    ) -> tuple[Mark, ...]:
        """See `MarkStore.marks_in`."""
        check_key(index)
        with self._reader.reading() as connection:
            return marks.marks_in(connection, index, after, max(0, limit), latest_first, self.clock.now)

    def count_marks(self, index: str) -> int:
        """See `MarkStore.count_marks`."""
        check_key(index)
        with self._reader.reading() as connection:
            return marks.count_marks(connection, index)

    def count(self, counts: Sequence[Count]) -> None:
        """See `CounterStore.count`."""
        counts = tuple(counts)
        check_counts(counts)
        if counts:
            with self._writer.writing() as connection:
                counters.count(connection, counts, self.clock.now)

    def counts(self, buckets: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
        """See `CounterStore.counts`."""
        check_keys(buckets)
        with self._reader.reading() as connection:
            return counters.counts(connection, buckets, self.clock.now)
