"""`SmallRecords`: the calls of a `RedisBroker` about marks and counters. Mutable, like the broker."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import cast

from fq.brokers.counters import Count
from fq.brokers.operations import Mark, SetMarkOp
from fq.brokers.redis.namespace import Namespace
from fq.brokers.redis.process_state import ProcessState
from fq.brokers.redis.script_arguments import Argument
from fq.brokers.redis.stored_records import SEQUENCE_DIGITS, read_mark
from fq.brokers.validation import check_counts, check_key, check_set_mark_op

MAX_MARKS = 500
"""One script sets, or looks at, at most this many marks."""


class SmallRecords:
    """Needs the namespace of the broker, and what it has in this process."""

    _namespace: Namespace

    @property
    def _state(self) -> ProcessState:
        raise NotImplementedError  # the broker has it

    def set_marks(self, ops: Sequence[SetMarkOp]) -> tuple[bool, ...]:
        """See `MarkStore.set_marks`."""
        ops = tuple(ops)
        for op in ops:
            check_set_mark_op(op)
        done: list[bool] = []
        for first in range(0, len(ops), MAX_MARKS):
            call = self._namespace.arguments()
            arguments = [argument for op in ops[first : first + MAX_MARKS] for argument in call.mark(op)]
            done += map(bool, cast(list[int], self._state.sender.run("set_marks", call, arguments)))
        return tuple(done)

    def marks(self, keys: Sequence[str]) -> dict[str, Mark]:
        """See `MarkStore.marks`."""
        keys = tuple(keys)
        for key in keys:
            check_key(key)
        found: dict[str, Mark] = {}
        for first in range(0, len(keys), MAX_MARKS):
            part = keys[first : first + MAX_MARKS]
            texts = cast(list[bytes | None], self._namespace.run_for("marks", (), *part))
            found |= {key: read_mark(key, text) for key, text in zip(part, texts, strict=True) if text is not None}
        return found

    def marks_in(
        self, index: str, *, after: tuple[int, str] | None = None, limit: int = 100, latest_first: bool = False
    ) -> tuple[Mark, ...]:
        """See `MarkStore.marks_in`."""
        check_key(index)
        place = "" if after is None else f"{after[0]:0{SEQUENCE_DIGITS}}\0{after[1]}"
        return tuple(islice(self._listed(index, place, min(limit, MAX_MARKS), latest_first), max(0, limit)))

    def _listed(self, index: str, place: str | bytes, page_size: int, latest_first: bool) -> Iterator[Mark]:
        """Yield the marks of *index* that come after *place*; ask for *page_size* at a time."""
        is_end = page_size <= 0
        while not is_end:
            reply = self._namespace.run_for("marks_in", (), index, place, int(latest_first), page_size)
            pairs, place = cast(tuple[list[bytes], bytes], reply)
            yield from (read_mark(key.decode(), text) for key, text in zip(pairs[::2], pairs[1::2], strict=True))
            is_end = place == b""

    def count_marks(self, index: str) -> int:
        """See `MarkStore.count_marks`."""
        check_key(index)
        return cast(int, self._namespace.run_for("count_marks", (), index))

    def count(self, counts: Sequence[Count]) -> None:
        """See `CounterStore.count`."""
        counts = tuple(counts)
        check_counts(counts)
        for first in range(0, len(counts), MAX_MARKS):
            call = self._namespace.arguments()
            numbers: dict[str, int] = {}
            arguments: list[Argument] = []
            for each in counts[first : first + MAX_MARKS]:
                if each.bucket not in numbers:
                    numbers[each.bucket] = call.add_key(call.keys.counters(each.bucket))
                arguments += (numbers[each.bucket], each.name, each.by, each.ttl)
            self._namespace.run("count", call, arguments)

    def counts(self, buckets: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
        """See `CounterStore.counts`."""
        buckets = tuple(buckets)
        for bucket in buckets:
            check_key(bucket)
        found: dict[str, dict[str, int]] = {}
        while buckets:
            call = self._namespace.arguments()
            call.extra_keys += map(call.keys.counters, buckets[:MAX_MARKS])
            reply = cast(list[list[bytes]], self._namespace.run("counts", call))
            for bucket, pairs in zip(buckets, reply, strict=False):
                if pairs:
                    found[bucket] = {name.decode(): int(number) for name, number in zip(pairs[::2], pairs[1::2], strict=True)}
            buckets = buckets[len(reply) :]
        return found
