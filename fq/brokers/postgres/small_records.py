"""`SmallRecords`: the calls of a `PostgresBroker` about marks and counters. Mutable, like the broker."""

from collections.abc import Mapping, Sequence

from fq.brokers.counters import Count
from fq.brokers.postgres import counters, marks
from fq.brokers.postgres.database import Database
from fq.brokers.postgres.listener import Listener
from fq.brokers.postgres.placing import place
from fq.brokers.postgres.transaction import Transaction
from fq.brokers.postgres.turn import ANNOUNCE
from fq.brokers.records import Mark, SetMarkOp
from fq.brokers.validation import check_counts, check_key, check_keys, check_set_mark_op


class SmallRecords:
    """Needs the connections and the listener of the broker."""

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

        def work(tx: Transaction) -> list[bool]:
            done = marks.set_marks(tx, ops)
            if then := [each for op, was_as_expected in zip(ops, done, strict=True) if was_as_expected for each in op.then]:
                place(tx, then)
            tx.run(ANNOUNCE, "w")
            return done

        done = self._writer.alone(work)
        self._listener.notify_work()
        return tuple(done)

    def marks(self, keys: Sequence[str]) -> dict[str, Mark]:
        """See `MarkStore.marks`."""
        keys = tuple(keys)
        check_keys(keys)
        return self._reader.reading(lambda tx: marks.read_marks(tx, keys))

    def marks_in(
        self, index: str, *, after: tuple[int, str] | None = None, limit: int = 100, latest_first: bool = False
    ) -> tuple[Mark, ...]:
        """See `MarkStore.marks_in`."""
        check_key(index)
        return self._reader.reading(lambda tx: marks.marks_in(tx, index, after, max(0, limit), latest_first))

    def count_marks(self, index: str) -> int:
        """See `MarkStore.count_marks`."""
        check_key(index)
        return self._reader.reading(lambda tx: marks.count_marks(tx, index))

    def count(self, counts: Sequence[Count]) -> None:
        """See `CounterStore.count`."""
        counts = tuple(counts)
        check_counts(counts)
        if counts:
            self._writer.alone(lambda tx: counters.count(tx, counts))

    def counts(self, buckets: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
        """See `CounterStore.counts`."""
        check_keys(buckets)
        return self._reader.reading(lambda tx: counters.counts(tx, buckets))
