"""`ShardedSending`: the calls of a `ShardedRedisBroker` that put messages on their queues. Mutable, like the broker."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from fq.brokers.records import EnqueueOp, Placement
from fq.brokers.redis.shards.routing import Routing, grouped
from fq.brokers.redis.shards.shard import Shard
from fq.brokers.validation import check_enqueue_ops
from fq.errors import BrokerError


class ShardedSending:
    """Needs the shards of the broker. A call is applied wholly or not at all within each shard."""

    _routing: Routing

    @property
    def shards(self) -> tuple[Shard, ...]:
        """The shards, whose number is that of the server."""
        raise NotImplementedError  # the broker has them

    async def _shards_async(self) -> tuple[Shard, ...]:
        raise NotImplementedError  # the broker has them

    def _by_shard(self, ops: Sequence[EnqueueOp]) -> dict[int, list[EnqueueOp]]:
        """Return *ops*, all of which can be kept, by their shards."""
        check_enqueue_ops(ops)
        return grouped(ops, self._routing.of_post)

    def enqueue(self, ops: Sequence[EnqueueOp]) -> int:
        """Put *ops* on their queues, in one round trip for each shard that they are in."""
        return sum(self.shards[shard].enqueue(parts) for shard, parts in self._by_shard(tuple(ops)).items())

    def begin_enqueue(self, ops: Sequence[EnqueueOp]) -> Callable[[], None]:
        """Begin to `enqueue`, in all shards at once; what is returned must be called, and waits for the end of that."""
        by_shard, begun = self._by_shard(tuple(ops)), list[Callable[[], None]]()
        try:
            for shard, parts in by_shard.items():
                begun.append(self.shards[shard].begin_enqueue(parts))
        except BaseException:
            with suppress(BrokerError):  # the first error counts
                _end_all(begun)
            raise
        return partial(_end_all, begun)

    async def aenqueue(self, ops: Sequence[EnqueueOp]) -> None:
        """`enqueue` for async producers; what several send to one shard at the same time goes in one round trip."""
        ops = tuple(ops)
        shards = await self._shards_async()
        await asyncio.gather(*(shards[shard].aenqueue(parts) for shard, parts in self._by_shard(ops).items()))

    def place(self, ops: Sequence[EnqueueOp]) -> tuple[Placement, ...]:
        """Put *ops* on their queues, in one round trip for each shard, and return which message stands for each."""
        ops = tuple(ops)
        found = {shard: iter(self.shards[shard].place(parts)) for shard, parts in self._by_shard(ops).items()}
        return tuple(next(found[self._routing.of_post(op)]) for op in ops)

    async def aplace(self, ops: Sequence[EnqueueOp]) -> tuple[Placement, ...]:
        """`place` for async producers."""
        return await asyncio.to_thread(self.place, tuple(ops))

    def replace(self, op: EnqueueOp, expected: bytes | None = None) -> bool:
        """Put *op* in the place of the message with its id, in whichever shard that waits; return whether it did."""
        check_enqueue_ops((op,))
        first = self._routing.of_post(op)
        order = (first, *(shard for shard in range(len(self.shards)) if shard != first))
        return any(self.shards[shard].replace(op, expected) for shard in order)


def _end_all(begun: Sequence[Callable[[], None]]) -> None:
    """Call each of *begun*, and raise the first error."""
    errors: list[BrokerError] = []
    for end in begun:
        try:
            end()
        except BrokerError as error:
            errors.append(error)
    if errors:
        raise errors[0]
