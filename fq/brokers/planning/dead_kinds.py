"""The kinds of dead letters, for brokers in an SQL database, which count letters one by one. Pure, but for what the caller counts."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from attrs import frozen

MAX_KINDS = 1_000
"""How many kinds of dead letters one call looks at."""

MOST_OF_ALL = 50_000
"""How many letters of all kinds together are counted, about."""

K = TypeVar("K")


@frozen
class Kinds:
    """The kinds of which letters are wanted, each a queue, an actor and a type of error. *are_all*: no other kinds fit."""

    found: tuple[tuple[str, str, str], ...]
    are_all: bool


NO_KINDS = Kinds((), False)


def counted(
    kinds: Sequence[K], most: int, count: Callable[[Sequence[K], int], Sequence[int]], most_of_all: int = MOST_OF_ALL
) -> list[tuple[int, bool]]:
    """
    Return for each of *kinds* how many letters it has, and whether there are more.

    *count* counts some kinds, each up to a limit. First every kind gets the same share of *most_of_all*; then those with more get what the others have left.

    >>> sizes = {"flood": 900, "rare": 3}
    >>> counted(list(sizes), 500, lambda kinds, limit: [min(limit, sizes[kind]) for kind in kinds], most_of_all=200)
    [(197, True), (3, False)]
    """
    if not kinds:
        return []
    share = max(1, min(most, most_of_all // len(kinds)))
    found = [(min(number, share), number > share) for number in count(kinds, share + 1)]
    large = [at for at, (_, has_more) in enumerate(found) if has_more]
    left = most_of_all - sum(number for number, has_more in found if not has_more)
    rest = min(most, left // max(1, len(large)))
    if large and rest > share:
        for at, number in zip(large, count([kinds[at] for at in large], rest + 1), strict=True):
            found[at] = min(number, rest), number > rest
    return found
