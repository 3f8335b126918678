"""`Contents`: what a `MemoryBroker` keeps, and how messages move in it. Mutable; the caller passes the time. Go on with ``fq.brokers.memory.operations``."""

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush

from fq.brokers.memory.items import ExpiringMap, GroupState, Item, Queue, WorkerState
from fq.brokers.memory.results import ResultStore
from fq.brokers.records import DeadLetter, EnqueueOp


class Contents:
    """Heaps and dicts."""

    def __init__(self, dead_ttl: int) -> None:
        self._dead_ttl = dead_ttl
        self._items: dict[str, Item] = {}
        self._queues: dict[str, Queue] = {}
        self._delayed: list[tuple[int, int, Item]] = []
        self._workers: dict[str, WorkerState] = {}
        self._dead: dict[str, tuple[DeadLetter, int]] = {}  # with the priority; the oldest first
        self._groups: ExpiringMap[GroupState] = ExpiringMap()
        self._results = ResultStore()
        self._numbers = 0
        self._token = 0

    # Messages move.

    def enqueue(self, op: EnqueueOp, now: int, cancelled: bool = False) -> bool:
        """Put the message of *op* on its queue, *cancelled* or not, and return True; return False if a message with its id waits or runs."""
        if op.message_id in self._items:
            return False
        self._numbers += 1
        item = Item(op.message_id, self.queue(op.queue_name), op.actor_name, op.priority, op.body, now + op.delay, self._numbers)
        item.cancelled = cancelled
        self._items[op.message_id] = item
        self._enter_queue(item, now)
        return True

    def queue(self, name: str) -> Queue:
        """Return the queue called *name*; make it if it does not exist."""
        if name not in self._queues:
            self._queues[name] = Queue(name)
        return self._queues[name]

    def _enter_queue(self, item: Item, now: int) -> None:
        """Let *item*, which no worker holds, wait."""
        item.token, item.worker = 0, ""
        if item.cancelled:
            item.due = min(item.due, now)
        if item.due <= now:
            item.set_state("ready")
            item.queue.push(item)
        else:
            item.set_state("delayed")
            heappush(self._delayed, (item.due, item.number, item))

    def _delete(self, item: Item) -> None:
        """Delete *item*."""
        item.set_state("")
        item.body = b""  # its entry in a heap may stay there for long
        del self._items[item.message_id]

    def promote(self, now: int) -> None:
        """Make delayed messages ready that are due."""
        while (due := self._first_due()) is not None and due <= now:
            self._enter_queue(heappop(self._delayed)[2], now)

    def _first_due(self) -> int | None:
        while self._delayed and self._delayed[0][2].state != "delayed":
            heappop(self._delayed)
        return self._delayed[0][0] if self._delayed else None

    def dead_letters(self, message_ids: Iterable[str] | None, now: int) -> Iterator[DeadLetter]:
        """Return the dead letters of *message_ids*, or all of them, the latest first."""
        found = reversed(self._dead.values()) if message_ids is None else (self._dead[key] for key in message_ids if key in self._dead)
        return (letter for letter, _ in found if letter.died_at + self._dead_ttl > now)

    def _remove_letter(self, message_id: str) -> None:
        """Delete a dead letter, if there is one."""
        if message_id in self._dead:
            letter = self._dead.pop(message_id)[0]
            self.queue(letter.queue_name).counts["dead"] -= 1
