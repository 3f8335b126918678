"""`counted`: counts of many things, all together within a bound, for brokers that count messages one by one. Pure, but for what the caller counts."""

from collections.abc import Callable, Sequence
from typing import TypeVar

K = TypeVar("K")


def counted(kinds: Sequence[K], most: int, count: Callable[[Sequence[K], int], Sequence[int]], most_of_all: int) -> list[tuple[int, bool]]:
    """
    Return for each of *kinds* how many messages it has, up to *most*, and whether there are more.

    *count* counts some kinds, each up to a limit. First each gets the same share of *most_of_all*; then those with more get what the others have left.

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
