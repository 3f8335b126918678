"""
`converter`, the cattrs converter of single values: strict for the scalars of JSON, most others as text.

Register hooks there for types of your own, before they are first converted::

    converter.register_unstructure_hook(Money, str)
    converter.register_structure_hook(Money, lambda text, _: Money.parse(text))
"""

from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Never, TypeVar, is_typeddict
from uuid import UUID

from cattrs import Converter

from fq.wire.convert.annotations import name_of
from fq.wire.convert.conversion_error import Convert, Misfit, misfit
from fq.wire.convert.records import is_record
from fq.wire.convert.type_codec import JSON, SCALARS, Coder

T = TypeVar("T")
W = TypeVar("W", str, int, bool)

_OBJECT: frozenset[type] = frozenset((dict,))
_MICROSECOND = timedelta(microseconds=1)
_wires: dict[object, frozenset[type]] = {}


def _unknown(*_: object) -> Never:
    """Stand for the hooks that nobody registered; `leaf` never calls it."""
    raise NotImplementedError


converter = Converter(unstructure_fallback_factory=lambda _: _unknown, structure_fallback_factory=lambda _: _unknown)


def leaf(annotation: object) -> Coder:
    """Return the coder of a single value: what the hooks of `converter` make of it."""
    name = name_of(annotation)
    if not _is_hashable(annotation):
        return _refusal(name)
    write, read = converter.get_unstructure_hook(annotation), converter.get_structure_hook(annotation)
    if _unknown in (write, read):
        return _refusal(name)
    encode, decode = _guarded(name, write, _kind(annotation)), _guarded(name, lambda tree: read(tree, annotation))
    passing = SCALARS & {annotation}
    return Coder(
        name, encode, decode, wire=_wires.get(write, _OBJECT if is_record(annotation) else JSON), is_plain=bool(passing), passing=passing
    )


def _is_hashable(annotation: object) -> bool:
    try:
        hash(annotation)
    except TypeError:  # an Annotated inside may hold a list
        return False
    return True


def _kind(annotation: object) -> type:
    """Return the class that values of *annotation* must be instances of, before any hook sees them."""
    is_open = annotation is float or is_typeddict(annotation) or getattr(annotation, "_is_protocol", False)
    return annotation if isinstance(annotation, type) and not is_open else object


def _guarded(name: str, convert: Convert, kind: type = object) -> Convert:
    """Return *convert*, which refuses what is no *kind*, and raises nothing but `Misfit`."""

    def guarded(value: object) -> object:
        if not isinstance(value, kind):
            raise misfit(name, value)
        try:
            return convert(value)
        except (Misfit, RecursionError):
            raise
        except Exception as error:  # a hook, a validator or an initialiser may raise anything
            raise misfit(name, value).because(error) from None

    return guarded


def _refusal(name: str) -> Coder:
    advice = "make it an attrs class or a dataclass, or register hooks with fq.wire.convert.converter"

    def refuse(value: object) -> object:
        raise Misfit(f"{misfit(f'a type that can be converted, which {name} is not', value)}; {advice}")

    return Coder(name, refuse, refuse)


def _register(kind: type[T], wire: type[W], write: Callable[[T], W], read: Callable[[type[T], W], T], but: tuple[type, ...] = ()) -> None:
    """Register that a *kind*, though no *but*, is written as a *wire*; *read* gets the subclass that was asked for."""

    def encode(value: T) -> W:
        if isinstance(value, kind) and not isinstance(value, but):
            return write(value)
        raise misfit(kind.__name__, value)

    def decode(tree: object, exact: type[T]) -> T:
        try:
            if isinstance(tree, wire) and type(tree) is wire:  # a bool is an int, but not in JSON
                return read(exact, tree)
        except (ValueError, ArithmeticError):
            pass
        raise misfit(exact.__name__, tree)

    converter.register_unstructure_hook(kind, encode)
    converter.register_structure_hook(kind, decode)
    _wires[encode] = frozenset((wire,))


def _number(value: object, exact: type[float] = float) -> float:
    """Return *value*, a float or an int, as a float."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return exact(value)
    raise misfit(exact.__name__, value)


def _base64(value: bytes | bytearray) -> str:
    return b64encode(value).decode()


def _clock_time(value: time) -> str:
    if value.tzinfo and value.utcoffset() is None:
        raise ValueError("without a date, its zone has no offset that could be written")
    return value.isoformat()


converter.register_unstructure_hook(float, _number)
converter.register_structure_hook(float, _number)
_wires[_number] = frozenset((float,))
_register(str, str, str.__str__, lambda exact, tree: exact(tree))
_register(int, int, int.__int__, lambda exact, tree: exact(tree), but=(bool,))
_register(bool, bool, bool, lambda _, tree: tree)
_register(bytes, str, _base64, lambda exact, tree: exact(b64decode(tree, validate=True)))
_register(bytearray, str, _base64, lambda exact, tree: exact(b64decode(tree, validate=True)))
_register(Decimal, str, str, lambda exact, tree: exact(tree))
_register(UUID, str, str, lambda exact, tree: exact(tree))
_register(PurePath, str, str, lambda exact, tree: exact(tree))
_register(date, str, date.isoformat, lambda exact, tree: exact.fromisoformat(tree), but=(datetime,))
_register(datetime, str, datetime.isoformat, lambda exact, tree: exact.fromisoformat(tree))
_register(time, str, _clock_time, lambda exact, tree: exact.fromisoformat(tree))
_register(timedelta, int, lambda value: value // _MICROSECOND, lambda exact, tree: exact(microseconds=tree))
