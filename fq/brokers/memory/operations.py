"""`Operators`: the calls of operators to a `MemoryBroker`. Only `queue_stats` reads more than it changes. Next: ``fq.brokers.memory.state``."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from attrs import evolve, frozen

from fq.brokers.counters import Count
from fq.brokers.memory.contents import Contents
from fq.brokers.memory.items import NEVER, GroupState, Item, WorkerState
from fq.brokers.operations import finished_key
from fq.brokers.records import OPEN_GROUP_TTL_MS, ClaimedMessage, DeadLetter, EnqueueOp, Mark, QueueStats, Status, WorkerStats
from fq.brokers.requeue import LiveMessage, RequeuePlanner


class Operators(Contents):
    """See `Broker` for the purpose of each call."""

    def result(self, message_id: str, now: int) -> bytes | None:
        """Return the result of a message."""
        return self._results.get(message_id, now)

    def status(self, message_id: str, now: int) -> Status:
        """Return where a message is."""
        if item := self._items.get(message_id):
            return item.status()
        if letter := next(self.dead_letters([message_id], now), None):
            return Status(message_id, "dead", letter.queue_name, letter.actor_name, fault=letter.fault)
        if self.result(message_id, now) is not None or self._marks.get(finished_key(message_id), now):
            return Status(message_id, "done")
        if group := self._groups.get(message_id, now):
            return Status(message_id, "done") if group.complete else Status(message_id, "waiting", arrived=len(group.values))
        return Status(message_id, "unknown")

    def claimed_by(self, worker: str) -> Iterator[ClaimedMessage]:
        """Return the messages that a worker holds, in the order in which it claimed them."""
        for item in self._workers.get(worker, WorkerState()).held.values():
            yield ClaimedMessage(item.message_id, item.queue.name, item.actor_name, worker, item.since)

    def cancel(self, message_ids: Iterable[str], groups: Iterable[str], now: int) -> int:
        """Cancel messages, and what comes after *groups*; return how many of the messages there are."""
        for name in groups:
            group = self._groups.get(name, now)
            if group is None:
                group = GroupState()
                self._groups.put(name, group, now + OPEN_GROUP_TTL_MS)
            group.cancelled = not group.complete
        found = [item for key in dict.fromkeys(message_ids) if (item := self._items.get(key))]
        for item in found:
            item.cancelled = True
            if item.state == "running":
                self._workers[item.worker].untold.append(item.message_id)
                continue
            if item.state == "delayed":
                item.set_state("")
                self._enter_queue(item, now)
            self._free_key(item, now)  # it will not run
        return len(found)

    def requeue(self, message_ids: Iterable[str], plan: RequeuePlanner, now: int) -> int:
        """Carry out the *plan* for dead letters, and return how many it requeued."""
        chosen = dict.fromkeys(message_ids)
        planned = plan(chosen, View(self, now), now)
        for message_id in planned.taken_messages:
            self._delete(self._items[message_id], now)
        for group, numbers in planned.removed.items():
            if found := self._groups.get(group, now):
                found.values = {number: value for number, value in found.values.items() if number not in numbers}
        for one in planned.reopened:
            self._groups.put(one.group, GroupState(dict(one.values), one.then), now + OPEN_GROUP_TTL_MS)
        for message_id in planned.taken_letters:
            self._remove_letter(message_id)
        refused = sum(not self._requeue(op, now) for op in planned.enqueues)
        return planned.count(chosen) - refused

    def _requeue(self, op: EnqueueOp, now: int) -> bool:
        """Put a dead letter back on its queue, unless another message holds its unique key; return whether none does."""
        holder = self._keys.get(op.unique.key, now) if op.unique else None
        if holder is not None and holder.message_id != op.message_id:
            return False
        if op.unique and holder is not None and not holder.held:  # its own window
            self._keys.drop(op.unique.key)
        self._remove_letter(op.message_id)
        self.enqueue(op, now)
        return True

    def to_enqueue_op(self, letter: DeadLetter) -> EnqueueOp:
        """Return *letter* as an operation that enqueues it again."""
        return EnqueueOp(letter.message_id, letter.queue_name, letter.actor_name, self._dead[letter.message_id][1], 0, letter.body)

    def live_messages(self, message_ids: Iterable[str]) -> dict[str, LiveMessage]:
        """Return those of *message_ids* that wait or run."""
        found = [item for key in message_ids if (item := self._items.get(key))]
        return {
            item.message_id: LiveMessage(
                EnqueueOp(item.message_id, item.queue.name, item.actor_name, item.priority, 0, item.body), item.state == "running"
            )
            for item in found
        }

    def open_groups(self, groups: Iterable[str], now: int) -> set[str]:
        """Return those of *groups* that have arrivals and are not complete."""
        return {name for name in groups if (group := self._groups.get(name, now)) and not group.complete}

    def discard(self, message_ids: Iterable[str], now: int) -> int:
        """Delete dead letters and waiting messages, and return how many."""
        ids = dict.fromkeys(message_ids)
        letters = list(self.dead_letters(ids, now))
        for letter in letters:
            self._remove_letter(letter.message_id)
        waiting = [item for key in ids if (item := self._items.get(key)) and item.state != "running"]
        for item in waiting:
            self._delete(item, now)
        return len(letters) + len(waiting)

    def replace(self, op: EnqueueOp, expected: bytes | None, now: int) -> bool:
        """See `Broker.replace`."""
        item = self._items.get(op.message_id)
        if item is None or item.state == "running" or expected not in (None, item.body):
            return False
        due = now + op.delay
        holder = None if item.unique is None else self._keys.get(item.unique.key, now)
        if holder is not None and holder.aside == op.message_id:
            due = NEVER
        elif holder is not None and op.unique is not None and op.unique.max_wait:
            due = min(due, max(now, holder.since + op.unique.max_wait))
        new = evolve(item, queue=self.queue(op.queue_name), actor_name=op.actor_name, priority=op.priority, body=op.body, due=due, state="")
        self._put_in_place(item, new, now)
        return True

    def _put_in_place(self, item: Item, new: Item, now: int) -> None:
        """Let *new* wait in place of *item*, which waits."""
        item.set_state("")  # it may stay in an order, which must not deliver the new one in its former place
        item.body = b""
        self._items[item.message_id] = new
        self._enter_queue(new, now)

    def run_now(self, message_ids: Iterable[str], now: int) -> int:
        """Make messages ready that are delayed, but not those that are put aside, and return how many wait."""
        found = [item for key in dict.fromkeys(message_ids) if (item := self._items.get(key)) and item.state != "running"]
        for item in found:
            if item.state == "delayed" and item.due < NEVER:
                self._put_in_place(item, evolve(item, due=min(item.due, now), state=""), now)
        return len(found)

    def marks(self, keys: Iterable[str], now: int) -> dict[str, Mark]:
        """See `MarkStore.marks`."""
        return {key: mark for key in keys if (mark := self._marks.get(key, now))}

    def marks_in(self, index: str, after: tuple[int, str] | None, latest_first: bool, now: int) -> Iterator[Mark]:
        """See `MarkStore.marks_in`."""
        return self._marks.listed(index, after, latest_first, now)

    def count_marks(self, index: str) -> int:
        """See `MarkStore.count_marks`."""
        return self._marks.count(index)

    def count(self, counts: Iterable[Count], now: int) -> None:
        """See `CounterStore.count`."""
        for bucket in [bucket for bucket, (until, _) in self._counters.items() if until <= now]:
            del self._counters[bucket]
        for each in counts:
            self._counters.setdefault(each.bucket, (now + each.ttl, Counter()))[1][each.name] += each.by

    def counts(self, buckets: Iterable[str], now: int) -> dict[str, dict[str, int]]:
        """See `CounterStore.counts`."""
        return {bucket: dict(found[1]) for bucket in buckets if (found := self._counters.get(bucket)) and found[0] > now}

    def queue_stats(self, now: int) -> Iterator[QueueStats]:
        """Return all queues that hold messages or have held any."""
        for name in sorted(name for name, queue in self._queues.items() if queue.is_used or queue.paused):
            yield self._queues[name].stats(now)

    def worker_stats(self, now: int) -> Iterator[WorkerStats]:
        """Return all workers with a lease."""
        for name, worker in sorted(self._workers.items()):
            yield worker.stats(name, now)


@frozen
class View:
    """A `RequeueView` of *kept* at the time *now*."""

    kept: Operators
    now: int

    def dead_letters(self, message_ids: Sequence[str]) -> dict[str, EnqueueOp]:
        return {letter.message_id: self.kept.to_enqueue_op(letter) for letter in self.kept.dead_letters(message_ids, self.now)}

    def live_messages(self, message_ids: Sequence[str]) -> dict[str, LiveMessage]:
        return self.kept.live_messages(message_ids)

    def open_groups(self, groups: Sequence[str]) -> set[str]:
        return self.kept.open_groups(groups, self.now)
