"""
`Ledger`: records all commands to a broker and its answers; an answer that contradicts them is a `Violation`.

It follows the contract in ``fq.brokers.protocol``, and knows nothing of any implementation. Mutable shell.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import assert_never

from returns.pipeline import is_successful

from fq.brokers.records import (
    OPEN_GROUP_TTL_MS,
    Ack,
    ArriveOp,
    Bury,
    ClaimRequest,
    Commit,
    Continue,
    Delivery,
    EnqueueOp,
    Release,
    Reschedule,
    SetMarkOp,
    StoreResultOp,
    Turn,
)
from fq.brokers.validation import group_ttl, resolve_deferred
from fq.core.message import CANCELLED, RETRIES, Message
from fq.testing.simulation.entries import NEVER, Entries
from fq.testing.simulation.tracked import TrackedGroup, TrackedMessage
from fq.wire.codec import decode_result


class Ledger(Entries):
    """The records of one run. All times are ms on the broker's clock. Schedules fire until *fires_until*."""

    def __init__(self, fires_until: int = 0) -> None:
        super().__init__()
        self.results: dict[str, tuple[bytes, int]] = {}
        self.waiting: dict[str, dict[str, int]] = {}  # by group: results that wait for it, and their ttl once it is complete
        self.groups: dict[str, TrackedGroup] = {}
        self.leases: dict[str, int] = {}
        self.fires_until = fires_until
        self.stale = 0
        self.deliveries = 0
        self._held: dict[str, dict[str, TrackedMessage]] = {}

    # Commands and answers.

    def record_turn(self, commits: Sequence[Commit], request: ClaimRequest, turn: Turn, now: int) -> None:
        """Record a turn: first commits, then expired leases, then claims."""
        self.leases[request.worker] = now + request.lease
        stale: list[str] = []
        for commit in commits:
            entry = self.alive.get(commit.message_id)
            if entry is None or not entry.worker or entry.token != commit.token:
                stale.append(commit.message_id)
            else:
                self._commit(entry, commit, now)
        if stale or turn.stale:
            self._compare_stale(Counter(stale), Counter(turn.stale), request.worker)
        for worker in [worker for worker, until in self.leases.items() if until <= now]:
            self.record_release(worker, {}, None, now)
        self._check_cancel_notice(request.worker, turn.cancelled)
        for delivery in turn.deliveries:
            self._claim(delivery, request, now)

    def record_renewal(self, workers: Iterable[str], until: int) -> None:
        """Record that leases were renewed."""
        for worker in workers:
            if worker in self.leases:
                self.leases[worker] = until

    def record_release(self, worker: str, interrupted: Mapping[str, str], counted: Collection[str] | None, now: int) -> None:
        """Record that all messages of *worker* were taken back."""
        self.leases.pop(worker, None)
        for message_id, entry in self._held.pop(worker, {}).items():
            entry.deliveries -= counted is not None and message_id not in counted
            self._wait(entry, now, interrupted.get(message_id, ""))

    def record_deletion(self, message_ids: Iterable[str], now: int) -> None:
        """Record that messages were deleted, except running ones."""
        for message_id in list(message_ids):
            self.dead.pop(message_id, None)
            if (entry := self.alive.get(message_id)) and not entry.worker:
                self.end(entry, "discarded", now)

    def record_cancel(self, message_ids: Iterable[str], groups: Iterable[str], found: int, now: int) -> None:
        """Record that messages, of which the broker *found* some, and the continuations of *groups* were cancelled."""
        names = list(dict.fromkeys(message_ids))
        entries = [self.alive[message_id] for message_id in names if message_id in self.alive]
        if found != len(entries):
            self.add_violation("changed", f"{self.names(names)}: {len(entries)} of them could be cancelled, but the broker says {found}")
        for entry in entries:
            entry.cancelled, entry.cancel_unseen = True, bool(entry.worker)
            entry.due = entry.due if entry.worker else min(entry.due, now)
            if not entry.worker:
                self.free(entry, now)
        for group in groups:
            group_state = self.groups.get(group)
            if group_state is None or group_state.until <= now:
                group_state = self.groups[group] = TrackedGroup(until=now + OPEN_GROUP_TTL_MS)
            group_state.cancelled = True

    def record_read(self, message: Message) -> None:
        """Record that a worker has read a message: its number of retries must be the committed one."""
        entry, found = self.alive.get(message.message_id), RETRIES.get(message)
        if entry is not None and entry.retries is None:
            entry.retries = found
        elif entry is not None and entry.retries != found:
            said = f"{self.name(message.message_id)} says retries={found}"
            self.add_violation("miscounted", f"{said} when {entry.retries} of its failures were committed as retries")

    # Conclusions.

    def succeeded(self, message_id: str) -> bool:
        """Is the latest stored result of a message a success?"""
        return message_id in self.results and is_successful(decode_result(self.results[message_id][0]))

    def next_due(self, now: int) -> int | None:
        """Return when the next delay ends, a schedule fires, or the lease of a worker with messages expires; None if nothing does."""
        delays = [entry.due for entry in self.alive.values() if now < entry.due < NEVER and not entry.worker]
        tick = self.marks.next_due(now)
        delays += [] if tick is None or tick > self.fires_until else [tick]
        leases = [self.leases[worker] for worker, held in self._held.items() if held]
        return min((due for due in delays + leases if due > now), default=None)

    def waits(self, now: int) -> bool:
        """Does a due message wait, or a mark that is due?"""
        return any(not entry.worker and entry.due <= now for entry in self.alive.values()) or self.fires(now)

    def fires(self, now: int) -> bool:
        """Is a mark due that was so before schedules stopped?"""
        return self.marks.due(min(now, self.fires_until))

    def _wait(self, entry: TrackedMessage, now: int, interrupted: str = "") -> None:
        entry.worker, entry.token, entry.interrupted, entry.cancel_unseen = "", 0, interrupted, False
        entry.due = min(entry.due, now) if entry.cancelled else entry.due

    def _check_cancel_notice(self, worker: str, cancelled: Collection[str]) -> None:
        for message_id, entry in self._held.get(worker, {}).items():
            if entry.cancel_unseen and message_id not in cancelled:
                self.add_violation("lost", f"{worker} holds {self.name(message_id)}, but was not told that it is cancelled")
            entry.cancel_unseen = False

    def _compare_stale(self, stale: Counter[str], said: Counter[str], worker: str) -> None:
        """Compare the outcomes that had to be stale with those that the broker calls stale."""
        self.stale += stale.total()
        for message_id in stale - said:
            self.add_violation("duplicated", f"an outcome of {self.name(message_id)} was committed by {worker}, which no longer holds it")
        for message_id in said - stale:
            self.add_violation("lost", f"the outcome of {self.name(message_id)} was refused to {worker}, which holds it")

    def _claim(self, delivery: Delivery, request: ClaimRequest, now: int) -> None:
        self.deliveries += 1
        entry, name = self.alive.get(delivery.message_id), self.name(delivery.message_id)
        if entry is None:
            self.add_violation("duplicated", f"{name} was delivered to {request.worker} {self._why_undeliverable(delivery.message_id)}")
            return
        if entry.worker:
            self.add_violation("duplicated", f"{name} was delivered to {request.worker} while {entry.worker} holds it")
            self._held[entry.worker].pop(delivery.message_id)
        if entry.due > now:
            self.add_violation("early", f"{name} was delivered to {request.worker} {entry.due - now} ms before it was due")
        entry.deliveries += 1
        if delivery.deliveries != entry.deliveries:
            self.add_violation("miscounted", f"delivery {entry.deliveries} of {name} is said to be number {delivery.deliveries}")
            entry.deliveries = delivery.deliveries
        expected = CANCELLED if entry.cancelled else entry.interrupted
        if delivery.interrupted != expected:
            self.add_violation("changed", f"{name} was delivered with interrupted={delivery.interrupted!r}, expected {expected!r}")
        if delivery.body != entry.op.body:
            self.add_violation("changed", f"{name} was delivered with the body {delivery.body!r}, expected {entry.op.body!r}")
        entry.worker, entry.token = request.worker, delivery.token
        self._held.setdefault(request.worker, {})[delivery.message_id] = entry
        if entry.unique is not None and entry.unique.until == "start":
            self.free(entry, now)

    def _why_undeliverable(self, message_id: str) -> str:
        """Return why a message must not be delivered."""
        if message_id in self.ended:
            return f"again, after it was {self.ended[message_id]}"
        if message_id in self.left_out:
            return f"but was left out, since {self.name(self.left_out[message_id])} had its unique key"
        for group, group_state in self.groups.items():
            if message_id in (deferred.op.message_id for deferred in group_state.then):
                return f"when {len(group_state.values)} of the {group_state.size} members of group {group} had arrived"
        return "but was never sent"

    def _commit(self, entry: TrackedMessage, commit: Commit, now: int) -> None:
        if not isinstance(commit.disposition, Continue):
            del self._held[entry.worker][commit.message_id]
        self._dispose(entry, commit, now)
        for operation in commit.operations:
            match operation:
                case EnqueueOp(continues=continues):
                    self.record_enqueue([operation], now, entry.cancelled and continues)
                case StoreResultOp():
                    self._keep(operation, now)
                case ArriveOp():
                    self._join(operation, now)
                case SetMarkOp():
                    self.record_mark(operation, now)
                case unknown:
                    assert_never(unknown)

    def _dispose(self, entry: TrackedMessage, commit: Commit, now: int) -> None:
        match commit.disposition:
            case Ack():
                self.end(entry, "done", now)
            case Bury():
                self.end(entry, "dead", now)
                self.dead[commit.message_id] = entry.op, now
            case Reschedule(op, fault):
                entry.op, entry.due, entry.deliveries = op, now + op.delay, 0
                entry.retries = None if entry.retries is None else entry.retries + (fault is not None)
                entry.has_failed = entry.has_failed or fault is not None
                self._wait(entry, now)
            case Release(counted, interrupted):
                entry.deliveries -= not counted
                self._wait(entry, now, interrupted)
            case Continue():
                pass
            case unknown:
                assert_never(unknown)

    def _keep(self, store_op: StoreResultOp, now: int) -> None:
        """Record a result. Its ttl starts when the group that it waits for is complete."""
        group_state = self.groups.get(store_op.hold)
        waits = store_op.hold != "" and not (group_state and group_state.until > now and len(group_state.values) >= group_state.size)
        if waits:
            self.waiting.setdefault(store_op.hold, {})[store_op.message_id] = store_op.ttl
        self.results[store_op.message_id] = store_op.body, now + (max(store_op.ttl, OPEN_GROUP_TTL_MS) if waits else store_op.ttl)

    def _join(self, arrive_op: ArriveOp, now: int) -> None:
        """Record an arrival. Only that of the last member sends the continuation of the group and starts the ttl of its results."""
        group_state = self.groups.get(arrive_op.group)
        if group_state is None or group_state.until <= now:
            group_state = self.groups[arrive_op.group] = TrackedGroup()
        group_state.size = group_state.size or arrive_op.size
        if arrive_op.member in group_state.values or len(group_state.values) >= group_state.size:
            return
        group_state.values[arrive_op.member] = arrive_op.value
        group_state.then = group_state.then or arrive_op.then
        complete = len(group_state.values) == group_state.size
        group_state.until = now + group_ttl(arrive_op, complete)
        if complete:
            values = [value for _, value in sorted(group_state.values.items())]
            self.record_enqueue(
                [resolve_deferred(deferred, values, now) for deferred in arrive_op.then or group_state.then], now, group_state.cancelled
            )
            for message_id, ttl in self.waiting.pop(arrive_op.group, {}).items():
                self.results[message_id] = self.results[message_id][0], now + ttl
            if arrive_op.size == 1 and not group_state.then and not group_state.cancelled:
                del self.groups[arrive_op.group]  # the broker keeps nothing of such a group
