"""Lists, sets, tuples and mappings: each item goes through the coder of its own annotation."""

import json
from collections import Counter, OrderedDict, deque
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Mapping,
    MutableMapping,
    MutableSequence,
    MutableSet,
    Sequence,
    Set,
)
from typing import TypeAlias, cast

from fq.convert.coder import Coder
from fq.convert.misfit import Convert, Misfit, each, misfit

Make: TypeAlias = Callable[[Iterable[object]], object]

COLLECTIONS: Mapping[object, Make] = {
    list: list,
    deque: deque,
    Sequence: list,
    MutableSequence: list,
    Collection: list,
    Iterable: list,
    set: set,
    frozenset: frozenset,
    MutableSet: set,
    Set: frozenset,
    tuple: tuple,
}
MAPPINGS: Mapping[object, Callable[[Mapping[object, object]], object]] = {
    dict: dict,
    OrderedDict: OrderedDict,
    Counter: Counter,
    Mapping: dict,
    MutableMapping: dict,
}
_LIST = frozenset((list,))
_DICT = frozenset((dict,))


def collection(name: str, kind: type, item: Coder) -> Coder:
    """Return the coder of a *kind* of any number of *item*."""
    make = COLLECTIONS[kind]
    sized = Collection if kind is Iterable else kind
    is_set = issubclass(kind, Set)

    def encode(value: object) -> object:
        if not isinstance(value, sized) or isinstance(value, str | bytes | Mapping):
            raise misfit(name, value)
        items = cast("Collection[object]", value)
        return sorted(_all(item.encode, items, item), key=repr) if is_set else _all(item.encode, items, item)

    def decode(tree: object) -> object:
        if not isinstance(tree, list | tuple):
            raise misfit(name, tree)
        return make(_all(item.decode, tree, item))

    is_plain = item.is_plain and make is list and kind is not Iterable
    return Coder(name, encode, decode, wire=_LIST, is_plain=is_plain)


def _all(convert: Convert, items: Collection[object], item: Coder) -> list[object]:
    return list(items) if set(map(type, items)) <= item.passing else each(convert, items)


def fixed_tuple(name: str, items: Sequence[Coder]) -> Coder:
    """Return the coder of a tuple with exactly these *items*."""

    def encode(value: object) -> object:
        if isinstance(value, tuple) and len(value) == len(items):
            return each(lambda pair: pair[0].encode(pair[1]), zip(items, value, strict=True))
        raise misfit(name, value)

    def decode(tree: object) -> object:
        if isinstance(tree, list | tuple) and len(tree) == len(items):
            return tuple(each(lambda pair: pair[0].decode(pair[1]), zip(items, tree, strict=True)))
        raise misfit(name, tree)

    return Coder(name, encode, decode, wire=_LIST)


def mapping(name: str, kind: type, key: Coder, item: Coder) -> Coder:
    """Return the coder of a *kind* from *key* to *item*."""
    make = MAPPINGS[kind]
    text = key if key.wire == {str} else _as_text(key)

    def encode(value: object) -> object:
        if not isinstance(value, kind):
            raise misfit(name, value)
        pairs = cast("Mapping[object, object]", value)
        if set(map(type, pairs)) <= text.passing and set(map(type, pairs.values())) <= item.passing:
            return dict(pairs)
        return {_key(text.encode, at): _under(at, item.encode, found) for at, found in pairs.items()}

    def decode(tree: object) -> object:
        if not isinstance(tree, Mapping):
            raise misfit(name, tree)
        if text.passing and set(map(type, tree.values())) <= item.passing:
            return make(tree)
        return make({_key(text.decode, at): _under(at, item.decode, found) for at, found in tree.items()})

    return Coder(name, encode, decode, wire=_DICT, is_plain=kind is dict and bool(text.passing) and item.is_plain)


def _as_text(key: Coder) -> Coder:
    """Return the coder of a *key* that does not become a string: it is written as JSON text."""

    def decode(text: object) -> object:
        try:
            tree = json.loads(cast("str", text))
        except ValueError:
            raise misfit(key.name, text) from None
        return key.decode(tree)

    return Coder(key.name, lambda value: json.dumps(key.encode(value), separators=(",", ":")), decode)


def _key(convert: Convert, key: object) -> object:
    try:
        return convert(key)
    except Misfit as error:
        raise error.under(" (key)") from None


def _under(key: object, convert: Convert, value: object) -> object:
    try:
        return convert(value)
    except Misfit as error:
        raise error.under(f".{key}" if isinstance(key, str) else f"[{key!r}]") from None
