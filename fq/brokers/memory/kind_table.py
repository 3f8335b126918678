"""`KindTable`: which dead letters there are of one queue, actor and type of error. Mutable."""

from collections.abc import Callable, Iterator
from heapq import merge
from typing import TypeAlias

from fq.brokers.memory.sorted_entries import Position, SortedEntries
from fq.brokers.records import DeadKind, DeadLetter

Kind: TypeAlias = tuple[str, str, str]
"""A queue, an actor and a type of error."""


class KindTable:
    """The ids of dead letters by their kind, in the order in which they died."""

    def __init__(self) -> None:
        self._died: dict[Kind, SortedEntries[str]] = {}

    def add(self, letter: DeadLetter, number: int) -> None:
        """Add *letter*, which has this serial number."""
        self._died.setdefault(kind_of(letter), SortedEntries()).add((letter.died_at, number, letter.message_id))

    def remove(self, letter: DeadLetter, number: int) -> None:
        """Remove *letter*, which is there."""
        died = self._died[kind_of(letter)]
        died.remove((letter.died_at, number, letter.message_id))
        if not died:
            del self._died[kind_of(letter)]

    def kinds(self, message_of: Callable[[str], str]) -> Iterator[DeadKind]:
        """Yield all kinds; *message_of* returns the text of the error of a letter."""
        for kind, died in self._died.items():
            first_at, *_ = next(died.after(None))
            last_at, _, last_id = next(died.before(None))
            yield DeadKind(*kind, len(died), first_at, last_at, message_of(last_id))

    def letters(self, queue: str | None, actor: str | None, error: str | None, position: Position | None) -> Iterator[tuple[int, int, str]]:
        """Yield the letters of one *queue*, *actor* and *error*, None is any, that come before *position*, the latest first, as `SortedEntries` does."""
        fit = [
            died for kind, died in self._died.items() if queue in (None, kind[0]) and actor in (None, kind[1]) and error in (None, kind[2])
        ]
        return merge(*(died.before(position) for died in fit), reverse=True)


def kind_of(letter: DeadLetter) -> Kind:
    """Return the kind of *letter*."""
    return letter.queue_name, letter.actor_name, letter.fault.type
