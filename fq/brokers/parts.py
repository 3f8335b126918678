"""`parts`: many names some at a time, so that no step of a broker takes long."""

from collections.abc import Iterable, Iterator


def parts(names: Iterable[str], size: int) -> Iterator[tuple[str, ...]]:
    """
    Yield each of *names* once, in order, *size* at a time.

    >>> list(parts(["a", "b", "a", "c"], 2))
    [('a', 'b'), ('c',)]
    """
    distinct = tuple(dict.fromkeys(names))
    return (distinct[first : first + size] for first in range(0, len(distinct), size))
