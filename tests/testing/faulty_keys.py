"""Brokers that are each wrong in one way about unique keys or marks: what a simulation with either must find."""

from attrs import evolve

from fq.brokers.memory.items import Item
from fq.brokers.memory.state import MemoryState
from fq.brokers.records import ANYTHING, ClaimRequest, Commit, Delivery, EnqueueOp, Operation, SetMarkOp


class FreesAtTheStart(MemoryState):
    """Frees every key when its message is claimed."""

    def claim(self, request: ClaimRequest, now: int) -> tuple[Delivery, ...]:
        claimed = super().claim(request, now)
        for delivery in claimed:
            self._free_key(self._items[delivery.message_id], now)
        return claimed


class FreesWhenLate(MemoryState):
    """Refuses an outcome that comes too late, and frees the key of its message."""

    def commit(self, commit: Commit, now: int) -> bool:
        current = super().commit(commit, now)
        if not current and (item := self._items.get(commit.message_id)):
            self._free_key(item, now)
        return current


class NeverFrees(MemoryState):
    """Keeps every key for ever."""

    def _free_key(self, item: Item, now: int) -> None:
        item.unique = None


class LeavesAside(MemoryState):
    """Frees a key, and leaves aside what waits for it."""

    def _free_key(self, item: Item, now: int) -> None:
        unique, item.unique = item.unique, None
        if unique is not None:
            self._keys.free(unique.key, item.message_id, now)


class ForgetsKeys(MemoryState):
    """Enqueues in a commit whatever the keys say."""

    def _apply(self, operation: Operation, now: int, cancelled: bool = False) -> None:
        super()._apply(evolve(operation, unique=None) if isinstance(operation, EnqueueOp) else operation, now, cancelled)


class FiresTwice(MemoryState):
    """Sets a mark, and sends what follows, whatever the mark is: also when another worker has done it."""

    def set_mark(self, op: SetMarkOp, now: int) -> bool:
        return super().set_mark(evolve(op, expected=ANYTHING), now)


class SendsAllButOne(MemoryState):
    """Sets a mark, and forgets the last of several messages that follow."""

    def set_mark(self, op: SetMarkOp, now: int) -> bool:
        return super().set_mark(evolve(op, then=op.then[:-1]) if len(op.then) > 1 else op, now)


class SendsAndForgets(MemoryState):
    """Sends what follows a mark, and says that it came too late to set it."""

    def set_mark(self, op: SetMarkOp, now: int) -> bool:
        return super().set_mark(op, now) and not op.then


class MarksWhenLate(MemoryState):
    """Refuses an outcome that comes too late, and sets its marks."""

    def commit(self, commit: Commit, now: int) -> bool:
        current = super().commit(commit, now)
        for operation in commit.operations:
            if not current and isinstance(operation, SetMarkOp):
                self.set_mark(operation, now)
        return current
