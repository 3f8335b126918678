"""
Values to JSON and back, by annotation: `to_json` and `from_json` for one value, `coder` for many.

Each kind of annotation has a file: `leaves` for single values, which go through a cattrs converter that takes hooks for types of
your own, `containers`, `records`, `unions`, and `plain` for what is not annotated. `misfit` is about errors, `hints` about annotations.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from enum import Enum
from functools import lru_cache, partial
from types import NoneType, UnionType
from typing import Any, Literal, Never, NoReturn, Union, get_args, get_origin

from fq.wire.convert import containers, unannotated, unions
from fq.wire.convert.annotations import Alias, Unresolved, bare, expanded, name_of
from fq.wire.convert.conversion_error import Convert, Misfit, at_path
from fq.wire.convert.records import is_record, record
from fq.wire.convert.scalars import converter, leaf
from fq.wire.convert.type_codec import Coder

__all__ = ["Coder", "Convert", "Misfit", "at_path", "coder", "converter", "decoder", "encoder", "from_json", "to_json"]


def to_json(value: object, annotation: object, path: str = "value") -> object:
    """
    Return *value* as a new JSON tree.

    >>> from decimal import Decimal
    >>> to_json({1: Decimal("2.50")}, dict[int, Decimal])
    {'1': '2.50'}

    Raises:
        Misfit: about the first part of *value* that does not fit *annotation*; its path begins with *path*.
    """
    return at_path(path, coder(annotation).encode, value)


def from_json(tree: object, annotation: object, path: str = "value") -> object:
    """
    Return what *tree* stands for; it shares no list or dict with *tree*.

    >>> from_json({"1": "2.50"}, dict[int, str])
    {1: '2.50'}

    Raises:
        Misfit: about the first part of *tree* that does not fit *annotation*; its path begins with *path*.
    """
    return at_path(path, coder(annotation).decode, tree)


def encoder(annotation: object) -> Convert | None:
    """Return what makes JSON of values of *annotation*; None for scalars, which need only be of the right type."""
    found = coder(annotation)
    return None if found.is_scalar else found.encode


def decoder(annotation: object) -> Convert | None:
    """Return what makes values of *annotation* of JSON; None for scalars, which need only be of the right type."""
    found = coder(annotation)
    return None if found.is_scalar else found.decode


def coder(annotation: object) -> Coder:
    """Return how values of *annotation* are converted; the work of finding that out is done here, once."""
    meant = bare(annotation)
    origin = get_origin(meant) or meant
    if isinstance(meant, Unresolved):
        return unannotated.unresolved(meant)
    if meant is Any:
        return unannotated.ANYTHING
    if meant is NoneType:
        return unions.nothing_but_none()
    if isinstance(origin, Alias):
        return _recursive(meant)
    if isinstance(meant, type) and issubclass(meant, Enum):
        return unions.enum(meant)
    return _special(meant) or _generic(meant, origin, get_args(meant)) or leaf(meant)


def _special(meant: object) -> Coder | None:
    """Return the coder of what is no class but a special form: Literal, unions, Never."""
    name, origin, args = name_of(meant), get_origin(meant), get_args(meant)
    if meant in (Never, NoReturn):
        return unions.literal(name, [])
    if origin is Literal:
        return unions.literal(name, args)
    if origin not in (Union, UnionType):
        return None
    members = [coder(arg) for arg in args if arg is not NoneType]
    either = members[0] if len(members) == 1 else unions.union(name.removesuffix(" | None"), members)
    return unions.optional(name, either) if NoneType in args else either


def _generic(meant: object, origin: object, args: Sequence[object]) -> Coder | None:
    """Return the coder of what holds others: a collection, a tuple or a mapping."""
    name = name_of(meant)
    if not isinstance(origin, type):
        return None
    if origin is tuple and meant is not tuple and args[-1:] != (...,):
        return containers.fixed_tuple(name, [coder(arg) for arg in args])
    if origin in containers.COLLECTIONS:
        item = args[0] if args else Any
        is_set_of_anything = issubclass(origin, AbstractSet) and bare(item) is Any
        return containers.collection(name, origin, coder(_HASHABLE if is_set_of_anything else item))
    if origin in containers.MAPPINGS:
        key, item = (*(args or (str,)), int if origin is Counter else Any)[:2]
        make: containers.MakeMapping = (
            partial(defaultdict, get_origin(item) or item) if origin is defaultdict else containers.MAPPINGS[origin]  # pyright: ignore[reportCallIssue]  # a type given at run time
        )
        return containers.mapping(name, origin, coder(str if bare(key) is Any else key), coder(item), make)
    return None


@lru_cache
def _recursive(alias: object) -> Coder:
    """Return the coder of an alias that holds itself: what it stands for is looked at when the first value comes."""

    @lru_cache(maxsize=1)
    def meant() -> Coder:
        return coder(expanded(alias))

    return Coder(name_of(alias), lambda value: meant().encode(value), lambda tree: meant().decode(tree))


_HASHABLE = str | int | float | bool | None

converter.register_unstructure_hook_factory(is_record, lambda kind: record(kind, coder).encode)
converter.register_structure_hook_factory(is_record, lambda kind: record(kind, coder).decode)
