"""
`converter`, the cattrs converter of single values: strict about the scalars of JSON; most other types travel as text.

`register` takes the functions for a type of your own.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Any, Never, TypeVar, cast, is_typeddict
from uuid import UUID

from cattrs import Converter

from fq.wire.convert.annotations import name_of
from fq.wire.convert.conversion_error import ConversionError, Convert, mismatch
from fq.wire.convert.records import Record, is_record
from fq.wire.convert.type_codec import JSON, SCALARS, TypeCodec

T = TypeVar("T")
W = TypeVar("W", str, int, bool)

HOW_TO_SUPPORT = "make it an attrs class, a dataclass or a pydantic model, or tell fq how with fq.register(type, encode, decode)"

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
    checks_itself = isinstance(getattr(write, "__self__", None), Record)
    encode, decode = (
        _guarded(name, write, object if checks_itself else _expected_class(annotation)),
        _guarded(name, lambda tree: read(tree, annotation)),
    )
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
    is_open = annotation in (int, float, bool) or is_typeddict(annotation) or getattr(annotation, "_is_protocol", False)
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
    advice = HOW_TO_SUPPORT

    def refuse(value: object) -> object:
        raise ConversionError(f"{mismatch(f'a type that can be converted, which {name} is not', value)}; {advice}")

    return TypeCodec(name, refuse, refuse, is_unsupported=True)


def _register_type(
    kind: type[T], json_type: type[W], write: Callable[[T], W], read: Callable[[type[T], W], T], but: tuple[type, ...] = ()
) -> None:
    """Register that a *kind*, unless it is a *but*, travels as a *json_type*; *read* gets the annotated subclass."""

    def encode(value: T) -> W:
        if not isinstance(value, kind):
            value = cast(T, _from_numpy(value))
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
    value = _from_numpy(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return exact(value)
    raise mismatch(exact.__name__, value)


def _base64(value: bytes | bytearray) -> str:
    return b64encode(value).decode()


def _clock_time(value: time) -> str:
    if value.tzinfo and value.utcoffset() is None:
        raise ValueError("without a date, its zone has no offset to write")
    return value.isoformat()


_registered: set[type] = set()


def register(kind: type[T], encode: Callable[[T], object], decode: Callable[[Any], T]) -> None:
    """
    Let values of *kind* be arguments and results: *encode* returns the JSON of one, and *decode* makes one of that JSON.

    Call it when the program starts, before an actor names the class.

    >>> from fractions import Fraction
    >>> from fq import register
    >>> register(Fraction, str, Fraction)
    >>> from fq.wire.convert import from_json, to_json
    >>> to_json([Fraction(1, 3)], list[Fraction]), from_json(["1/3"], list[Fraction])
    (['1/3'], [Fraction(1, 3)])
    """
    converter.register_unstructure_hook(kind, encode)
    converter.register_structure_hook(kind, lambda tree, _: decode(tree))
    _registered.add(kind)


def is_registered(annotation: object) -> bool:
    """Has the application called `register` for the class *annotation*, which may be one that a package converts?"""
    return isinstance(annotation, type) and annotation in _registered


def _from_numpy(value: object) -> object:
    """Return *value*, if it is a scalar of NumPy, as the Python number that equals it; others as they are."""
    if type(value).__module__ != "numpy":
        return value
    item = getattr(value, "item", None)
    return value if item is None or getattr(value, "ndim", None) != 0 else item()


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
