"""`SortedEntries`: values by their place in an order, of which there may be a million. Mutable; no call costs more than a small part of them."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from typing import Generic, TypeAlias, TypeVar

V = TypeVar("V")

Position: TypeAlias = tuple[int, int]

PART_SIZE = 1_000
"""A part of twice this size is cut in two."""


class SortedEntries(Generic[V]):
    """
    Entries of two numbers, which are their place, and a value; in short sorted lists, the lowest first.

    An entry that comes last, as most do, costs no search.
    """

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: list[list[tuple[int, int, V]]] = []

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __bool__(self) -> bool:
        return bool(self._parts)

    def add(self, entry: tuple[int, int, V]) -> None:
        """Add *entry*."""
        parts = self._parts
        if not parts:
            parts.append([entry])
        elif entry > (part := parts[-1])[-1]:
            if len(part) < PART_SIZE:
                part.append(entry)
            else:
                parts.append([entry])
        else:
            at = bisect_left(parts, entry, hi=len(parts) - 1, key=_last)
            insort(parts[at], entry)
            if len(parts[at]) > 2 * PART_SIZE:
                parts[at : at + 1] = [parts[at][:PART_SIZE], parts[at][PART_SIZE:]]

    def remove(self, entry: tuple[int, int, V]) -> None:
        """Remove *entry*, which is there."""
        at = bisect_left(self._parts, entry, key=_last)
        part = self._parts[at]
        del part[bisect_left(part, entry)]
        if not part:
            del self._parts[at]

    def first(self) -> tuple[int, int, V] | None:
        """Return the lowest entry; None if there is none."""
        return self._parts[0][0] if self._parts else None

    def pop(self) -> tuple[int, int, V]:
        """Remove the lowest entry, and return it. Raises `IndexError` if there is none."""
        part = self._parts[0]
        entry = part.pop(0)
        if not part:
            del self._parts[0]
        return entry

    def after(self, position: Position | None) -> Iterator[tuple[int, int, V]]:
        """Yield the entries that come after *position*, or all, the lowest first."""
        if position is None:
            at = within = 0
        else:
            at = bisect_right(self._parts, position, key=lambda part: _position(part[-1]))
            within = bisect_right(self._parts[at], position, key=_position) if at < len(self._parts) else 0
        for number in range(at, len(self._parts)):
            part = self._parts[number]
            yield from (part[place] for place in range(within if number == at else 0, len(part)))

    def before(self, position: Position | None) -> Iterator[tuple[int, int, V]]:
        """Yield the entries that come before *position*, or all, the highest first."""
        at = len(self._parts) if position is None else bisect_left(self._parts, position, key=lambda part: _position(part[-1]))
        if position is not None and at < len(self._parts):
            part = self._parts[at]
            yield from (part[place] for place in range(bisect_left(part, position, key=_position) - 1, -1, -1))
        for number in range(at - 1, -1, -1):
            yield from reversed(self._parts[number])


def _last(part: list[tuple[int, int, V]]) -> tuple[int, int, V]:
    return part[-1]


def _position(entry: tuple[int, int, V]) -> Position:
    return entry[:2]
