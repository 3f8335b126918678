"""Values without an annotation: JSON already, and copied, so that a message and an actor never share a list."""

from collections.abc import Mapping
from typing import cast

from fq.wire.codec import not_json
from fq.wire.convert.annotations import Unresolved
from fq.wire.convert.conversion_error import Misfit
from fq.wire.convert.type_codec import JSON, SCALARS, Coder


def fresh(value: object) -> object:
    """
    Return a copy of *value*, made of lists, dicts and scalars that are exactly these.

    Raises:
        Misfit: of the first part that is not JSON.
    """
    try:
        return _copy(value)
    except TypeError:
        raise Misfit(not_json(value, "") or ": cannot be read") from None


def unresolved(annotation: Unresolved) -> Coder:
    """Return the coder of an annotation that names nothing at run time: Any, and an error that says why."""

    def convert(value: object) -> object:
        try:
            return fresh(value)
        except Misfit as error:
            reason = f"its annotation {annotation.text!r} names nothing at run time: is that imported under TYPE_CHECKING only?"
            raise Misfit(f"{error} ({reason})") from None

    return Coder(annotation.text, convert, convert, wire=JSON, is_plain=True, passing=SCALARS)


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
    """Return *value*, an instance of a subclass, as the scalar that it is: of a `StrEnum`, its text."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    raise TypeError(value)


ANYTHING = Coder("Any", fresh, fresh, wire=JSON, is_plain=True, passing=SCALARS)
