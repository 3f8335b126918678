"""`ShardedRecords`: the calls of a `ShardedRedisBroker` about marks and counters. Mutable, like the broker."""

from collections.abc import Iterable, Mapping, Sequence
from heapq import merge
from itertools import chain, islice

from attrs import evolve

from fq.brokers.counters import Count
from fq.brokers.operations import Mark, Operation, SetMarkOp
from fq.brokers.redis.shards.rewriting import posts_for_shard
from fq.brokers.redis.shards.routing import Routing, grouped
from fq.brokers.redis.shards.shard import Shard
from fq.brokers.validation import check_counts, check_key, check_keys, check_set_mark_op

MAX_CUT = 500
"""One cut of an index deletes this many marks at most."""


class ShardedRecords:
    """Needs the shards of the broker. A mark is in the shard of its key, an index in all of them."""

    _routing: Routing

    @property
    def shards(self) -> tuple[Shard, ...]:
        """The shards, whose number is that of the server."""
        raise NotImplementedError  # the broker has them

    def _empty_outboxes(self, sources: Iterable[int]) -> None:
        raise NotImplementedError  # the broker does

    def set_marks(self, ops: Sequence[SetMarkOp]) -> tuple[bool, ...]:
        """See `MarkStore.set_marks`. What follows a mark arrives in other shards before this returns, or soon after if this process dies."""
        ops = tuple(ops)
        for op in ops:
            check_set_mark_op(op)
        found: dict[int, tuple[bool, ...]] = {}
        sources: list[int] = []
        for shard, parts in grouped(ops, lambda op: self._routing.of_mark(op.key)).items():
            changed = [evolve(op, then=posts_for_shard(self._routing, shard, op.then)) if op.then else op for op in parts]
            found[shard] = self.shards[shard].set_marks(changed)
            if changed != parts:
                sources.append(shard)
        if sources:
            self._empty_outboxes(sources)
        for index, most in bounded_indexes(ops).items():
            cut_index(self.shards, index, most)
        replies = {shard: iter(replies) for shard, replies in found.items()}
        return tuple(next(replies[self._routing.of_mark(op.key)]) for op in ops)

    def marks(self, keys: Sequence[str]) -> dict[str, Mark]:
        """See `MarkStore.marks`."""
        keys = tuple(keys)
        check_keys(keys)
        found: dict[str, Mark] = {}
        for shard, parts in grouped(keys, self._routing.of_mark).items():
            found |= self.shards[shard].marks(parts)
        return {key: found[key] for key in keys if key in found}

    def marks_in(
        self, index: str, *, after: tuple[int, str] | None = None, limit: int = 100, latest_first: bool = False
    ) -> tuple[Mark, ...]:
        """See `MarkStore.marks_in`."""
        check_key(index)
        return marks_in(self.shards, index, after, limit, latest_first)

    def count_marks(self, index: str) -> int:
        """See `MarkStore.count_marks`."""
        check_key(index)
        return sum(shard.count_marks(index) for shard in self.shards)

    def count(self, counts: Sequence[Count]) -> None:
        """See `CounterStore.count`."""
        counts = tuple(counts)
        check_counts(counts)
        for shard, parts in grouped(counts, lambda each: self._routing.of_name(each.bucket)).items():
            self.shards[shard].count(parts)

    def counts(self, buckets: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
        """See `CounterStore.counts`."""
        buckets = tuple(buckets)
        check_keys(buckets)
        found: dict[str, Mapping[str, int]] = {}
        for shard, parts in grouped(buckets, self._routing.of_name).items():
            found |= self.shards[shard].counts(parts)
        return {bucket: found[bucket] for bucket in buckets if bucket in found}


def marks_in(shards: Sequence[Shard], index: str, after: tuple[int, str] | None, limit: int, latest_first: bool) -> tuple[Mark, ...]:
    """Return the marks of *index* in all *shards*, as `MarkStore.marks_in` does."""
    parts = [shard.marks_in(index, after=after, limit=limit, latest_first=latest_first) for shard in shards]
    merged = merge(*parts, key=lambda mark: (mark.order, mark.key.encode()), reverse=latest_first)
    return tuple(islice(merged, max(0, limit)))


def bounded_indexes(operations: Iterable[Operation]) -> dict[str, int]:
    """Return the indexes, in more than one shard, that *operations* bound, and to how many marks. A stream is in the shard of its message."""
    return {
        op.index: op.most
        for op in operations
        if isinstance(op, SetMarkOp) and op.index and op.most and not op.index.startswith("stream:") and op.body is not None
    }


def cut_index(shards: Sequence[Shard], index: str, most: int) -> None:
    """Let *index* lose its lowest marks, beyond *most* in all *shards*. Each shard has cut its own part already."""
    surplus = sum(shard.count_marks(index) for shard in shards) - most
    if surplus <= 0:
        return
    parts = [[(mark, shard) for mark in shard.marks_in(index, limit=min(surplus, MAX_CUT))] for shard in shards]
    lowest = sorted(chain(*parts), key=lambda pair: (pair[0].order, pair[0].key.encode()))[: min(surplus, MAX_CUT)]
    for shard, marks in grouped(lowest, lambda pair: pair[1].number).items():
        shards[shard].set_marks([SetMarkOp(mark.key, None, expected=mark.body) for mark, _ in marks])
