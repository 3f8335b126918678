"""The parts of a `MemoryState`: items, queues, workers, groups, and values that expire. All mutable. Go on with ``fq.brokers.memory.state``."""

from bisect import insort
from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

from attrs import define, field

from fq.brokers.memory.sorted_entries import SortedEntries
from fq.brokers.records import DeferredEnqueue, Delivery, QueueStats, Status, UniqueKey, WorkerStats, new_delivery
from fq.core.fault import Fault
from fq.core.message import CANCELLED

V = TypeVar("V")

NEVER = 2**62
"""A time that does not come."""

FEW_OUTDATED = 1_000
"""More outdated times of expiry than this, and than there are values, are dropped."""


class ExpiringMap(Generic[V]):
    """Mutable: values by key, each with its own time of expiry."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[V, int]] = {}
        self._heap: list[tuple[int, str]] = []  # each key that expires has an entry at or before that; there may be outdated entries

    def get(self, key: str, now: int) -> V | None:
        """Return the value of *key*, None if it has expired or does not exist."""
        value, until = self._values.get(key, (None, 0))
        return value if until > now else None

    def put(self, key: str, value: V, until: int) -> None:
        """Set the value of *key*, to expire at *until*."""
        if until < NEVER and (key not in self._values or until < self._values[key][1]):
            heappush(self._heap, (until, key))
        self._values[key] = (value, until)
        if len(self._heap) > 2 * len(self._values) + FEW_OUTDATED:
            self._heap = [(end, each) for each, (_, end) in self._values.items() if end < NEVER]
            heapify(self._heap)

    def pop(self, key: str, now: int) -> V | None:
        """Delete *key*, and return its value."""
        value, until = self._values.pop(key, (None, 0))
        return value if until > now else None

    def items(self) -> Iterator[tuple[str, V]]:
        """Yield all keys with their values, some of which may have expired."""
        return ((key, value) for key, (value, _) in self._values.items())

    def expire(self, now: int) -> list[V]:
        """Delete expired values, and return them."""
        expired: list[V] = []
        while self._heap and self._heap[0][0] <= now:
            key = heappop(self._heap)[1]
            until = self._values[key][1] if key in self._values else 0
            if until > now:
                if until < NEVER:
                    heappush(self._heap, (until, key))
            elif key in self._values:
                expired.append(self._values.pop(key)[0])
        return expired


@define(eq=False)
class Queue:
    """
    Mutable: one queue, which *is_used* if it has held a message.

    Ready items are in one order for each priority; an entry counts only while its item is ready.
    """

    name: str
    counts: dict[str, int] = field(factory=lambda: {"": 0, "ready": 0, "delayed": 0, "running": 0, "dead": 0})
    paused: bool = False
    is_used: bool = False
    _ready: dict[int, "SortedEntries[Item]"] = field(factory=dict)
    _priorities: list[int] = field(factory=list)

    def push(self, item: "Item") -> None:
        """Add *item* to the ready ones."""
        ready = self._ready.get(item.priority)
        if ready is None:
            ready = self._ready[item.priority] = SortedEntries()
            insort(self._priorities, item.priority)
        ready.add((item.due, item.number, item))

    def pop(self) -> "Item | None":
        """Remove the item to claim next, and return it."""
        while self._priorities:
            ready = self._ready[self._priorities[0]]
            try:
                while (item := ready.pop()[2]).state != "ready":
                    pass
            except IndexError:
                del self._ready[self._priorities.pop(0)]
            else:
                return item
        return None

    def _first_of(self, priority: int) -> "Item | None":
        ready = self._ready[priority]
        while (first := ready.first()) and first[2].state != "ready":
            ready.pop()
        return first[2] if first else None

    def ready_after(self, place: tuple[int, int, int] | None) -> "Iterator[tuple[tuple[int, int, int], Item | None]]":
        """Yield the ready items that come after *place*, each with its priority, when it was ready and its number; None for what is not ready any more."""
        for priority in self._priorities:
            if place is None or priority >= place[0]:
                for due, number, item in self._ready[priority].after(place[1:] if place and priority == place[0] else None):
                    yield (priority, due, number), item if item.state == "ready" and item.due == due else None

    def stats(self, now: int) -> QueueStats:
        """Return its statistics at the time *now*."""
        counts = self.counts
        oldest = now - min((first.due for priority in self._priorities if (first := self._first_of(priority))), default=now)
        return QueueStats(self.name, counts["ready"], counts["delayed"], counts["running"], counts["dead"], oldest, self.paused)


@define(eq=False)
class Item:
    """
    Mutable: a message that waits or runs.

    *due* and *number* are its place in the order: when it is ready, and a serial number; it was claimed at *since*.
    """

    message_id: str
    queue: Queue
    actor_name: str
    priority: int
    body: bytes
    due: int
    number: int
    state: str = ""
    token: int = 0
    worker: str = ""
    deliveries: int = 0
    interrupted: str = ""
    fault: Fault | None = None
    since: int = 0
    cancelled: bool = False
    unique: UniqueKey | None = None

    def __lt__(self, other: "Item") -> bool:
        """Say no: an order asks only about an item and one that it replaces, which share their place."""
        return False

    @property
    def has_begun(self) -> bool:
        """Does it run, or was it delivered before, or has it failed?"""
        return self.state == "running" or self.deliveries > 0 or self.fault is not None

    def delivery(self, now: int) -> Delivery:
        """Return the delivery for its worker at the time *now*."""
        interrupted = CANCELLED if self.cancelled else self.interrupted
        return new_delivery(self.message_id, self.queue.name, self.actor_name, self.body, self.token, self.deliveries, now, interrupted)

    def status(self) -> Status:
        """Return where it is."""
        due = self.due if self.state == "delayed" and self.due != NEVER else 0
        name, queue, actor, count = self.message_id, self.queue.name, self.actor_name, self.deliveries
        return Status(name, self.state, queue, actor, count, due, self.worker, self.fault, token=self.token)

    def run(self, token: int, worker: str, now: int) -> None:
        """Let *worker* hold it from *now* on, and count one more delivery."""
        self.set_state("running")
        self.token, self.worker, self.since = token, worker, now
        self.deliveries += 1

    def set_state(self, state: str) -> None:
        """Change the state: "ready", "delayed", "running", or "" for deleted."""
        self.queue.counts[self.state] -= 1
        self.queue.counts[state] += 1
        self.state = state


@define(eq=False)
class WorkerState:
    """
    Mutable: a worker: until when its lease runs, how many turns it has had and when the last, which queues it has asked for, and the messages that it holds.

    *untold* are ids of cancelled messages that it holds and has not been told about.
    """

    until: int = 0
    turns: int = 0
    turned_at: int = 0
    queues: set[str] = field(factory=set)
    held: dict[str, Item] = field(factory=dict)
    untold: list[str] = field(factory=list)

    def stats(self, name: str, now: int) -> WorkerStats:
        """Return its statistics at the time *now*; *name* is its name."""
        return WorkerStats(name, max(0, self.until - now), len(self.held), tuple(sorted(self.queues)))


@define(eq=False)
class GroupState:
    """
    Mutable: the values that have arrived, by member, and what comes *then*, if a member has brought it. Both are empty once the group is *complete*.

    If the group is *cancelled*, what comes after it is enqueued as cancelled.
    """

    values: dict[int, bytes] = field(factory=dict)
    then: tuple[DeferredEnqueue, ...] = ()
    complete: bool = False
    cancelled: bool = False
