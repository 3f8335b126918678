"""
`Ledger`: records all commands to a broker and its answers; an answer that contradicts them is a `Violation`.

It follows the contract in ``fq.brokers.protocol``, and knows nothing of any implementation. Mutable shell.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import assert_never

from attrs import frozen
from returns.pipeline import is_successful

from fq.brokers.records import (
    OPEN_GROUP_TTL_MS,
    Ack,
    ArriveOp,
    Bury,
    ClaimRequest,
    Commit,
    Delivery,
    EnqueueOp,
    Release,
    Reschedule,
    StoreResultOp,
    Turn,
)
from fq.brokers.validation import group_ttl, resolve_deferred
from fq.core.message import CANCELLED, RETRIES, Message
from fq.testing.simulation.tracked import TrackedGroup, TrackedMessage
from fq.wire.codec import decode_result

MAX_NAMED = 5
"""How many messages a report names."""


@frozen
class Violation:
    """
    A contradiction between the broker and its contract.

    *kind* is ``"lost"``, ``"duplicated"``, ``"stuck"``, ``"early"``, ``"miscounted"``, ``"changed"``, ``"raised"``; or ``"check"`` for
    an error of your own check.
    """

    kind: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


class Ledger:
    """The records of one run. All times are ms on the broker's clock."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self.alive: dict[str, TrackedMessage] = {}
        self.ended: dict[str, str] = {}
        self.dead: dict[str, tuple[EnqueueOp, int]] = {}
        self.results: dict[str, tuple[bytes, int]] = {}
        self.waiting: dict[str, dict[str, int]] = {}  # by group: results that wait for it, and their ttl once it is complete
        self.groups: dict[str, TrackedGroup] = {}
        self.leases: dict[str, int] = {}
        self.stale = 0
        self.deliveries = 0
        self._held: dict[str, dict[str, TrackedMessage]] = {}
        self._names: dict[str, str] = {}
        self._numbers: Counter[str] = Counter()

    def name(self, message_id: str) -> str:
        """Return the name of a message in reports: its actor and a number."""
        return self._names.get(message_id, message_id)

    def names(self, message_ids: Collection[str]) -> str:
        """Return the names of messages in reports, of the first few only."""
        more = f" and {len(message_ids) - MAX_NAMED} more" if len(message_ids) > MAX_NAMED else ""
        return ", ".join(self.name(message_id) for message_id in islice(message_ids, MAX_NAMED)) + more

    def add_violation(self, kind: str, what: str) -> None:
        """Record that something went wrong."""
        self.violations.append(Violation(kind, what))

    # Commands and answers.

    def record_enqueue(self, ops: Iterable[EnqueueOp], now: int, cancelled: bool = False) -> None:
        """Record *ops*, cancelled or not. A message whose id waits or runs already adds nothing."""
        for op in ops:
            if op.message_id not in self.alive:
                self.alive[op.message_id] = TrackedMessage(op, now if cancelled else now + op.delay, cancelled=cancelled)
                if op.message_id not in self._names:
                    self._numbers[op.actor_name] += 1
                    self._names[op.message_id] = f"{op.actor_name}#{self._numbers[op.actor_name]}"

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

    def record_deletion(self, message_ids: Iterable[str]) -> None:
        """Record that messages were deleted, except running ones."""
        for message_id in list(message_ids):
            self.dead.pop(message_id, None)
            if (entry := self.alive.get(message_id)) and not entry.worker:
                del self.alive[message_id]
                self.ended[message_id] = "discarded"

    def record_cancel(self, message_ids: Iterable[str], groups: Iterable[str], found: int, now: int) -> None:
        """Record that messages, of which the broker *found* some, and the continuations of *groups* were cancelled."""
        names = list(dict.fromkeys(message_ids))
        entries = [self.alive[message_id] for message_id in names if message_id in self.alive]
        if found != len(entries):
            self.add_violation("changed", f"{self.names(names)}: {len(entries)} of them could be cancelled, but the broker says {found}")
        for entry in entries:
            entry.cancelled, entry.cancel_unseen = True, bool(entry.worker)
            entry.due = entry.due if entry.worker else min(entry.due, now)
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
        """Return when the next delay ends, or the next lease of a worker with messages expires; None if there is none."""
        delays = [entry.due for entry in self.alive.values() if entry.due > now and not entry.worker]
        leases = [self.leases[worker] for worker, held in self._held.items() if held]
        return min((due for due in delays + leases if due > now), default=None)

    def waits(self, now: int) -> bool:
        """Does a due message wait?"""
        return any(not entry.worker and entry.due <= now for entry in self.alive.values())

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

    def _why_undeliverable(self, message_id: str) -> str:
        """Return why a message must not be delivered."""
        if message_id in self.ended:
            return f"again, after it was {self.ended[message_id]}"
        for group, group_state in self.groups.items():
            if message_id in (deferred.op.message_id for deferred in group_state.then):
                return f"when {len(group_state.values)} of the {group_state.size} members of group {group} had arrived"
        return "but was never sent"

    def _commit(self, entry: TrackedMessage, commit: Commit, now: int) -> None:
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
                case unknown:
                    assert_never(unknown)

    def _dispose(self, entry: TrackedMessage, commit: Commit, now: int) -> None:
        match commit.disposition:
            case Ack():
                self.end(entry, "done")
            case Bury():
                self.end(entry, "dead")
                self.dead[commit.message_id] = entry.op, now
            case Reschedule(op, fault):
                entry.op, entry.due, entry.deliveries = op, now + op.delay, 0
                entry.retries = None if entry.retries is None else entry.retries + (fault is not None)
                self._wait(entry, now)
            case Release(counted, interrupted):
                entry.deliveries -= not counted
                self._wait(entry, now, interrupted)
            case unknown:
                assert_never(unknown)

    def end(self, entry: TrackedMessage, how: str) -> None:
        """Record that a message has ended."""
        message_id = entry.op.message_id
        del self.alive[message_id]
        self.ended[message_id] = how

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
