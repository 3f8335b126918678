"""Values without an annotation: they must be JSON, and are copied, so that a message and an actor never share a list."""

from collections.abc import Mapping
from typing import cast

from fq.wire.codec import json_error
from fq.wire.convert.annotations import Unresolved
from fq.wire.convert.conversion_error import ConversionError
from fq.wire.convert.type_codec import JSON, SCALARS, TypeCodec


def json_copy(value: object) -> object:
    """
    Return a copy of *value* made of plain lists, dicts and scalars, no subclasses.

    Raises:
        ConversionError: a part of *value* is not JSON.
    """
    try:
        return _copy(value)
    except TypeError:
        raise ConversionError(json_error(value, "") or ": cannot be read") from None


def unresolved(annotation: Unresolved) -> TypeCodec:
    """Return the codec of an annotation that names nothing at run time: it takes JSON, and its errors say why."""

    def convert(value: object) -> object:
        try:
            return json_copy(value)
        except ConversionError as error:
            reason = f"its annotation {annotation.text!r} names nothing at run time: is that imported under TYPE_CHECKING only?"
            raise ConversionError(f"{error} ({reason})") from None

    return TypeCodec(annotation.text, convert, convert, json_types=JSON, is_identity=True, identity_types=SCALARS)


def _copy(value: object) -> object:
    kind = type(value)
    if kind in SCALARS:
        return value
    if kind is list or kind is tuple:
        return [item if type(item) in SCALARS else _copy(item) for item in cast("list[object]", value)]
    if isinstance(value, Mapping):
        return {_copy_key(key): item if type(item) in SCALARS else _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list | tuple) else _copy_scalar(value)


def _copy_key(key: object) -> str:
    if type(key) is str:
        return key
    if isinstance(key, str):
        return str.__str__(key)
    raise TypeError(key)


def _copy_scalar(value: object) -> object:
    """Return *value*, an instance of a subclass such as `StrEnum`, as the plain scalar."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    raise TypeError(value)


ANYTHING = TypeCodec("Any", json_copy, json_copy, json_types=JSON, is_identity=True, identity_types=SCALARS)
