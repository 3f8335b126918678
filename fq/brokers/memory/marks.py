"""`MarkTable` and `KeyTable`: the marks and the unique keys of a `MemoryBroker`. Mutable; the caller passes the time."""

from bisect import bisect_left, insort
from collections.abc import Iterator

from attrs import define

from fq.brokers.findings import HeldKey
from fq.brokers.memory.items import NEVER, ExpiringMap
from fq.brokers.records import ABSENT, ANYTHING, DUE, Mark, SetMarkOp


class MarkTable:
    """Marks by key, and by the indexes that list them."""

    def __init__(self) -> None:
        self._marks: ExpiringMap[Mark] = ExpiringMap()
        self._indexes: dict[str, list[tuple[int, str]]] = {}
        self.has_new_first = False
        """Has a mark become the first of the index `DUE`, since this was last set to False?"""

    def get(self, key: str, now: int) -> Mark | None:
        """Return the mark *key*."""
        return self._marks.get(key, now)

    def fits(self, op: SetMarkOp, now: int) -> bool:
        """Is the mark of *op* as *op* expects it?"""
        if op.expected == ANYTHING:
            return True
        mark = self._marks.get(op.key, now)
        return mark is None if op.expected == ABSENT else mark is not None and mark.body == op.expected

    def set(self, op: SetMarkOp, now: int) -> None:
        """Set the mark of *op*."""
        if op.body is None:
            self._remove(op.key)
            return
        if before := self._marks.get(op.key, -NEVER):
            self._unlist(before)
        mark = Mark(op.key, op.body, now + op.ttl if op.ttl else 0, op.index, op.order)
        self._marks.put(op.key, mark, mark.until or NEVER)
        if op.index:
            entries = self._indexes.setdefault(op.index, [])
            insort(entries, (op.order, op.key))
            self.has_new_first |= op.index == DUE and entries[0][1] == op.key
            while op.most and len(entries) > op.most:
                self._remove(entries[0][1])

    def _remove(self, key: str) -> None:
        if mark := self._marks.pop(key, -NEVER):
            self._unlist(mark)

    def _unlist(self, mark: Mark) -> None:
        if mark.index:
            entries = self._indexes[mark.index]
            del entries[bisect_left(entries, (mark.order, mark.key))]
            if not entries:
                del self._indexes[mark.index]

    def expire(self, now: int) -> None:
        """Delete the marks that have ended."""
        for mark in self._marks.expire(now):
            self._unlist(mark)

    def listed(self, index: str, after: tuple[int, str] | None, latest_first: bool, now: int) -> Iterator[Mark]:
        """Yield the marks of *index* that come after *after*."""
        entries = self._indexes.get(index, [])
        if latest_first:
            places = range((bisect_left(entries, after) if after else len(entries)) - 1, -1, -1)
        else:
            places = range(bisect_left(entries, (after[0], after[1] + "\0")) if after else 0, len(entries))
        return (mark for place in places if (mark := self.get(entries[place][1], now)))

    def count(self, index: str) -> int:
        """Return how many marks *index* lists."""
        return len(self._indexes.get(index, ()))

    def due(self, now: int) -> tuple[bool, int]:
        """Return whether a mark of the index `DUE` is due, and when the next one will be; `NEVER` if there is none."""
        entries = self._indexes.get(DUE)
        if not entries:
            return False, NEVER
        later = bisect_left(entries, (now + 1, ""))
        return later > 0, entries[later][0] if later < len(entries) else NEVER


@define
class KeyHolder:
    """
    Mutable: who holds a unique key: the message *message_id*, taken at *since*, at least until *until*; *aside* is the message that is put aside.

    It is not *held* any more once the message has freed it, and only its window is left.
    """

    message_id: str
    since: int
    until: int
    held: bool = True
    aside: str = ""


class KeyTable:
    """Holders of unique keys."""

    def __init__(self) -> None:
        self._holders: ExpiringMap[KeyHolder] = ExpiringMap()

    def get(self, key: str, now: int) -> KeyHolder | None:
        """Return who holds *key*."""
        return self._holders.get(key, now)

    def take(self, key: str, message_id: str, now: int, window: int) -> None:
        """Let a message hold *key*."""
        self._holders.put(key, KeyHolder(message_id, now, now + window), NEVER)

    def free(self, key: str, message_id: str, now: int) -> str:
        """Free what a message has of *key*. Return the message that was put aside, and takes the key; ``""`` if there is none."""
        holder = self._holders.get(key, now)
        if holder is None or message_id not in (holder.message_id, holder.aside):
            return ""
        if holder.aside == message_id:
            holder.aside = ""
            return ""
        if holder.aside:
            holder.message_id, holder.aside, holder.since = holder.aside, "", now
            return holder.message_id
        holder.held = False
        self._holders.put(key, holder, holder.until)
        return ""

    def held(self) -> Iterator[HeldKey]:
        """Yield the keys that messages hold, each with its holder."""
        return ((key, holder.message_id) for key, holder in self._holders.items() if holder.held)

    def drop(self, key: str) -> None:
        """Forget *key*, which only its window keeps."""
        self._holders.pop(key, 0)

    def expire(self, now: int) -> None:
        """Forget the keys whose window has ended."""
        self._holders.expire(now)
