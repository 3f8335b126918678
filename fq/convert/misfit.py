"""`Misfit`, what is raised about a value that does not fit its annotation, and how it gathers its path on the way out."""

from collections.abc import Callable, Iterable
from reprlib import Repr
from typing import TypeAlias

Convert: TypeAlias = Callable[[object], object]

_short = Repr()
_short.maxstring = _short.maxother = _short.maxlong = 80


class Misfit(Exception):
    """
    A value that does not fit its annotation.

    Its text begins with the path to the value, seen from where it is caught, so each container that it passes adds its part.

    >>> misfit("Decimal", "abc").under(".price").under("[3]").under("items")
    Misfit("items[3].price: expected Decimal, found 'abc'")
    """

    def under(self, part: str) -> "Misfit":
        """Return this misfit as seen from outside of *part* of a path."""
        return Misfit(f"{part}{self}")

    @property
    def is_deep(self) -> bool:
        """Whether the value lies inside of the one that was converted."""
        return not str(self).startswith(":")


def misfit(expected: str, found: object) -> Misfit:
    """Return the misfit of *found* where *expected* was asked for."""
    return Misfit(f": expected {expected}, found {_short.repr(found)}")


def absent(expected: str) -> Misfit:
    """Return the misfit of a value that is not there."""
    return Misfit(f": expected {expected}, found nothing")


def each(convert: Convert, items: Iterable[object]) -> list[object]:
    """
    Return *items*, each converted.

    Raises:
        Misfit: of the first item that does not fit, with its index.
    """
    done: list[object] = []
    try:
        for item in items:
            done.append(convert(item))
    except Misfit as error:
        raise error.under(f"[{len(done)}]") from None
    return done
