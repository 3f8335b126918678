"""`Misfit`, what is raised about a value that does not fit its annotation, and how it gathers its path on the way out."""

from collections.abc import Callable, Iterable
from reprlib import Repr
from typing import TypeAlias

Convert: TypeAlias = Callable[[object], object]

_short = Repr()
_short.maxstring = _short.maxother = _short.maxlong = 80


class Misfit(ValueError):
    """
    A value that does not fit its annotation.

    Its text begins with the path to the value, as seen from where it is caught: each container that it leaves adds its part.

    >>> misfit("Decimal", "abc").under(".price").under("[3]").under("items")
    Misfit("items[3].price: expected Decimal, found 'abc'")
    """

    def under(self, part: str) -> "Misfit":
        """Return this misfit as seen from outside of *part* of a path."""
        return Misfit(f"{part}{self}")

    def instead_of(self, old: str, new: str) -> "Misfit":
        """Return this misfit with *new* as what was expected, if that was an *old* right here."""
        rest = str(self).removeprefix(f": expected {old},")
        return self if rest == str(self) else Misfit(f": expected {new},{rest}")

    def because(self, error: Exception) -> "Misfit":
        """Return this misfit with the reason that *error* gives."""
        return Misfit(f"{self} ({type(error).__name__}: {error})")

    @property
    def is_deep(self) -> bool:
        """Whether the value lies inside of the one that was converted here."""
        return not str(self).startswith(":")


def misfit(expected: str, found: object) -> Misfit:
    """Return the misfit of *found* where *expected* was asked for."""
    return Misfit(f": expected {expected}, found {_short.repr(found)}")


def absent(expected: str) -> Misfit:
    """Return the misfit of a value that is not there."""
    return Misfit(f": expected {expected}, found nothing")


def at_path(path: str, convert: Convert, value: object) -> object:
    """
    Return *value*, converted.

    Raises:
        Misfit: with a path that begins with *path*.
    """
    try:
        return convert(value)
    except Misfit as error:
        raise error.under(path) from None
    except RecursionError:
        raise Misfit(f"{path}: nested too deeply, or holds itself") from None


def within(key: object, convert: Convert, value: object) -> object:
    """Return *value*, which its container holds under *key*, converted: `at_path` for what runs once per item."""
    try:
        return convert(value)
    except Misfit as error:
        raise error.under(f".{key}" if isinstance(key, str) else f"[{key!r}]") from None


def each(convert: Convert, items: Iterable[object]) -> list[object]:
    """Return *items*, each converted."""
    return [within(at, convert, item) for at, item in enumerate(items)]
