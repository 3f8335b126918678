"""`ConversionError`: a value does not fit its annotation. Each container that the error leaves adds its part to the path of the value."""

from collections.abc import Callable, Iterable
from reprlib import Repr
from typing import TypeAlias

Convert: TypeAlias = Callable[[object], object]

_short_repr = Repr()
_short_repr.maxstring = _short_repr.maxother = _short_repr.maxlong = 80


class ConversionError(ValueError):
    """
    A value that does not fit its annotation.

    Its text begins with the path to the value.

    >>> mismatch("Decimal", "abc").at(".price").at("[3]").at("items")
    ConversionError("items[3].price: expected Decimal, found 'abc'")
    """

    def at(self, part: str) -> "ConversionError":
        """Return this error with *part* in front of its path."""
        return ConversionError(f"{part}{self}")

    def with_expected(self, old: str, new: str) -> "ConversionError":
        """Return this error as expecting *new* in the place of *old*, if the value itself, and no part of it, is wrong."""
        rest = str(self).removeprefix(f": expected {old},")
        return self if rest == str(self) else ConversionError(f": expected {new},{rest}")

    def without_value(self, expected: str, value: object) -> "ConversionError":
        """Return this error without *value*, if it shows it in the place of what was *expected*."""
        return unshown(expected, value) if str(self).startswith(f": expected {expected}, found ") else self

    def because(self, error: Exception) -> "ConversionError":
        """Return this error with *error* as its reason."""
        return ConversionError(f"{self} ({type(error).__name__}: {error})")

    @property
    def is_nested(self) -> bool:
        """Is a part of the value wrong, and not the value itself?"""
        return not str(self).startswith(":")


def mismatch(expected: str, found: object) -> ConversionError:
    """Return the error of finding *found* where *expected* belongs."""
    return ConversionError(f": expected {expected}, found {_short_repr.repr(found)}")


def unshown(expected: str, found: object) -> ConversionError:
    """Return the error of finding *found* where *expected*, which has a secret, belongs: it may be the secret."""
    return ConversionError(
        f": expected {expected}, found a value of type {type(found).__name__}, which is not shown, since it may be a secret"
    )


def misfit(what: str, found: object) -> str:
    """Return *what* is wrong with *found*, as text."""
    return f"{what}, found {_short_repr.repr(found)}"


def missing(expected: str) -> ConversionError:
    """Return the error of a value that is missing."""
    return ConversionError(f": expected {expected}, found nothing")


def at_path(path: str, convert: Convert, value: object) -> object:
    """
    Return *value* converted.

    Raises:
        ConversionError: its path begins with *path*.
    """
    try:
        return convert(value)
    except ConversionError as error:
        raise error.at(path) from None
    except RecursionError:
        raise ConversionError(f"{path}: nested too deeply, or holds itself") from None


def at_key(key: object, convert: Convert, value: object) -> object:
    """Return *value*, which its container holds under *key*, converted. Runs once an item, so it does less than `at_path`."""
    try:
        return convert(value)
    except ConversionError as error:
        raise error.at(f".{key}" if isinstance(key, str) else f"[{key!r}]") from None


def convert_each(convert: Convert, items: Iterable[object]) -> list[object]:
    """Return *items* converted."""
    return [at_key(at, convert, item) for at, item in enumerate(items)]
