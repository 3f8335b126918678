"""
`Ledger`: an account of what a broker was told and what it gave; whatever does not add up is a `Flaw`.

It knows what ``fq.brokers.protocol`` promises and nothing of how a broker keeps the promise. Mutable shell.
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
from fq.testing.simulation.tracked import Assembly, Entry
from fq.wire.codec import decode_result

MANY = 5
"""So many messages are named where there are more."""


@frozen
class Flaw:
    """
    What went wrong in a run.

    *kind* is ``"lost"``, ``"duplicated"``, ``"stuck"``, ``"early"``, ``"miscounted"``, ``"changed"``, ``"raised"``; or ``"check"`` for
    what your own check said.
    """

    kind: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


class Ledger:
    """The account of one run. All times are ms on the broker's clock."""

    def __init__(self) -> None:
        self.flaws: list[Flaw] = []
        self.alive: dict[str, Entry] = {}
        self.ended: dict[str, str] = {}
        self.dead: dict[str, tuple[EnqueueOp, int]] = {}
        self.results: dict[str, tuple[bytes, int]] = {}
        self.waiting: dict[str, dict[str, int]] = {}  # for which group, which results, and for how long they are kept when it is complete
        self.groups: dict[str, Assembly] = {}
        self.leases: dict[str, int] = {}
        self.stale = 0
        self.deliveries = 0
        self._held: dict[str, dict[str, Entry]] = {}
        self._names: dict[str, str] = {}
        self._numbers: Counter[str] = Counter()

    def name(self, message_id: str) -> str:
        """Return what a message is called in reports: its actor, and a number."""
        return self._names.get(message_id, message_id)

    def names(self, message_ids: Collection[str]) -> str:
        """Return what messages are called in reports, the first few of them."""
        more = f" and {len(message_ids) - MANY} more" if len(message_ids) > MANY else ""
        return ", ".join(self.name(message_id) for message_id in islice(message_ids, MANY)) + more

    def flag(self, kind: str, what: str) -> None:
        """Note that something went wrong."""
        self.flaws.append(Flaw(kind, what))

    # What was told.

    def sent(self, ops: Iterable[EnqueueOp], now: int, cancelled: bool = False) -> None:
        """Note *posts*, cancelled or not: a message of the id of one that waits or runs adds nothing."""
        for op in ops:
            if op.message_id not in self.alive:
                self.alive[op.message_id] = Entry(op, now if cancelled else now + op.delay, cancelled=cancelled)
                if op.message_id not in self._names:
                    self._numbers[op.actor_name] += 1
                    self._names[op.message_id] = f"{op.actor_name}#{self._numbers[op.actor_name]}"

    def turned(self, commits: Sequence[Commit], request: ClaimRequest, turn: Turn, now: int) -> None:
        """Note a turn: commits first, then leases that ran out, then claims."""
        self.leases[request.worker] = now + request.lease
        stale: list[str] = []
        for commit in commits:
            entry = self.alive.get(commit.message_id)
            if entry is None or not entry.worker or entry.token != commit.token:
                stale.append(commit.message_id)
            else:
                self._commit(entry, commit, now)
        if stale or turn.stale:
            self._judge(Counter(stale), Counter(turn.stale), request.worker)
        for worker in [worker for worker, until in self.leases.items() if until <= now]:
            self.released(worker, {}, None, now)
        self._tell(request.worker, turn.cancelled)
        for delivery in turn.deliveries:
            self._claim(delivery, request, now)

    def renewed(self, workers: Iterable[str], until: int) -> None:
        """Note that leases were renewed."""
        for worker in workers:
            if worker in self.leases:
                self.leases[worker] = until

    def released(self, worker: str, interrupted: Mapping[str, str], counted: Collection[str] | None, now: int) -> None:
        """Note that all was taken back that *worker* held."""
        self.leases.pop(worker, None)
        for message_id, entry in self._held.pop(worker, {}).items():
            entry.deliveries -= counted is not None and message_id not in counted
            self._wait(entry, now, interrupted.get(message_id, ""))

    def forgotten(self, message_ids: Iterable[str]) -> None:
        """Note that messages were deleted, unless they run."""
        for message_id in list(message_ids):
            self.dead.pop(message_id, None)
            if (entry := self.alive.get(message_id)) and not entry.worker:
                del self.alive[message_id]
                self.ended[message_id] = "discarded"

    def cancelled(self, message_ids: Iterable[str], groups: Iterable[str], found: int, now: int) -> None:
        """Note that messages were cancelled, of which the broker *found* so many, and what comes after *groups*."""
        names = list(dict.fromkeys(message_ids))
        entries = [self.alive[message_id] for message_id in names if message_id in self.alive]
        if found != len(entries):
            self.flag("changed", f"{self.names(names)}: {len(entries)} of them could be cancelled, and the broker says {found}")
        for entry in entries:
            entry.cancelled, entry.untold = True, bool(entry.worker)
            entry.due = entry.due if entry.worker else min(entry.due, now)
        for group in groups:
            assembly = self.groups.get(group)
            if assembly is None or assembly.until <= now:
                assembly = self.groups[group] = Assembly(until=now + OPEN_GROUP_TTL_MS)
            assembly.cancelled = True

    def opened(self, message: Message) -> None:
        """Note what a worker read: the retries in it must be those that were committed."""
        entry, found = self.alive.get(message.message_id), RETRIES.get(message)
        if entry is not None and entry.retries is None:
            entry.retries = found
        elif entry is not None and entry.retries != found:
            said = f"{self.name(message.message_id)} says retries={found}"
            self.flag("miscounted", f"{said} when {entry.retries} of its failures were committed as retries")

    # What follows from it.

    def succeeded(self, message_id: str) -> bool:
        """Does the latest result that was stored of a message say that it succeeded?"""
        return message_id in self.results and is_successful(decode_result(self.results[message_id][0]))

    def next_due(self, now: int) -> int | None:
        """Return when the next delay, or lease of a worker that holds something, runs out; None if none will."""
        delays = [entry.due for entry in self.alive.values() if entry.due > now and not entry.worker]
        leases = [self.leases[worker] for worker, held in self._held.items() if held]
        return min((due for due in delays + leases if due > now), default=None)

    def waits(self, now: int) -> bool:
        """Does anything wait that is due?"""
        return any(not entry.worker and entry.due <= now for entry in self.alive.values())

    def _wait(self, entry: Entry, now: int, interrupted: str = "") -> None:
        entry.worker, entry.token, entry.interrupted, entry.untold = "", 0, interrupted, False
        entry.due = min(entry.due, now) if entry.cancelled else entry.due

    def _tell(self, worker: str, cancelled: Collection[str]) -> None:
        for message_id, entry in self._held.get(worker, {}).items():
            if entry.untold and message_id not in cancelled:
                self.flag("lost", f"{worker} holds {self.name(message_id)}, and was not told that it is cancelled")
            entry.untold = False

    def _judge(self, stale: Counter[str], said: Counter[str], worker: str) -> None:
        """Compare what had to be stale with what the broker said was."""
        self.stale += stale.total()
        for message_id in stale - said:
            self.flag("duplicated", f"an outcome of {self.name(message_id)} was committed by {worker}, which does not hold it any more")
        for message_id in said - stale:
            self.flag("lost", f"the outcome of {self.name(message_id)} was refused to {worker}, which holds it")

    def _claim(self, delivery: Delivery, request: ClaimRequest, now: int) -> None:
        self.deliveries += 1
        entry, name = self.alive.get(delivery.message_id), self.name(delivery.message_id)
        if entry is None:
            self.flag("duplicated", f"{name} was delivered to {request.worker} {self._why_not(delivery.message_id)}")
            return
        if entry.worker:
            self.flag("duplicated", f"{name} was delivered to {request.worker} while {entry.worker} holds it")
            self._held[entry.worker].pop(delivery.message_id)
        if entry.due > now:
            self.flag("early", f"{name} was delivered to {request.worker} {entry.due - now} ms before it was due")
        entry.deliveries += 1
        if delivery.deliveries != entry.deliveries:
            self.flag("miscounted", f"delivery {entry.deliveries} of {name} is said to be number {delivery.deliveries}")
            entry.deliveries = delivery.deliveries
        expected = CANCELLED if entry.cancelled else entry.interrupted
        if delivery.interrupted != expected:
            self.flag("changed", f"{name} was delivered with interrupted={delivery.interrupted!r}, expected {expected!r}")
        if delivery.body != entry.op.body:
            self.flag("changed", f"{name} was delivered with the body {delivery.body!r}, expected {entry.op.body!r}")
        entry.worker, entry.token = request.worker, delivery.token
        self._held.setdefault(request.worker, {})[delivery.message_id] = entry

    def _why_not(self, message_id: str) -> str:
        """Return why a message cannot be delivered."""
        if message_id in self.ended:
            return f"again, after it was {self.ended[message_id]}"
        for group, assembly in self.groups.items():
            if message_id in (deferred.op.message_id for deferred in assembly.then):
                return f"when {len(assembly.values)} of the {assembly.size} members of group {group} had arrived"
        return "and nobody sent it"

    def _commit(self, entry: Entry, commit: Commit, now: int) -> None:
        del self._held[entry.worker][commit.message_id]
        self._dispose(entry, commit, now)
        for operation in commit.operations:
            match operation:
                case EnqueueOp(continues=continues):
                    self.sent([operation], now, entry.cancelled and continues)
                case StoreResultOp():
                    self._keep(operation, now)
                case ArriveOp():
                    self._join(operation, now)
                case unknown:
                    assert_never(unknown)

    def _dispose(self, entry: Entry, commit: Commit, now: int) -> None:
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

    def end(self, entry: Entry, how: str) -> None:
        """Note that a message has ended."""
        message_id = entry.op.message_id
        del self.alive[message_id]
        self.ended[message_id] = how

    def _keep(self, store_op: StoreResultOp, now: int) -> None:
        """Note a result: until the group that it waits for is complete, its time does not run."""
        assembly = self.groups.get(store_op.hold)
        waits = store_op.hold != "" and not (assembly and assembly.until > now and len(assembly.values) >= assembly.size)
        if waits:
            self.waiting.setdefault(store_op.hold, {})[store_op.message_id] = store_op.ttl
        self.results[store_op.message_id] = store_op.body, now + (max(store_op.ttl, OPEN_GROUP_TTL_MS) if waits else store_op.ttl)

    def _join(self, arrive_op: ArriveOp, now: int) -> None:
        """Note an arrival: the last member's, and no other, sends what comes after the group, and ends the waiting of results."""
        assembly = self.groups.get(arrive_op.group)
        if assembly is None or assembly.until <= now:
            assembly = self.groups[arrive_op.group] = Assembly()
        assembly.size = assembly.size or arrive_op.size
        if arrive_op.member in assembly.values or len(assembly.values) >= assembly.size:
            return
        assembly.values[arrive_op.member] = arrive_op.value
        assembly.then = assembly.then or arrive_op.then
        complete = len(assembly.values) == assembly.size
        assembly.until = now + group_ttl(arrive_op, complete)
        if complete:
            values = [value for _, value in sorted(assembly.values.items())]
            self.sent([resolve_deferred(deferred, values, now) for deferred in arrive_op.then or assembly.then], now, assembly.cancelled)
            for message_id, ttl in self.waiting.pop(arrive_op.group, {}).items():
                self.results[message_id] = self.results[message_id][0], now + ttl
            if arrive_op.size == 1 and not assembly.then and not assembly.cancelled:
                del self.groups[arrive_op.group]  # of such a group nothing is kept
