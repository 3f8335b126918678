"""
`Store`: what a `MemoryBroker` keeps, and the rules of it, without locks or waiting. Mutable; told the time by whoever calls.

Heaps and dicts: only `purge`, `letters` and `queue_stats` look at more than they change.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from heapq import heappop, heappush

from fq.brokers.memory.items import Expiring, Group, Item, Queue, Worker
from fq.brokers.records import (
    Ack,
    Bury,
    Change,
    Commit,
    DeadLetter,
    Delivery,
    Held,
    Join,
    Keep,
    Post,
    QueueStats,
    Release,
    Replace,
    Status,
    Want,
    WorkerStats,
)
from fq.brokers.rules import remembered, rotated, spliced


class Store:
    """All that is kept."""

    def __init__(self, dead_ttl: int) -> None:
        self._dead_ttl = dead_ttl
        self._items: dict[str, Item] = {}
        self._queues: dict[str, Queue] = {}
        self._delayed: list[tuple[int, int, Item]] = []
        self._workers: dict[str, Worker] = {}
        self._dead: dict[str, tuple[DeadLetter, int]] = {}  # with the priority; the oldest first
        self._groups: Expiring[Group] = Expiring()
        self._results: Expiring[bytes] = Expiring()
        self._numbers = 0
        self._token = 0

    # Where a message goes.

    def post(self, post: Post, now: int) -> bool:
        """Put *post* on its queue and return True; return False if a message of its id waits or runs."""
        if post.message_id in self._items:
            return False
        self._numbers += 1
        queue, due = self.queue(post.queue_name), now + post.delay
        self._items[post.message_id] = item = Item(post.message_id, queue, post.actor_name, post.priority, post.body, due, self._numbers)
        self._enter(item, now)
        return True

    def queue(self, name: str) -> Queue:
        """Return the queue called *name*, a new one if need be."""
        if name not in self._queues:
            self._queues[name] = Queue(name)
        return self._queues[name]

    def _enter(self, item: Item, now: int) -> None:
        """Let *item*, which nobody holds, wait."""
        item.token, item.worker = 0, ""
        if item.cancelled:
            item.due = min(item.due, now)
        if item.due <= now:
            item.become("ready")
            heappush(item.queue.heap, (item.priority, item.due, item.number, item))
        else:
            item.become("delayed")
            heappush(self._delayed, (item.due, item.number, item))

    def _leave(self, item: Item) -> None:
        """Forget *item*."""
        item.become("")
        item.body = b""  # its entry in a heap may stay there for long
        del self._items[item.message_id]

    # What time does.

    def settle(self, now: int) -> None:
        """Make ready what has fallen due, take back what expired leases hold, and forget what is past its time."""
        self.promote(now)
        for name in [name for name, worker in self._workers.items() if worker.until <= now]:
            self.release(name, {}, None, now)
        while self._dead and (oldest := next(iter(self._dead.values()))[0]).died_at + self._dead_ttl <= now:
            self._unbury(oldest.message_id)
        self._results.expire(now)
        self._groups.expire(now)

    def promote(self, now: int) -> None:
        """Make ready what has fallen due."""
        while (due := self._first_due()) is not None and due <= now:
            self._enter(heappop(self._delayed)[2], now)

    def next_due(self, worker: str) -> float:
        """Return when the next delayed message or the lease of a worker other than *worker* falls due; infinity for never."""
        due = self._first_due()
        leases = (other.until for name, other in self._workers.items() if name != worker)
        return min(float("inf") if due is None else due, min(leases, default=float("inf")))

    def _first_due(self) -> int | None:
        while self._delayed and self._delayed[0][2].state != "delayed":
            heappop(self._delayed)
        return self._delayed[0][0] if self._delayed else None

    # What workers do.

    def register(self, name: str, until: int) -> None:
        """Let the lease of the worker called *name* run until then, and count one turn more."""
        worker = self._workers.setdefault(name, Worker())
        worker.until = until
        worker.turns += 1

    def remember(self, want: Want) -> None:
        """Remember which queues a worker asks for."""
        self._workers[want.worker].queues.update(want.queues)

    def renew(self, name: str, until: int) -> None:
        """Let the lease of the worker called *name* run until then, if it still has one."""
        if name in self._workers:
            self._workers[name].until = until

    def release(self, name: str, interrupted: Mapping[str, str], counted: Collection[str] | None, now: int) -> int:
        """Forget the worker called *name*, take back what it holds, and return how many messages that was."""
        worker = self._workers.pop(name, Worker())
        for item in worker.held.values():
            item.interrupted = interrupted.get(item.message_id, "")
            item.deliveries -= counted is not None and item.message_id not in counted
            self._enter(item, now)
        return len(worker.held)

    def may_claim(self, want: Want) -> bool:
        """Is anything ready that *want* asks for?"""
        return any(queue.counts["ready"] for queue in map(self.queue, want.queues) if not queue.paused)

    def claim(self, want: Want, now: int) -> tuple[Delivery, ...]:
        """Return what *want* asks for, held by its worker from now on."""
        worker = self._workers[want.worker]
        self._token += 1
        claimed: list[Delivery] = []
        for queue in map(self.queue, rotated(want.queues, worker.turns)):
            while len(claimed) < want.limit and not queue.paused and (item := queue.first()):
                heappop(queue.heap)
                item.become("running")
                item.token, item.worker, item.since = self._token, want.worker, now
                item.deliveries += 1
                worker.held[item.message_id] = item
                claimed.append(item.delivery(now))
        return tuple(claimed)

    # What commits do.

    def commit(self, commit: Commit, now: int) -> bool:
        """Apply *commit* if its token is current, and return whether it is."""
        item = self._items.get(commit.message_id)
        if item is None or item.state != "running" or item.token != commit.token:
            return False
        del self._workers[item.worker].held[item.message_id]
        self._dispose(item, commit, now)
        for change in commit.changes:
            self._change(change, now)
        return True

    def _dispose(self, item: Item, commit: Commit, now: int) -> None:
        match commit.disposition:
            case Ack():
                self._leave(item)
            case Replace(post, fault):
                item.become("")
                item.queue, item.actor_name, item.priority, item.body = (
                    self.queue(post.queue_name),
                    post.actor_name,
                    post.priority,
                    post.body,
                )
                item.due, item.deliveries, item.interrupted, item.fault = now + post.delay, 0, "", fault or item.fault
                self._enter(item, now)
            case Bury(fault):
                self._unbury(item.message_id)
                letter = DeadLetter(item.message_id, item.queue.name, item.actor_name, item.body, fault, now)
                self._dead[item.message_id] = letter, item.priority
                item.queue.counts["dead"] += 1
                self._leave(item)
            case Release(counted, interrupted):
                item.deliveries -= not counted
                item.interrupted = interrupted
                self._enter(item, now)

    def _change(self, change: Change, now: int) -> None:
        match change:
            case Post():
                self.post(change, now)
            case Keep(message_id, body, ttl):
                self._results.put(message_id, body, now + ttl)
            case Join():
                self._join(change, now)

    def _join(self, join: Join, now: int) -> None:
        group = self._groups.get(join.group, now) or Group()
        if group.complete or join.member in group.values:
            return
        group.values[join.member] = join.value
        complete = len(group.values) >= join.size
        self._groups.put(join.group, group, now + remembered(join, complete))
        if complete:
            values = [value for _, value in sorted(group.values.items())]
            group.complete, group.values = True, {}
            for splice in join.then:
                self.post(spliced(splice, values), now)

    # What operators ask for.

    def result(self, message_id: str, now: int) -> bytes | None:
        """Return the result of a message."""
        return self._results.get(message_id, now)

    def status(self, message_id: str, now: int) -> Status:
        """Return where a message is."""
        if item := self._items.get(message_id):
            due = item.due if item.state == "delayed" else 0
            return Status(message_id, item.state, item.queue.name, item.actor_name, item.deliveries, due, item.worker, item.fault)
        if letter := next(self.letters([message_id], now), None):
            return Status(message_id, "dead", letter.queue_name, letter.actor_name, fault=letter.fault)
        return Status(message_id, "unknown" if self.result(message_id, now) is None else "done")

    def letters(self, message_ids: Iterable[str] | None, now: int) -> Iterator[DeadLetter]:
        """Return the dead letters of *message_ids*, or all of them, the latest first."""
        found = reversed(self._dead.values()) if message_ids is None else (self._dead[key] for key in message_ids if key in self._dead)
        return (letter for letter, _ in found if letter.died_at + self._dead_ttl > now)

    def held(self, worker: str) -> Iterator[Held]:
        """Return what a worker holds, those claimed first first."""
        for item in self._workers.get(worker, Worker()).held.values():
            yield Held(item.message_id, item.queue.name, item.actor_name, worker, item.since)

    def cancel(self, message_id: str, now: int) -> bool:
        """Let a message end without being run again, and return whether there is one."""
        if (item := self._items.get(message_id)) is None:
            return False
        item.cancelled = True
        if item.state == "running":
            self._workers[item.worker].untold.append(message_id)
        elif item.state == "delayed":
            item.become("")
            self._enter(item, now)
        return True

    def told(self, worker: str) -> tuple[str, ...]:
        """Return what a worker holds that has been cancelled, each once."""
        held, untold = self._workers[worker].held, self._workers[worker].untold
        self._workers[worker].untold = []
        return tuple(message_id for message_id in untold if message_id in held)

    def requeue(self, message_ids: Iterable[str], now: int) -> int:
        """Post dead letters again, and return how many there were."""
        letters = list(self.letters(dict.fromkeys(message_ids), now))
        for letter in letters:
            priority = self._dead[letter.message_id][1]
            self._unbury(letter.message_id)
            self.post(Post(letter.message_id, letter.queue_name, letter.actor_name, priority, 0, letter.body), now)
        return len(letters)

    def discard(self, message_ids: Iterable[str], now: int) -> int:
        """Delete dead letters and waiting messages, and return how many there were."""
        ids = dict.fromkeys(message_ids)
        letters = list(self.letters(ids, now))
        for letter in letters:
            self._unbury(letter.message_id)
        waiting = [item for key in ids if (item := self._items.get(key)) and item.state != "running"]
        for item in waiting:
            self._leave(item)
        return len(letters) + len(waiting)

    def purge(self, queue: str) -> int:
        """Delete what waits in *queue*, and return how many messages that was."""
        waiting = [item for item in self._items.values() if item.queue.name == queue and item.state != "running"]
        for item in waiting:
            self._leave(item)
        return len(waiting)

    def queue_stats(self, now: int) -> Iterator[QueueStats]:
        """Return all queues that hold, or have held, anything."""
        for name in sorted(name for name, queue in self._queues.items() if queue.counts or queue.paused):
            yield self._queues[name].stats(now)

    def worker_stats(self, now: int) -> Iterator[WorkerStats]:
        """Return all workers with a lease."""
        for name, worker in sorted(self._workers.items()):
            yield worker.stats(name, now)

    def _unbury(self, message_id: str) -> None:
        """Take a dead letter out, if it is there."""
        if message_id in self._dead:
            letter = self._dead.pop(message_id)[0]
            self.queue(letter.queue_name).counts["dead"] -= 1
