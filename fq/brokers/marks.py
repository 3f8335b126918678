"""`MarkStore`: what fq asks of a broker about marks, small named records with an end. The records are in ``fq.brokers.operations``."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from fq.brokers.operations import Mark, SetMarkOp


class MarkStore(Protocol):
    """Keeps marks. A commit sets marks, too: `SetMarkOp` is an operation."""

    def set_marks(self, ops: Sequence[SetMarkOp]) -> tuple[bool, ...]:
        """
        Carry out *ops* in order, each wholly or not at all, and return for each whether its mark was as expected.

        When the broker repeats a call because the reply was lost, it may say of an op that was carried out that its mark was not as expected.
        """
        ...

    def marks(self, keys: Sequence[str]) -> Mapping[str, Mark]:
        """Return those marks of *keys* that exist, by key."""
        ...

    def marks_in(
        self, index: str, *, after: tuple[int, str] | None = None, limit: int = 100, latest_first: bool = False
    ) -> tuple[Mark, ...]:
        """
        Return up to *limit* marks of *index* by (order, key), lowest first or, with *latest_first*, highest first.

        With *after*, the order and key of a mark, only those that come after it in this direction, whether that mark still exists or not.
        """
        ...

    def count_marks(self, index: str) -> int:
        """Return how many marks *index* lists; those that have just ended may be among them."""
        ...
