"""Unique keys: `KeyTable` says which message holds each, and which is put aside for it. Pure but for the table, which changes in order."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from attrs import define, field

from fq.brokers.records import EnqueueOp, Placement, UniqueKey, new_placement

Row: TypeAlias = tuple[str, str, int, int, int, int, str, int]


@define
class Holder:
    """
    Mutable: a row of the table.

    *is_known* and *has_begun* say of the holder: is there such a message, and has it begun. *has_aside* says: is there a message that is put aside.
    """

    key: str
    message_id: str
    since: int
    until: int
    held: bool
    at_start: bool
    aside: str
    aside_at_start: bool
    is_known: bool = True
    has_begun: bool = False
    has_aside: bool = False

    def row(self) -> Row:
        """Return it as the table stores it."""
        return (
            *(self.key, self.message_id, self.since, self.until, int(self.held), int(self.at_start)),
            *(self.aside, int(self.aside_at_start)),
        )


@define
class KeyTable:
    """Mutable: the *holders* of some keys at the time *now*, and what has become of them. *readied* are messages that were put aside, and are ready."""

    now: int
    holders: dict[str, Holder]
    changed: set[str] = field(factory=set)
    readied: list[str] = field(factory=list)

    def place(self, message_id: str, unique: UniqueKey) -> tuple[Placement, bool]:
        """Say which message stands for a new one that wants the key *unique*, and whether that is put aside."""
        holder = self.get(unique.key)
        at_start = unique.until == "start"
        if holder is None:
            self.holders[unique.key] = Holder(unique.key, message_id, self.now, self.now + unique.window, True, at_start, "", False)
        elif unique.on_conflict != "after" or not (holder.aside or (holder.held and holder.has_begun)):
            return new_placement(holder.message_id, False), False
        elif holder.aside:
            return new_placement(holder.aside, False), False
        else:
            holder.aside, holder.aside_at_start = message_id, at_start
            holder.until = max(holder.until, self.now + unique.window)
        self.changed.add(unique.key)
        return new_placement(message_id, True), holder is not None

    def get(self, key: str) -> Holder | None:
        """Return who holds *key*, or whose window keeps it."""
        holder = self.holders.get(key)
        return holder if holder is not None and (holder.held or holder.until > self.now) else None

    def free(self, message_ids: Iterable[str], started: bool = False) -> None:
        """Let messages that have ended free their keys, in order; or those that have *started* free theirs, if these are freed then."""
        keys = {holder.message_id: holder for holder in self.holders.values() if holder.held}
        keys |= {holder.aside: holder for holder in self.holders.values() if holder.aside}
        for message_id in message_ids:
            holder = keys.pop(message_id, None)
            if holder is None:
                continue
            if started and not (holder.aside_at_start if holder.aside == message_id else holder.at_start):
                continue
            self._free(holder, message_id)

    def _free(self, holder: Holder, message_id: str) -> None:
        self.changed.add(holder.key)
        if holder.aside == message_id:
            holder.aside, holder.aside_at_start = "", False
        elif holder.aside:
            self.readied.append(holder.aside)
            holder.message_id, holder.at_start, holder.since = holder.aside, holder.aside_at_start, self.now
            holder.aside, holder.aside_at_start, holder.is_known, holder.has_begun = "", False, True, False
        else:
            holder.held = False

    def drop(self, key: str) -> None:
        """Forget *key*, which only its window keeps."""
        self.holders[key].held, self.holders[key].until = False, 0
        self.changed.add(key)

    def by_message(self) -> dict[str, str]:
        """Return the keys that messages hold, or are put aside for, by message id."""
        return {message_id: holder.key for holder in self.holders.values() for message_id in (holder.message_id, holder.aside)}

    def drop_lost_asides(self) -> None:
        """Forget messages that were put aside, and that are not there any more."""
        for holder in self.holders.values():
            if holder.aside and not holder.has_aside:
                holder.aside, holder.aside_at_start = "", False
                self.changed.add(holder.key)

    def lost_holders(self) -> list[str]:
        """Return the ids of messages that hold a key, and are not there any more."""
        return [holder.message_id for holder in self.holders.values() if holder.held and not holder.is_known]

    def kept(self) -> list[Row]:
        """Return the rows to write."""
        return [self.holders[key].row() for key in self.changed if self.get(key) is not None]

    def gone(self) -> list[str]:
        """Return the keys whose rows to delete."""
        return [key for key in self.changed if self.get(key) is None]

    def admit(self, ops: Sequence[EnqueueOp]) -> list[EnqueueOp]:
        """Return those of *ops* whose unique key no other message holds, and forget keys that only their own windows keep."""
        admitted: list[EnqueueOp] = []
        taken: dict[str, str] = {}
        for op in ops:
            if op.unique is not None:
                holder = self.get(op.unique.key)
                if taken.setdefault(op.unique.key, op.message_id if holder is None else holder.message_id) != op.message_id:
                    continue
                if holder is not None and not holder.held:
                    self.drop(op.unique.key)
            admitted.append(op)
        return admitted


def key_table(rows: Iterable[Sequence[object]], now: int) -> KeyTable:
    """Return the table of *rows*, each as `Holder.row` has it; then the state of the holder, None, 1 or 2 if it has begun; and is the one aside there?"""
    holders = {}
    for key, holder, since, until, held, at_start, aside, aside_at_start, state, has_aside in rows:
        about = state is not None, state == 2, bool(has_aside)
        times = int(str(since)), int(str(until))
        holders[str(key)] = Holder(str(key), str(holder), *times, bool(held), bool(at_start), str(aside), bool(aside_at_start), *about)
    return KeyTable(now, holders)


def place_all(ops: Sequence[EnqueueOp], table: KeyTable, unknown: set[str]) -> tuple[list[Placement], list[tuple[EnqueueOp, bool]]]:
    """
    Say which message stands for each of *ops*, and return those to enqueue, each with: is it put aside?

    *unknown* are the ids of those that neither wait nor run.
    """
    left = set(unknown)
    placements, new = [], []
    for op in ops:
        placement, is_aside = new_placement(op.message_id, op.message_id in left), False
        if placement.is_new and op.unique is not None:
            placement, is_aside = table.place(op.message_id, op.unique)
        placements.append(placement)
        if placement.is_new:
            left.discard(op.message_id)
            new.append((op, is_aside))
    return placements, new
