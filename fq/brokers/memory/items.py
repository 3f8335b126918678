"""The parts of a `MemoryState`: items, queues, workers, groups, and values that expire. All mutable. Go on with ``fq.brokers.memory.state``."""

from bisect import insort
from collections import Counter
from heapq import heappop, heappush
from typing import Generic, TypeVar

from attrs import define, field

from fq.brokers.records import DeferredEnqueue, Delivery, QueueStats, WorkerStats
from fq.core.fault import Fault
from fq.core.message import CANCELLED

V = TypeVar("V")


class ExpiringMap(Generic[V]):
    """Mutable: values by key, each with its own time of expiry."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[V, int]] = {}
        self._heap: list[tuple[int, str]] = []  # each key has an entry at or before its expiry; there may be outdated entries

    def get(self, key: str, now: int) -> V | None:
        """Return the value of *key*, None if it has expired or does not exist."""
        value, until = self._values.get(key, (None, 0))
        return value if until > now else None

    def put(self, key: str, value: V, until: int) -> None:
        """Set the value of *key*, to expire at *until*."""
        if key not in self._values or until < self._values[key][1]:
            heappush(self._heap, (until, key))
        self._values[key] = (value, until)

    def pop(self, key: str, now: int) -> V | None:
        """Delete *key*, and return its value."""
        value, until = self._values.pop(key, (None, 0))
        return value if until > now else None

    def expire(self, now: int) -> None:
        """Delete expired values."""
        while self._heap and self._heap[0][0] <= now:
            key = heappop(self._heap)[1]
            until = self._values[key][1] if key in self._values else 0
            if until > now:
                heappush(self._heap, (until, key))
            else:
                self._values.pop(key, None)


@define(eq=False)
class Queue:
    """Mutable: one queue. Ready items are in one heap for each priority; an entry counts only while its item is ready."""

    name: str
    counts: Counter[str] = field(factory=Counter)
    paused: bool = False
    _heaps: dict[int, "list[tuple[int, int, Item]]"] = field(factory=dict)
    _priorities: list[int] = field(factory=list)

    def push(self, item: "Item") -> None:
        """Add *item* to the ready ones."""
        heap = self._heaps.get(item.priority)
        if heap is None:
            heap = self._heaps[item.priority] = []
            insort(self._priorities, item.priority)
        heappush(heap, (item.due, item.number, item))

    def first(self) -> "Item | None":
        """Return the item to claim next, without removing it."""
        while self._priorities:
            if found := self._first_of(self._priorities[0]):
                return found
            del self._heaps[self._priorities.pop(0)]
        return None

    def pop(self) -> None:
        """Remove the item that `first` returned."""
        heappop(self._heaps[self._priorities[0]])

    def _first_of(self, priority: int) -> "Item | None":
        heap = self._heaps[priority]
        while heap and heap[0][2].state != "ready":
            heappop(heap)
        return heap[0][2] if heap else None

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

    def delivery(self, now: int) -> Delivery:
        """Return the delivery for its worker at the time *now*."""
        interrupted = CANCELLED if self.cancelled else self.interrupted
        return Delivery(
            self.message_id,
            self.queue.name,
            self.actor_name,
            self.body,
            self.token,
            self.deliveries,
            received_at=now,
            interrupted=interrupted,
        )

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
    Mutable: a worker: until when its lease runs, how many turns it has had, which queues it has asked for, and the messages that it holds.

    *untold* are ids of cancelled messages that it holds and has not been told about.
    """

    until: int = 0
    turns: int = 0
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
