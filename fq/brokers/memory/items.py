"""What a `MemoryState` is made of: items, queues, workers, groups, and values that expire. All mutable; continue with ``fq.brokers.memory.state``."""

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
    """Mutable: values by key, each until a time of its own."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[V, int]] = {}
        self._heap: list[tuple[int, str]] = []  # an entry for each key, at or before the time when the value goes; and others

    def get(self, key: str, now: int) -> V | None:
        """Return what is kept for *key*."""
        value, until = self._values.get(key, (None, 0))
        return value if until > now else None

    def put(self, key: str, value: V, until: int) -> None:
        """Keep *value* for *key* until then."""
        if key not in self._values or until < self._values[key][1]:
            heappush(self._heap, (until, key))
        self._values[key] = (value, until)

    def pop(self, key: str, now: int) -> V | None:
        """Forget *key*, and return what was kept for it."""
        value, until = self._values.pop(key, (None, 0))
        return value if until > now else None

    def expire(self, now: int) -> None:
        """Forget what is past its time."""
        while self._heap and self._heap[0][0] <= now:
            key = heappop(self._heap)[1]
            until = self._values[key][1] if key in self._values else 0
            if until > now:
                heappush(self._heap, (until, key))
            else:
                self._values.pop(key, None)


@define(eq=False)
class Queue:
    """Mutable: one queue. Of what is ready, the items of each priority are in a heap of their own; an entry counts only while its item is ready."""

    name: str
    counts: Counter[str] = field(factory=Counter)
    paused: bool = False
    _heaps: dict[int, "list[tuple[int, int, Item]]"] = field(factory=dict)
    _priorities: list[int] = field(factory=list)

    def push(self, item: "Item") -> None:
        """Put *item* among what is ready."""
        heap = self._heaps.get(item.priority)
        if heap is None:
            heap = self._heaps[item.priority] = []
            insort(self._priorities, item.priority)
        heappush(heap, (item.due, item.number, item))

    def first(self) -> "Item | None":
        """Return the item that is claimed next; it stays where it is."""
        while self._priorities:
            if found := self._first_of(self._priorities[0]):
                return found
            del self._heaps[self._priorities.pop(0)]
        return None

    def pop(self) -> None:
        """Take the item that `first` returned from among what is ready."""
        heappop(self._heaps[self._priorities[0]])

    def _first_of(self, priority: int) -> "Item | None":
        heap = self._heaps[priority]
        while heap and heap[0][2].state != "ready":
            heappop(heap)
        return heap[0][2] if heap else None

    def stats(self, now: int) -> QueueStats:
        """Return what there is to see of it *now*."""
        counts = self.counts
        oldest = now - min((first.due for priority in self._priorities if (first := self._first_of(priority))), default=now)
        return QueueStats(self.name, counts["ready"], counts["delayed"], counts["running"], counts["dead"], oldest, self.paused)


@define(eq=False)
class Item:
    """
    Mutable: a message that waits or runs.

    *due* and *number* are its arrival: when it is ready, and how many came before it; *since*: when it was claimed.
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
        """Return what its holder is given *now*."""
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
        """Be held by *worker* from *now* on, and count one delivery more."""
        self.become("running")
        self.token, self.worker, self.since = token, worker, now
        self.deliveries += 1

    def become(self, state: str) -> None:
        """Change from one state to another: "ready", "delayed", "running", or "" for gone."""
        self.queue.counts[self.state] -= 1
        self.queue.counts[state] += 1
        self.state = state


@define(eq=False)
class Worker:
    """
    Mutable: a worker, until when its lease runs, how many turns it has had, and which queues it has asked for in them.

    Also what it *holds* (`held`), and what of that it has not been told is cancelled.
    """

    until: int = 0
    turns: int = 0
    queues: set[str] = field(factory=set)
    held: dict[str, Item] = field(factory=dict)
    untold: list[str] = field(factory=list)

    def stats(self, name: str, now: int) -> WorkerStats:
        """Return what there is to see *now* of it, which is called *name*."""
        return WorkerStats(name, max(0, self.until - now), len(self.held), tuple(sorted(self.queues)))


@define(eq=False)
class GroupState:
    """
    Mutable: the values that have arrived, by member, and what comes *then*, if a member has brought it; neither any more once it is *complete*.

    What comes after it may be *cancelled* before.
    """

    values: dict[int, bytes] = field(factory=dict)
    then: tuple[DeferredEnqueue, ...] = ()
    complete: bool = False
    cancelled: bool = False
