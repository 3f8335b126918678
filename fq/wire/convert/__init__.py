"""
Values to JSON and back, by annotation: `to_json` and `from_json` for one value, `codec_for` for many.

Each kind of annotation has a module: `scalars` for single values, by a cattrs converter that takes hooks for your own types, `containers`,
`records`, `unions`, `pydantic_types`, `msgspec_types`, and `unannotated`. See `annotations` for what an annotation means, and
`conversion_error` for the errors.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from enum import Enum
from functools import lru_cache, partial
from types import NoneType, UnionType
from typing import Any, Literal, Never, NoReturn, Union, get_args, get_origin

from fq.wire.convert import containers, unannotated, unions
from fq.wire.convert.annotations import Alias, Unresolved, expand_alias, name_of, unwrap, without_names
from fq.wire.convert.conversion_error import ConversionError, Convert, at_path
from fq.wire.convert.msgspec_types import msgspec_codec
from fq.wire.convert.pydantic_types import pydantic_codec
from fq.wire.convert.records import is_record, record
from fq.wire.convert.scalars import converter, is_registered, scalar
from fq.wire.convert.type_codec import TypeCodec, concealing

__all__ = [
    "ConversionError",
    "Convert",
    "TypeCodec",
    "at_path",
    "codec_for",
    "converter",
    "decoder",
    "encoder",
    "from_json",
    "to_json",
    "unsupported_part",
]


def to_json(value: object, annotation: object, path: str = "value") -> object:
    """
    Return *value* as a new JSON tree.

    >>> from decimal import Decimal
    >>> to_json({1: Decimal("2.50")}, dict[int, Decimal])
    {'1': '2.50'}

    Raises:
        ConversionError: a part of *value* does not fit *annotation*; its path begins with *path*.
    """
    return at_path(path, codec_for(annotation).encode, value)


def from_json(tree: object, annotation: object, path: str = "value") -> object:
    """
    Return the value that *tree* encodes; it shares no list or dict with *tree*.

    >>> from_json({"1": "2.50"}, dict[int, str])
    {1: '2.50'}

    Raises:
        ConversionError: a part of *tree* does not fit *annotation*; its path begins with *path*.
    """
    return at_path(path, codec_for(annotation).decode, tree)


def encoder(annotation: object) -> Convert | None:
    """Return the function that encodes values of *annotation*; None for scalars, whose type alone is checked."""
    found = codec_for(annotation)
    return None if found.is_scalar else found.encode


def decoder(annotation: object) -> Convert | None:
    """Return the function that decodes values of *annotation*; None for scalars, whose type alone is checked."""
    found = codec_for(annotation)
    return None if found.is_scalar else found.decode


def codec_for(annotation: object) -> TypeCodec:
    """Return the codec of *annotation*. Building it is the expensive part; do it once."""
    meant = unwrap(annotation)
    if is_registered(meant):
        return scalar(meant)
    if found := pydantic_codec(without_names(annotation)):
        return found
    origin = get_origin(meant) or meant
    if isinstance(meant, Unresolved):
        return unannotated.unresolved(meant)
    if meant is Any:
        return unannotated.ANYTHING
    if meant is NoneType:
        return unions.none_only()
    if isinstance(origin, Alias):
        return _recursive(meant)
    if isinstance(meant, type) and issubclass(meant, Enum):
        return unions.enum(meant)
    return _special(meant) or _generic(meant, origin, get_args(meant)) or pydantic_codec(meant) or msgspec_codec(meant) or scalar(meant)


def unsupported_part(annotation: object) -> str:
    """
    Return the name of a part of *annotation* that has no codec; ``""`` if all have one. Fields of records are not looked at.

    >>> import socket
    >>> unsupported_part(dict[str, list[socket.socket]]), unsupported_part(dict[str, list[int]])
    ('socket', '')
    """
    codec = codec_for(annotation)
    if codec.is_unsupported:
        return codec.name
    parts = get_args(unwrap(annotation)) if get_origin(unwrap(annotation)) is not Literal else ()
    return next((found for part in parts if part is not ... and (found := unsupported_part(part))), "")


def _special(meant: object) -> TypeCodec | None:
    """Return the codec of a special form: Literal, a union, Never."""
    name, origin, args = name_of(meant), get_origin(meant), get_args(meant)
    if meant in (Never, NoReturn):
        return unions.literal(name, [])
    if origin is Literal:
        return unions.literal(name, args)
    if origin not in (Union, UnionType):
        return None
    members = [codec_for(arg) for arg in args if arg is not NoneType]
    either = members[0] if len(members) == 1 else unions.union(name.removesuffix(" | None"), members)
    return concealing(unions.optional(name, either) if NoneType in args else either, members)


def _generic(meant: object, origin: object, args: Sequence[object]) -> TypeCodec | None:
    """Return the codec of a container: a collection, a tuple or a mapping."""
    name = name_of(meant)
    if not isinstance(origin, type):
        return None
    if origin is tuple and meant is not tuple and args[-1:] != (...,):
        items = [codec_for(arg) for arg in args]
        return concealing(containers.fixed_tuple(name, items), items)
    if origin in containers.COLLECTIONS:
        item = args[0] if args else Any
        is_set_of_anything = issubclass(origin, AbstractSet) and unwrap(item) is Any
        each = codec_for(_HASHABLE if is_set_of_anything else item)
        return concealing(containers.collection(name, origin, each), [each])
    if origin in containers.MAPPINGS:
        key, item = (*(args or (str,)), int if origin is Counter else Any)[:2]
        make: containers.MakeMapping = (
            partial(defaultdict, get_origin(item) or item) if origin is defaultdict else containers.MAPPINGS[origin]  # pyright: ignore[reportCallIssue]  # a type given at run time
        )
        pair = codec_for(str if unwrap(key) is Any else key), codec_for(item)
        return concealing(containers.mapping(name, origin, *pair, make), pair)
    return None


@lru_cache
def _recursive(alias: object) -> TypeCodec:
    """Return the codec of an alias that holds itself. The alias is expanded when the first value comes."""

    @lru_cache(maxsize=1)
    def meant() -> TypeCodec:
        return codec_for(expand_alias(alias))

    return TypeCodec(name_of(alias), lambda value: meant().encode(value), lambda tree: meant().decode(tree))


_HASHABLE = str | int | float | bool | None

converter.register_unstructure_hook_factory(is_record, lambda kind: record(kind, codec_for).encode)
converter.register_structure_hook_factory(is_record, lambda kind: record(kind, codec_for).decode)
