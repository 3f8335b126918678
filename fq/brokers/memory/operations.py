"""`Operators`: the calls of operators to a `MemoryBroker`. Only `purge` and `queue_stats` read more than they change. Next: ``fq.brokers.memory.state``."""

from collections.abc import Iterable, Iterator, Sequence

from attrs import frozen

from fq.brokers.memory.contents import Contents
from fq.brokers.memory.items import GroupState, WorkerState
from fq.brokers.records import OPEN_GROUP_TTL_MS, ClaimedMessage, DeadLetter, EnqueueOp, QueueStats, Status, WorkerStats
from fq.brokers.requeue import LiveMessage, RequeuePlanner


class Operators(Contents):
    """See `Broker` for the purpose of each call."""

    def result(self, message_id: str, now: int) -> bytes | None:
        """Return the result of a message."""
        return self._results.get(message_id, now)

    def status(self, message_id: str, now: int) -> Status:
        """Return where a message is."""
        if item := self._items.get(message_id):
            due = item.due if item.state == "delayed" else 0
            return Status(message_id, item.state, item.queue.name, item.actor_name, item.deliveries, due, item.worker, item.fault)
        if letter := next(self.dead_letters([message_id], now), None):
            return Status(message_id, "dead", letter.queue_name, letter.actor_name, fault=letter.fault)
        return Status(message_id, "unknown" if self.result(message_id, now) is None else "done")

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
            elif item.state == "delayed":
                item.set_state("")
                self._enter_queue(item, now)
        return len(found)

    def requeue(self, message_ids: Iterable[str], plan: RequeuePlanner, now: int) -> int:
        """Carry out the *plan* for dead letters, and return how many it requeued."""
        chosen = dict.fromkeys(message_ids)
        planned = plan(chosen, View(self, now), now)
        for message_id in planned.taken_messages:
            self._delete(self._items[message_id])
        for group, numbers in planned.removed.items():
            if found := self._groups.get(group, now):
                found.values = {number: value for number, value in found.values.items() if number not in numbers}
        for one in planned.reopened:
            self._groups.put(one.group, GroupState(dict(one.values), one.then), now + OPEN_GROUP_TTL_MS)
        for message_id in planned.deleted_letters:
            self._remove_letter(message_id)
        for op in planned.enqueues:
            self.enqueue(op, now)
        return planned.count(chosen)

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
            self._delete(item)
        return len(letters) + len(waiting)

    def purge(self, queue: str) -> int:
        """Delete the messages that wait in *queue*, and return how many."""
        waiting = [item for item in self._items.values() if item.queue.name == queue and item.state != "running"]
        for item in waiting:
            self._delete(item)
        return len(waiting)

    def queue_stats(self, now: int) -> Iterator[QueueStats]:
        """Return all queues that hold messages or have held any."""
        for name in sorted(name for name, queue in self._queues.items() if queue.counts or queue.paused):
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
