"""
`converter`, the cattrs converter of single values: strict about the scalars of JSON; most other types travel as text.

Register hooks for your own types before the first value of them is converted::

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
from fq.wire.convert.conversion_error import ConversionError, Convert, mismatch
from fq.wire.convert.records import is_record
from fq.wire.convert.type_codec import JSON, SCALARS, TypeCodec

T = TypeVar("T")
W = TypeVar("W", str, int, bool)

_OBJECT: frozenset[type] = frozenset((dict,))
_MICROSECOND = timedelta(microseconds=1)
_json_types: dict[object, frozenset[type]] = {}


def _no_hook(*_: object) -> Never:
    """Mark a type without hooks; `scalar` never calls this."""
    raise NotImplementedError


converter = Converter(unstructure_fallback_factory=lambda _: _no_hook, structure_fallback_factory=lambda _: _no_hook)


def scalar(annotation: object) -> TypeCodec:
    """Return the codec of a single value, from the hooks of `converter`."""
    name = name_of(annotation)
    if not _is_hashable(annotation):
        return _unsupported(name)
    write, read = converter.get_unstructure_hook(annotation), converter.get_structure_hook(annotation)
    if _no_hook in (write, read):
        return _unsupported(name)
    encode, decode = _guarded(name, write, _expected_class(annotation)), _guarded(name, lambda tree: read(tree, annotation))
    identity_types = SCALARS & {annotation}
    json_types = _json_types.get(write, _OBJECT if is_record(annotation) else JSON)
    return TypeCodec(name, encode, decode, json_types, bool(identity_types), identity_types)


def _is_hashable(annotation: object) -> bool:
    try:
        hash(annotation)
    except TypeError:  # an Annotated inside may hold a list
        return False
    return True


def _expected_class(annotation: object) -> type:
    """Return the class whose instances the values of *annotation* must be, before a hook gets them."""
    is_open = annotation is float or is_typeddict(annotation) or getattr(annotation, "_is_protocol", False)
    return annotation if isinstance(annotation, type) and not is_open else object


def _guarded(name: str, convert: Convert, kind: type = object) -> Convert:
    """Return *convert* so that it refuses all but a *kind*, and raises only `ConversionError`."""

    def guarded(value: object) -> object:
        if not isinstance(value, kind):
            raise mismatch(name, value)
        try:
            return convert(value)
        except (ConversionError, RecursionError):
            raise
        except Exception as error:  # a hook, a validator or an initialiser may raise anything
            raise mismatch(name, value).because(error) from None

    return guarded


def _unsupported(name: str) -> TypeCodec:
    advice = "make it an attrs class or a dataclass, or register hooks with fq.wire.convert.converter"

    def refuse(value: object) -> object:
        raise ConversionError(f"{mismatch(f'a type that can be converted, which {name} is not', value)}; {advice}")

    return TypeCodec(name, refuse, refuse)


def _register_type(
    kind: type[T], json_type: type[W], write: Callable[[T], W], read: Callable[[type[T], W], T], but: tuple[type, ...] = ()
) -> None:
    """Register that a *kind*, unless it is a *but*, travels as a *json_type*; *read* gets the annotated subclass."""

    def encode(value: T) -> W:
        if isinstance(value, kind) and not isinstance(value, but):
            return write(value)
        raise mismatch(kind.__name__, value)

    def decode(tree: object, exact: type[T]) -> T:
        try:
            if isinstance(tree, json_type) and type(tree) is json_type:  # a bool is an int, but not in JSON
                return read(exact, tree)
        except (ValueError, ArithmeticError):
            pass
        raise mismatch(exact.__name__, tree)

    converter.register_unstructure_hook(kind, encode)
    converter.register_structure_hook(kind, decode)
    _json_types[encode] = frozenset((json_type,))


def _number(value: object, exact: type[float] = float) -> float:
    """Return *value*, a float or an int, as a float."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return exact(value)
    raise mismatch(exact.__name__, value)


def _base64(value: bytes | bytearray) -> str:
    return b64encode(value).decode()


def _clock_time(value: time) -> str:
    if value.tzinfo and value.utcoffset() is None:
        raise ValueError("without a date, its zone has no offset to write")
    return value.isoformat()


converter.register_unstructure_hook(float, _number)
converter.register_structure_hook(float, _number)
_json_types[_number] = frozenset((float,))
_register_type(str, str, str.__str__, lambda exact, tree: exact(tree))
_register_type(int, int, int.__int__, lambda exact, tree: exact(tree), but=(bool,))
_register_type(bool, bool, bool, lambda _, tree: tree)
_register_type(bytes, str, _base64, lambda exact, tree: exact(b64decode(tree, validate=True)))
_register_type(bytearray, str, _base64, lambda exact, tree: exact(b64decode(tree, validate=True)))
_register_type(Decimal, str, str, lambda exact, tree: exact(tree))
_register_type(UUID, str, str, lambda exact, tree: exact(tree))
_register_type(PurePath, str, str, lambda exact, tree: exact(tree))
_register_type(date, str, date.isoformat, lambda exact, tree: exact.fromisoformat(tree), but=(datetime,))
_register_type(datetime, str, datetime.isoformat, lambda exact, tree: exact.fromisoformat(tree))
_register_type(time, str, _clock_time, lambda exact, tree: exact.fromisoformat(tree))
_register_type(timedelta, int, lambda value: value // _MICROSECOND, lambda exact, tree: exact(microseconds=tree))
