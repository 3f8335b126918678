"""`TrackedMarks`: the marks of a simulation, by the contract in ``fq.brokers.operations``. Mutable shell."""

from collections.abc import Iterator

from fq.brokers.records import ABSENT, ANYTHING, DUE, Mark, SetMarkOp


class TrackedMarks:
    """Mutable: all marks, by key."""

    def __init__(self) -> None:
        self._marks: dict[str, Mark] = {}
        self.keys: dict[str, None] = {}
        """Of all marks that were ever set."""

    def get(self, key: str, now: int) -> Mark | None:
        """Return the mark *key*, unless it has ended."""
        mark = self._marks.get(key)
        return mark if mark is not None and (not mark.until or mark.until > now) else None

    def set(self, op: SetMarkOp, now: int) -> bool:
        """Set the mark of *op* if it is as *op* expects, and return whether it is."""
        found = self.get(op.key, now)
        fits = op.expected == ANYTHING or (found is None if op.expected == ABSENT else found is not None and found.body == op.expected)
        if fits:
            self.keys[op.key] = None
            self._marks.pop(op.key, None)
            if op.body is not None:
                self._marks[op.key] = Mark(op.key, op.body, now + op.ttl if op.ttl else 0, op.index, op.order)
                self._trim(op, now)
        return fits

    def due(self, now: int) -> bool:
        """Is a mark due?"""
        return any(order <= now for order in self._orders(now))

    def next_due(self, now: int) -> int | None:
        """Return when the next mark falls due; None if none does."""
        return min((order for order in self._orders(now) if order > now), default=None)

    def _orders(self, now: int) -> Iterator[int]:
        return (mark.order for key, mark in self._marks.items() if mark.index == DUE and self.get(key, now))

    def _trim(self, op: SetMarkOp, now: int) -> None:
        if op.index and op.most:
            listed = sorted((mark.order, key) for key, mark in self._marks.items() if mark.index == op.index and self.get(key, now))
            for _, key in listed[: -op.most]:
                del self._marks[key]
