"""`Sending`: the calls of a `PostgresBroker` that put messages on their queues. Mutable, like the broker."""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from typing import TypeVar

from fq.brokers.async_batcher import AsyncBatcher
from fq.brokers.postgres.database import Database
from fq.brokers.postgres.enqueue import enqueue_plainly
from fq.brokers.postgres.listener import Listener
from fq.brokers.postgres.placing import has_unique, place, placed_plainly
from fq.brokers.postgres.replacing import replace
from fq.brokers.postgres.transaction import Transaction
from fq.brokers.postgres.transactional import statement
from fq.brokers.postgres.turn import ANNOUNCE
from fq.brokers.records import EnqueueOp, Placement
from fq.brokers.validation import check_enqueue_ops

T = TypeVar("T")


class Sending:
    """Needs the connections and the listener of the broker."""

    _writer: Database
    _listener: Listener

    def __init__(self) -> None:
        self._batcher_lock = threading.Lock()
        self._batcher: AsyncBatcher | None = None

    def enqueue(self, ops: Sequence[EnqueueOp]) -> int:
        """See `Broker.enqueue`."""
        return sum(placement.is_new for placement in self.place(ops))

    async def aenqueue(self, ops: Sequence[EnqueueOp]) -> None:
        """See `Broker.aenqueue`; what several coroutines send at the same time goes in one round trip."""
        ops = tuple(ops)
        check_enqueue_ops(ops)
        if has_unique(ops):
            await asyncio.to_thread(self.place, ops)
        elif ops:
            with self._batcher_lock:
                if self._batcher is None:
                    self._batcher = AsyncBatcher(self._place_plainly, "fq-postgres-async-batcher")
                sent = self._batcher.post(ops)
            await sent

    def place(self, ops: Sequence[EnqueueOp]) -> tuple[Placement, ...]:
        """See `Broker.place`."""
        ops = tuple(ops)
        check_enqueue_ops(ops)
        if has_unique(ops):
            placements = self._writer.alone(lambda tx: announced(tx, place(tx, ops)))
            self._listener.notify_work()
            return placements
        return self._place_plainly(ops) if ops else ()

    def _place_plainly(self, ops: Sequence[EnqueueOp]) -> tuple[Placement, ...]:
        placements = placed_plainly(ops, self._writer.single(lambda tx: enqueue_plainly(tx, ops)))
        self._listener.notify_work()
        return placements

    def transactional_enqueue(self, ops: Sequence[EnqueueOp]) -> tuple[str, Mapping[str, object]]:
        """See `TransactionalEnqueue.transactional_enqueue`."""
        check_enqueue_ops(ops)
        self._writer.ensure()
        return statement(ops, self._writer.settings.schema)

    def replace(self, op: EnqueueOp, expected: bytes | None = None) -> bool:
        """See `Broker.replace`."""
        check_enqueue_ops((op,))
        replaced = self._writer.alone(lambda tx: announced(tx, replace(tx, op, expected)))
        self._listener.notify_work()
        return replaced

    def _end_batcher(self) -> None:
        with self._batcher_lock:
            batcher, self._batcher = self._batcher, None
        if batcher is not None:
            batcher.close()

    def _forget_batcher(self) -> None:
        """After a fork: the thread is in the parent."""
        self._batcher_lock = threading.Lock()
        self._batcher = None


def announced(tx: Transaction, result: T) -> T:
    """Wake the workers, and return *result*."""
    tx.run(ANNOUNCE, "w")
    return result
