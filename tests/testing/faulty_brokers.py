"""Brokers that are each wrong in one way, of the five that queues are usually wrong in: what a simulation must find."""

from collections.abc import Callable

from attrs import evolve

from fq.brokers.clock import ManualClock
from fq.brokers.memory import MemoryBroker
from fq.brokers.memory.items import GroupState, Item
from fq.brokers.memory.state import MemoryState
from fq.brokers.records import ArriveOp, ClaimRequest, Commit, Delivery, Operation, Release, StoreResultOp
from fq.brokers.validation import DEAD_TTL_MS, resolve_deferred


class Unfenced(MemoryState):
    """Commits every outcome, even of messages that another worker has claimed since."""

    def commit(self, commit: Commit, now: int) -> bool:
        item = self._items.get(commit.message_id)
        if item is not None:
            if item.state == "running":
                del self._workers[item.worker].held[item.message_id]
            self._apply_disposition(item, commit, now)
        for operation in commit.operations:
            self._apply(operation, now)
        return True


class AcksFirst(MemoryState):
    """Takes a message off its queue in one command, with its result, and sends its follow-ups in the worker's next."""

    def __init__(self, dead_ttl: int) -> None:
        super().__init__(dead_ttl)
        self._turning = ""
        self._later: dict[str, list[Operation]] = {}

    def register_turn(self, name: str, until: int, now: int) -> None:
        super().register_turn(name, until, now)
        self._turning = name
        for operation in self._later.pop(name, ()):
            self._apply(operation, now)

    def commit(self, commit: Commit, now: int) -> bool:
        at_once = tuple(operation for operation in commit.operations if isinstance(operation, StoreResultOp))
        acked = super().commit(evolve(commit, operations=at_once), now)
        if acked:
            self._later.setdefault(self._turning, []).extend(operation for operation in commit.operations if operation not in at_once)
        return acked


class CountsFailures(MemoryState):
    """Counts a delivery when its failure is committed: one that kills its worker is never counted."""

    def claim(self, request: ClaimRequest, now: int) -> tuple[Delivery, ...]:
        claimed = super().claim(request, now)
        for delivery in claimed:
            self._items[delivery.message_id].deliveries -= 1
        return claimed

    def commit(self, commit: Commit, now: int) -> bool:
        item = self._items.get(commit.message_id)
        if item is not None and isinstance(commit.disposition, Release):
            item.deliveries += 1
        return super().commit(commit, now)


class CountsArrivals(MemoryState):
    """Counts the arrivals at a group, no matter whose they are."""

    def __init__(self, dead_ttl: int) -> None:
        super().__init__(dead_ttl)
        self._arrived: dict[str, list[tuple[int, bytes]]] = {}

    def _arrive(self, arrive_op: ArriveOp, now: int) -> None:
        arrived = self._arrived.setdefault(arrive_op.group, [])
        arrived.append((arrive_op.member, arrive_op.value))
        group = self._groups.get(arrive_op.group, now) or GroupState()
        group.then = group.then or arrive_op.then
        self._groups.put(arrive_op.group, group, now + arrive_op.ttl)
        if len(arrived) == arrive_op.size:
            for deferred in group.then:
                self.place(resolve_deferred(deferred, [value for _, value in sorted(arrived)], now), now)
            self._results.release(arrive_op.group, now)


class PromotesTwice(MemoryState):
    """Makes ready what has fallen due in one command, and takes it off the delayed ones in the worker's next: another may be in between."""

    def __init__(self, dead_ttl: int) -> None:
        super().__init__(dead_ttl)
        self._turning = ""
        self._promoted: dict[str, list[Item]] = {}

    def register_turn(self, name: str, until: int, now: int) -> None:
        super().register_turn(name, until, now)
        self._turning = name
        for item in self._promoted.pop(name, ()):
            if item.state == "delayed":
                item.set_state("")

    def promote(self, now: int) -> None:
        promoted = self._promoted.setdefault(self._turning, [])
        for _, _, item in list(self._delayed.after(None)):
            if item.state == "delayed" and item.due <= now and item not in promoted:
                promoted.append(item)
                self._numbers += 1
                self._items[item.message_id] = twin = evolve(item, state="", number=self._numbers)
                self._enter_queue(twin, now)


def on(store: type[MemoryState]) -> Callable[[ManualClock], MemoryBroker]:
    """Return what makes a broker on *store*."""

    def make(clock: ManualClock) -> MemoryBroker:
        broker = MemoryBroker(clock=clock)
        broker._state = store(DEAD_TTL_MS)
        return broker

    return make
