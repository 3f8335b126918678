"""`Contents`: what a `MemoryBroker` keeps, and how messages move in it. Mutable; the caller passes the time. Go on with ``fq.brokers.memory.operations``."""

from collections import Counter
from collections.abc import Iterable, Iterator

from fq.brokers.findings import HeldKey
from fq.brokers.memory.items import NEVER, ExpiringMap, GroupState, Item, Queue, WorkerState
from fq.brokers.memory.kind_table import KindTable
from fq.brokers.memory.marks import KeyTable, MarkTable
from fq.brokers.memory.results import ResultStore
from fq.brokers.memory.sorted_entries import SortedEntries
from fq.brokers.records import DeadLetter, EnqueueOp, Placement, SetMarkOp, new_placement


class Contents:
    """Dicts and orders."""

    def __init__(self, dead_ttl: int) -> None:
        self._dead_ttl = dead_ttl
        self._items: dict[str, Item] = {}
        self._queues: dict[str, Queue] = {}
        self._delayed: SortedEntries[Item] = SortedEntries()
        self._workers: dict[str, WorkerState] = {}
        self._dead: dict[str, tuple[DeadLetter, int, int]] = {}  # with the priority and a serial number
        self._died: SortedEntries[str] = SortedEntries()  # when, the serial number, and which
        self._kinds = KindTable()
        self._groups: ExpiringMap[GroupState] = ExpiringMap()
        self._results = ResultStore()
        self._marks = MarkTable()
        self._keys = KeyTable()
        self._counters: dict[str, tuple[int, Counter[str]]] = {}  # by bucket: until when it is kept, and its counters
        self._numbers = 0
        self._token = 0

    # Messages move.

    def enqueue(self, op: EnqueueOp, now: int, cancelled: bool = False) -> bool:
        """`place`, which only says whether the message is new."""
        if op.message_id in self._items:
            return False
        if op.unique is not None:
            return self.place(op, now, cancelled).is_new
        self._add(op, now + op.delay, now, cancelled)
        return True

    def place(self, op: EnqueueOp, now: int, cancelled: bool = False) -> Placement:
        """Put the message of *op* on its queue, *cancelled* or not, and say which message stands for it."""
        if op.unique is None or op.message_id in self._items:
            return new_placement(op.message_id, self.enqueue(op, now, cancelled))
        holder = self._keys.get(op.unique.key, now)
        if holder is None:
            self._add(op, now + op.delay, now, cancelled)
            self._keys.take(op.unique.key, op.message_id, now, op.unique.window)
            return new_placement(op.message_id, True)
        if op.unique.on_conflict == "after" and holder.aside:
            return new_placement(holder.aside, False)
        if op.unique.on_conflict == "after" and holder.held and self._items[holder.message_id].has_begun:
            holder.aside, holder.until = op.message_id, max(holder.until, now + op.unique.window)
            self._add(op, NEVER, now, cancelled)
            return new_placement(op.message_id, True)
        return new_placement(holder.message_id, False)

    def _add(self, op: EnqueueOp, due: int, now: int, cancelled: bool) -> None:
        self._numbers += 1
        item = Item(op.message_id, self.queue(op.queue_name), op.actor_name, op.priority, op.body, due, self._numbers)
        item.cancelled, item.unique = cancelled, op.unique
        self._items[op.message_id] = item
        self._enter_queue(item, now)

    def _free_key(self, item: Item, now: int) -> None:
        """Free the unique key that *item* has, if any; the message that was put aside takes it, and is ready."""
        unique, item.unique = item.unique, None
        if unique is None or not (aside := self._items.get(self._keys.free(unique.key, item.message_id, now))):
            return
        if aside.state == "delayed":
            aside.set_state("")
            aside.due = now
            self._enter_queue(aside, now)

    def lost_holders(self) -> tuple[int, list[HeldKey]]:
        """Return how many unique keys are held, and those of them, with their holders, whose holders are not there."""
        held = list(self._keys.held())
        return len(held), [(key, holder) for key, holder in held if holder not in self._items]

    def set_mark(self, op: SetMarkOp, now: int) -> bool:
        """Carry out *op* if its mark is as it expects, and return whether it is."""
        if not self._marks.fits(op, now):
            return False
        self._marks.set(op, now)
        for enqueue_op in op.then:
            self.enqueue(enqueue_op, now)
        return True

    def queue(self, name: str) -> Queue:
        """Return the queue called *name*; make it if it does not exist."""
        if name not in self._queues:
            self._queues[name] = Queue(name)
        return self._queues[name]

    def _enter_queue(self, item: Item, now: int) -> None:
        """Let *item*, which no worker holds, wait."""
        queue = item.queue
        queue.is_used, item.token, item.worker = True, 0, ""
        if item.cancelled:
            item.due = min(item.due, now)
        if item.due <= now:
            item.set_state("ready")
            queue.push(item)
        else:
            item.set_state("delayed")
            self._delayed.add((item.due, item.number, item))

    def _delete(self, item: Item, now: int) -> None:
        """Delete *item*, and free its unique key."""
        item.set_state("")
        item.body = b""  # its entry in an order may stay there for long
        del self._items[item.message_id]
        if item.unique is not None:
            self._free_key(item, now)

    def promote(self, now: int) -> None:
        """Make delayed messages ready that are due."""
        while (due := self._first_due()) is not None and due <= now:
            self._enter_queue(self._delayed.pop()[2], now)

    def _first_due(self) -> int | None:
        while (first := self._delayed.first()) and first[2].state != "delayed":
            self._delayed.pop()
        return first[0] if first else None

    def dead_letters(self, message_ids: Iterable[str] | None, now: int) -> Iterator[DeadLetter]:
        """Return the dead letters of *message_ids*, or all of them, the latest first."""
        ids = (key for *_, key in self._died.before(None)) if message_ids is None else message_ids
        found = (self._dead[key] for key in ids if key in self._dead)
        return (letter for letter, *_ in found if letter.died_at + self._dead_ttl > now)

    def _remove_letter(self, message_id: str) -> None:
        """Delete a dead letter, if there is one."""
        if message_id in self._dead:
            letter, _, number = self._dead.pop(message_id)
            self._died.remove((letter.died_at, number, message_id))
            self._kinds.remove(letter, number)
            self.queue(letter.queue_name).counts["dead"] -= 1

    def expire_letters(self, now: int) -> None:
        """Delete the dead letters that have expired."""
        while (oldest := self._died.first()) and oldest[0] + self._dead_ttl <= now:
            self._remove_letter(oldest[2])
