"""Values without an annotation: JSON already, and copied, so that a message and an actor never share a list."""

from collections.abc import Mapping
from typing import cast

from fq.codec import not_json
from fq.convert.coder import JSON, SCALARS, Coder
from fq.convert.hints import Unresolved
from fq.convert.misfit import Misfit


def fresh(value: object) -> object:
    """
    Return a copy of *value*, made of plain lists, dicts and scalars.

    Raises:
        Misfit: of the first part that is not JSON.
    """
    try:
        return _copy(value)
    except TypeError:
        raise Misfit(not_json(value, "") or ": expected a JSON value") from None


def _copy(value: object) -> object:
    kind = type(value)
    if kind in SCALARS:
        return value
    if kind is list or kind is tuple:
        return [item if type(item) in SCALARS else _copy(item) for item in cast("list[object]", value)]
    if isinstance(value, Mapping):
        if set(map(type, value)) <= {str}:
            return {key: item if type(item) in SCALARS else _copy(item) for key, item in value.items()}
        return {_copy_key(key): _copy(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_copy(item) for item in value]
    return _copy_scalar(value)


def _copy_key(key: object) -> str:
    if isinstance(key, str):
        return str.__str__(key)
    raise TypeError(key)


def _copy_scalar(value: object) -> object:
    for kind in (str, int, float):
        if isinstance(value, kind):
            return kind.__new__(kind, value) if kind is not str else str.__str__(cast("str", value))
    raise TypeError(value)


ANYTHING = Coder("Any", fresh, fresh, wire=JSON, is_plain=True, passing=SCALARS)


def unresolved(annotation: Unresolved) -> Coder:
    """Return the coder of an annotation that means nothing at run time: Any, and an error that says why."""

    def convert(value: object) -> object:
        try:
            return fresh(value)
        except Misfit as error:
            hint = f"its annotation {annotation.text!r} names nothing at run time: import it outside of TYPE_CHECKING"
            raise Misfit(f"{error} ({hint})") from None

    return Coder(annotation.text, convert, convert, wire=JSON, is_plain=True, passing=SCALARS)
