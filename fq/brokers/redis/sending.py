"""`Sending`: the calls of a `RedisBroker` that put messages on their queues. Mutable, like the broker."""

import asyncio
from collections.abc import Callable, Sequence

from fq.brokers.records import EnqueueOp, Placement
from fq.brokers.redis.namespace import Namespace
from fq.brokers.redis.process_state import ProcessState
from fq.brokers.redis.replacement import replace
from fq.brokers.validation import check_enqueue_ops


class Sending:
    """Needs the namespace of the broker, and what it has in this process."""

    _namespace: Namespace

    @property
    def _state(self) -> ProcessState:
        raise NotImplementedError  # the broker has it

    def enqueue(self, ops: Sequence[EnqueueOp]) -> int:
        """Put *ops* on their queues, all or none, in one round trip."""
        ops = tuple(ops)
        if check_enqueue_ops(ops):
            return sum(placement.is_new for placement in self._state.sender.place(ops))
        return self._state.sender.send(ops)

    def begin_enqueue(self, ops: Sequence[EnqueueOp]) -> Callable[[], None]:
        """Begin to `enqueue`; what is returned must be called, and waits for the end of that."""
        ops = tuple(ops)
        if check_enqueue_ops(ops):
            self._state.sender.place(ops)
            return lambda: None
        return self._state.sender.begin(ops) if ops else lambda: None

    async def aenqueue(self, ops: Sequence[EnqueueOp]) -> None:
        """`enqueue` for async producers; what several send at the same time goes in one round trip."""
        if ops := tuple(ops):
            if check_enqueue_ops(ops):
                await asyncio.to_thread(self._state.sender.place, ops)
            else:
                await self._state.post(ops)

    def place(self, ops: Sequence[EnqueueOp]) -> tuple[Placement, ...]:
        """Put *ops* on their queues, in one round trip, and return which message stands for each."""
        ops = tuple(ops)
        check_enqueue_ops(ops)
        return self._state.sender.place(ops)

    async def aplace(self, ops: Sequence[EnqueueOp]) -> tuple[Placement, ...]:
        """`place` for async producers."""
        return await asyncio.to_thread(self.place, tuple(ops))

    def replace(self, op: EnqueueOp, expected: bytes | None = None) -> bool:
        """Put *op* in the place of the message with its id, if that waits, and has the body that is *expected*; return whether it did."""
        check_enqueue_ops((op,))
        return replace(self._namespace, self._state.sender, op, expected)
