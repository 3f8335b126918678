"""`TrackedKeys`: who holds each unique key of a simulation, by the contract in ``fq.brokers.operations``. Mutable shell."""

from collections.abc import Mapping

from attrs import define, frozen

from fq.brokers.records import EnqueueOp, UniqueKey
from fq.testing.simulation.tracked import TrackedMessage


@frozen
class Standing:
    """Which message stands for an op: its own if it *is_new*, which may be put *aside*."""

    message_id: str
    is_new: bool
    aside: bool = False


@define(eq=False)
class TrackedKey:
    """Mutable: a key: its holder, which took it at *since*; it is not free before *until*, nor while it is *held*. *aside* is put aside for it."""

    holder: str
    since: int
    until: int
    held: bool = True
    aside: str = ""


class TrackedKeys:
    """Mutable: all unique keys."""

    def __init__(self) -> None:
        self._keys: dict[str, TrackedKey] = {}

    def place(self, op: EnqueueOp, alive: Mapping[str, TrackedMessage], now: int) -> Standing:
        """Return which message stands for *op*; if that is its own, it takes the key, or is put aside for it."""
        if op.message_id in alive:
            return Standing(op.message_id, False)
        if op.unique is None:
            return Standing(op.message_id, True)
        key = self.get(op.unique.key, now)
        if key is None:
            self._keys[op.unique.key] = TrackedKey(op.message_id, now, now + op.unique.window)
            return Standing(op.message_id, True)
        if op.unique.on_conflict == "after" and key.aside:
            return Standing(key.aside, False)
        if op.unique.on_conflict == "after" and key.held and alive[key.holder].has_begun:
            key.aside, key.until = op.message_id, max(key.until, now + op.unique.window)
            return Standing(op.message_id, True, aside=True)
        return Standing(key.holder, False)

    def get(self, key: str, now: int) -> TrackedKey | None:
        """Return the state of *key*; None if it is free."""
        found = self._keys.get(key)
        return found if found is not None and (found.held or found.until > now) else None

    def free(self, unique: UniqueKey, message_id: str, now: int) -> str:
        """Free what a message has of its key. Return the message that was put aside, and takes the key; ``""`` if there is none."""
        key = self._keys[unique.key]
        if key.aside == message_id:
            key.aside = ""
        elif key.holder == message_id and key.aside:
            key.holder, key.aside, key.since = key.aside, "", now
            return key.holder
        elif key.holder == message_id:
            key.held = False
        return ""

    def refuses(self, op: EnqueueOp, now: int) -> bool:
        """Does another message have the key of *op*, a letter that is requeued? If only its own window holds the key, it is free from now on."""
        key = None if op.unique is None else self.get(op.unique.key, now)
        if op.unique is None or key is None:
            return False
        if key.holder == op.message_id and not key.held:
            del self._keys[op.unique.key]
        return key.holder != op.message_id

    def due(self, op: EnqueueOp, entry: TrackedMessage, now: int) -> int:
        """Return when *entry* is due once *op* is in its place."""
        key = None if entry.unique is None else self._keys[entry.unique.key]
        if key is None or key.aside == op.message_id:
            return entry.due if key is not None else now + op.delay
        limit = op.unique.max_wait if op.unique is not None else 0
        return min(now + op.delay, max(now, key.since + limit)) if limit else now + op.delay
