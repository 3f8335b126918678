"""
`converter`, the cattrs converter that writes and reads single values: strict for JSON's own types, as text for the rest.

Register hooks there for types of your own, before their first use::

    converter.register_unstructure_hook(Money, str)
    converter.register_structure_hook(Money, lambda text, _: Money.parse(text))
"""

from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import TypeVar
from uuid import UUID

from cattrs import Converter

from fq.convert.coder import JSON, SCALARS, Coder
from fq.convert.hints import name_of
from fq.convert.misfit import Misfit, misfit

T = TypeVar("T")
_MICROSECOND = timedelta(microseconds=1)
_wire: dict[object, frozenset[type]] = {}


def _unknown(value: object, _: object = None) -> object:
    """Stand for the hooks that nobody registered."""
    return value


converter = Converter(unstructure_fallback_factory=lambda _: _unknown, structure_fallback_factory=lambda _: _unknown)


def leaf(annotation: object) -> Coder:
    """Return the coder of a single value: what the hooks of `converter` make of it."""
    name = name_of(annotation)
    write, read = converter.get_unstructure_hook(annotation), converter.get_structure_hook(annotation)
    if read is _unknown:
        return _refusal(name)
    expected = annotation if isinstance(annotation, type) and annotation is not float else object

    def encode(value: object) -> object:
        try:
            if isinstance(value, expected):
                return write(value)
        except Misfit:
            raise
        except Exception as error:  # a hook may raise anything
            raise because(misfit(name, value), error) from None
        raise misfit(name, value)

    def decode(tree: object) -> object:
        try:
            return read(tree, annotation)
        except Misfit:
            raise
        except Exception as error:  # so may a hook, a validator or an initialiser
            raise because(misfit(name, tree), error) from None

    passing = frozenset((annotation,)) & SCALARS
    return Coder(name, encode, decode, wire=_wire.get(annotation, JSON), is_plain=bool(passing), passing=passing)


def because(misfit: Misfit, error: Exception) -> Misfit:
    """Return *misfit* with the reason that *error* gives."""
    return misfit if isinstance(error, RecursionError) else Misfit(f"{misfit} ({type(error).__name__}: {error})")


def _refusal(name: str) -> Coder:
    advice = "make it an attrs class or a dataclass, or register hooks with fq.convert.converter"

    def refuse(value: object) -> object:
        raise Misfit(f"{misfit(f'JSON or a type that fq can convert, but {name} is neither', value)}; {advice}")

    return Coder(name, refuse, refuse)


def _register(
    kind: type[T], wire: type, write: Callable[[T], object], read: Callable[[type[T], object], T], but: tuple[type, ...] = ()
) -> None:
    """Register that a *kind*, unless it is a *but*, is written as a *wire*."""

    def encode(value: T) -> object:
        if isinstance(value, kind) and not isinstance(value, but):
            return write(value)
        raise misfit(kind.__name__, value)

    def decode(tree: object, exact: type[T]) -> T:
        try:
            if type(tree) is wire:
                return read(exact, tree)
        except (ValueError, ArithmeticError):
            pass
        raise misfit(exact.__name__, tree)

    converter.register_unstructure_hook(kind, encode)
    converter.register_structure_hook(kind, decode)
    _wire[kind] = frozenset((wire,))


def _register_number() -> None:
    """Register float, which takes an int too, and makes it a float."""

    def number(value: object, exact: type[float] = float) -> float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return exact(value)
        raise misfit(exact.__name__, value)

    converter.register_unstructure_hook(float, number)
    converter.register_structure_hook(float, number)
    _wire[float] = frozenset((float,))


_register(str, str, str.__str__, lambda exact, tree: exact(tree))
_register(int, int, int.__int__, lambda exact, tree: exact(tree), but=(bool,))
_register(bool, bool, bool, lambda _, tree: tree)
_register_number()
_register(bytes, str, lambda value: b64encode(value).decode(), lambda exact, tree: exact(b64decode(tree, validate=True)))
_register(bytearray, str, lambda value: b64encode(value).decode(), lambda exact, tree: exact(b64decode(tree, validate=True)))
_register(Decimal, str, str, lambda exact, tree: exact(tree))
_register(UUID, str, str, lambda exact, tree: exact(tree))
_register(PurePath, str, str, lambda exact, tree: exact(tree))
_register(date, str, date.isoformat, lambda exact, tree: exact.fromisoformat(tree), but=(datetime,))
_register(datetime, str, datetime.isoformat, lambda exact, tree: exact.fromisoformat(tree))
_register(time, str, time.isoformat, lambda exact, tree: exact.fromisoformat(tree))
_register(timedelta, int, lambda value: value // _MICROSECOND, lambda exact, tree: exact(microseconds=tree))
