"""`MemoryState`: the rules of a `MemoryBroker`, without locks or waiting: time, workers, commits. Mutable; the caller passes the time."""

from collections.abc import Collection, Mapping

from fq.brokers.memory.browsing import Browsing
from fq.brokers.memory.items import NEVER, GroupState, Item, WorkerState
from fq.brokers.records import (
    ACK,
    Ack,
    ArriveOp,
    Bury,
    ClaimRequest,
    Commit,
    Continue,
    DeadLetter,
    Delivery,
    EnqueueOp,
    Operation,
    Release,
    Reschedule,
    SetMarkOp,
    StoreResultOp,
)
from fq.brokers.validation import group_ttl, resolve_deferred, rotate


class MemoryState(Browsing):
    """Everything that the broker keeps."""

    # Time passes.

    def promote_and_reclaim(self, now: int) -> None:
        """Make delayed messages ready that are due, take back what expired leases hold, and delete what has expired."""
        self.promote(now)
        for name in [name for name, worker in self._workers.items() if worker.until <= now]:
            self.release(name, {}, None, now)
        self.expire_letters(now)
        self._results.expire(now)
        self._groups.expire(now)
        self._marks.expire(now)
        self._keys.expire(now)

    def next_due(self, worker: str, since: int) -> float:
        """Return when the next delay, or the lease of a worker other than *worker*, ends, or a mark falls due after *since*; infinity if nothing does."""
        due = self._first_due()
        leases = (other.until for name, other in self._workers.items() if name != worker)
        times = (NEVER if due is None else due, min(leases, default=NEVER), self._marks.due(since)[1])
        return float("inf") if min(times) == NEVER else min(times)

    def has_due_marks(self, now: int) -> bool:
        """Is a mark of the index `DUE` due?"""
        return self._marks.due(now)[0]

    def take_new_first(self) -> bool:
        """Has a mark become the first of `DUE` since this was asked?"""
        new, self._marks.has_new_first = self._marks.has_new_first, False
        return new

    def last_turn(self, worker: str) -> int:
        """Return when *worker* had its last turn: marks that were due then do not end its wait."""
        return self._workers[worker].turned_at if worker in self._workers else 0

    # Workers claim.

    def register_turn(self, name: str, until: int, now: int) -> None:
        """Renew the lease of the worker called *name* until *until*, and count one more turn."""
        worker = self._workers.setdefault(name, WorkerState())
        worker.until, worker.turned_at = until, now
        worker.turns += 1

    def note_queues(self, request: ClaimRequest) -> None:
        """Remember which queues a worker asks for."""
        self._workers[request.worker].queues.update(request.queues)

    def renew(self, name: str, until: int) -> None:
        """Renew the lease of the worker called *name* until *until*, if it still has one."""
        if name in self._workers:
            self._workers[name].until = until

    def release(self, name: str, interrupted: Mapping[str, str], counted: Collection[str] | None, now: int) -> int:
        """Delete the worker called *name*, take back what it holds, and return how many messages that was."""
        worker = self._workers.pop(name, WorkerState())
        for item in worker.held.values():
            item.interrupted = interrupted.get(item.message_id, "")
            item.deliveries -= counted is not None and item.message_id not in counted
            self._enter_queue(item, now)
        return len(worker.held)

    def may_claim(self, request: ClaimRequest) -> bool:
        """Is anything ready that *request* asks for?"""
        return any(queue.counts["ready"] for queue in map(self.queue, request.queues) if not queue.paused)

    def claim(self, request: ClaimRequest, now: int) -> tuple[Delivery, ...]:
        """Return what *request* asks for; its worker holds it from now on."""
        worker, left = self._workers[request.worker], request.max_bytes
        self._token += 1
        claimed: list[Delivery] = []
        for queue in map(self.queue, rotate(request.queues, worker.turns)):
            while len(claimed) < request.limit and not queue.paused and (item := queue.pop()):
                left -= len(item.body)
                if left < 0 and claimed:
                    queue.push(item)
                    return tuple(claimed)
                item.run(self._token, request.worker, now)
                if item.unique is not None and item.unique.until == "start":
                    self._free_key(item, now)
                worker.held[item.message_id] = item
                claimed.append(item.delivery(now))
        return tuple(claimed)

    def take_cancelled(self, worker: str) -> tuple[str, ...]:
        """Return, once, the ids of the cancelled messages that a worker holds."""
        held, untold = self._workers[worker].held, self._workers[worker].untold
        self._workers[worker].untold = []
        return tuple(message_id for message_id in untold if message_id in held)

    # Workers commit.

    def commit(self, commit: Commit, now: int) -> bool:
        """Apply *commit* if its token is current, and return whether it is."""
        item = self._items.get(commit.message_id)
        if item is None or item.state != "running" or item.token != commit.token:
            return False
        if not isinstance(commit.disposition, Continue):
            del self._workers[item.worker].held[item.message_id]
            if commit.disposition is ACK:  # the hot path
                self._delete(item, now)
            else:
                self._apply_disposition(item, commit, now)
        for operation in commit.operations:
            self._apply(operation, now, item.cancelled)
        return True

    def _apply_disposition(self, item: Item, commit: Commit, now: int) -> None:
        match commit.disposition:
            case Ack():
                self._delete(item, now)
            case Reschedule(op, fault):
                item.set_state("")
                item.queue, item.actor_name = self.queue(op.queue_name), op.actor_name
                item.priority, item.body = op.priority, op.body
                item.due, item.deliveries, item.interrupted, item.fault = now + op.delay, 0, "", fault or item.fault
                self._enter_queue(item, now)
            case Bury(fault):
                self._remove_letter(item.message_id)
                letter = DeadLetter(item.message_id, item.queue.name, item.actor_name, item.body, fault, now)
                self._numbers += 1
                self._dead[item.message_id] = letter, item.priority, self._numbers
                self._died.add((now, self._numbers, item.message_id))
                self._kinds.add(letter, self._numbers)
                item.queue.counts["dead"] += 1
                self._delete(item, now)
            case Release(counted, interrupted):
                item.deliveries -= not counted
                item.interrupted = interrupted
                self._enter_queue(item, now)
            case Continue():
                pass

    def _apply(self, operation: Operation, now: int, cancelled: bool = False) -> None:
        match operation:
            case EnqueueOp(continues=continues):
                self.enqueue(operation, now, cancelled and continues)
            case StoreResultOp(hold=hold):
                group = self._groups.get(hold, now) if hold else None
                self._results.store(operation, hold != "" and not (group and group.complete), now)
            case ArriveOp():
                self._arrive(operation, now)
            case SetMarkOp():
                self.set_mark(operation, now)

    def _arrive(self, arrive_op: ArriveOp, now: int) -> None:
        known = self._groups.get(arrive_op.group, now)
        group = known or GroupState()
        if group.complete or arrive_op.member in group.values:
            return
        group.values[arrive_op.member] = arrive_op.value
        group.then = group.then or arrive_op.then
        complete = len(group.values) >= arrive_op.size
        if known or arrive_op.size > 1 or group.then:
            self._groups.put(arrive_op.group, group, now + group_ttl(arrive_op, complete))
        if complete:
            values, then = [value for _, value in sorted(group.values.items())], arrive_op.then or group.then
            group.complete, group.values, group.then = True, {}, ()
            for deferred in then:
                self.enqueue(resolve_deferred(deferred, values, now), now, group.cancelled)
            self._results.release(arrive_op.group, now)
