"""Lists, sets, tuples and mappings: each item goes through the coder of its own annotation."""

import json
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping, MutableSequence, MutableSet, Sequence
from collections.abc import Set as AbstractSet
from typing import TypeAlias, cast

from fq.wire.convert.conversion_error import Convert, Misfit, each, misfit, within
from fq.wire.convert.type_codec import Coder

MakeCollection: TypeAlias = Callable[[list[object]], Collection[object]]
MakeMapping: TypeAlias = Callable[[Mapping[object, object]], Mapping[object, object]]

COLLECTIONS: Mapping[type, MakeCollection] = {
    list: list,
    deque: deque,
    tuple: tuple,
    Sequence: list,
    MutableSequence: list,
    Collection: list,
    Iterable: list,
    set: set,
    MutableSet: set,
    frozenset: frozenset,
    AbstractSet: frozenset,
}
MAPPINGS: Mapping[type, MakeMapping] = {
    dict: dict,
    OrderedDict: OrderedDict,
    Counter: Counter,
    Mapping: dict,
    MutableMapping: dict,
    defaultdict: dict,
}
_LIST: frozenset[type] = frozenset((list,))
_DICT: frozenset[type] = frozenset((dict,))


def collection(name: str, kind: type, item: Coder) -> Coder:
    """Return the coder of a *kind*, as named in `COLLECTIONS`, of any number of *item*."""
    make, is_set = COLLECTIONS[kind], issubclass(kind, AbstractSet)
    expected = Collection if kind is Iterable else kind  # what can be read once would be used up here

    def encode(value: object) -> object:
        if not isinstance(value, expected) or isinstance(value, str | bytes | bytearray | Mapping):
            raise misfit(name, value)
        trees = _all(item, item.encode, cast("Collection[object]", value))
        return sorted(trees, key=repr) if is_set else trees  # the order of a set differs from one process to the next

    def decode(tree: object) -> object:
        if not isinstance(tree, list | tuple):
            raise misfit(name, tree)
        return make(_all(item, item.decode, tree))

    return Coder(name, encode, decode, wire=_LIST, is_plain=kind is list and item.is_plain)


def fixed_tuple(name: str, items: Sequence[Coder]) -> Coder:
    """Return the coder of a tuple with exactly these *items*."""

    def encode(value: object) -> object:
        if not isinstance(value, tuple) or len(value) != len(items):
            raise misfit(name, value)
        return [within(at, item.encode, found) for at, (item, found) in enumerate(zip(items, value, strict=True))]

    def decode(tree: object) -> object:
        if not isinstance(tree, list | tuple) or len(tree) != len(items):
            raise misfit(name, tree)
        return tuple(within(at, item.decode, found) for at, (item, found) in enumerate(zip(items, tree, strict=True)))

    return Coder(name, encode, decode, wire=_LIST)


def mapping(name: str, kind: type, key: Coder, item: Coder, make: MakeMapping) -> Coder:
    """Return the coder of a *kind*, as named in `MAPPINGS`, from *key* to *item*; *make* makes one of a dict."""
    key = key if key.wire == {str} else _as_text(key)

    def encode(value: object) -> object:
        if not isinstance(value, kind):
            raise misfit(name, value)
        pairs = cast("Mapping[object, object]", value)
        if set(map(type, pairs)) <= key.passing and set(map(type, pairs.values())) <= item.passing:
            return dict(pairs)
        return {_key(key.encode, at): within(at, item.encode, found) for at, found in pairs.items()}

    def decode(tree: object) -> object:
        if not isinstance(tree, Mapping):
            raise misfit(name, tree)
        if key.passing and set(map(type, tree.values())) <= item.passing:
            return make(tree)
        return make({_key(key.decode, at): within(at, item.decode, found) for at, found in tree.items()})

    return Coder(name, encode, decode, wire=_DICT, is_plain=kind is dict and bool(key.passing) and item.is_plain)


def _all(item: Coder, convert: Convert, values: Collection[object]) -> list[object]:
    return list(values) if set(map(type, values)) <= item.passing else each(convert, values)


def _key(convert: Convert, key: object) -> object:
    try:
        return convert(key)
    except Misfit as error:
        raise error.under(" (key)") from None


def _as_text(key: Coder) -> Coder:
    """Return the coder of a *key* that does not become a str, the only key of JSON: it is written as JSON text."""

    def decode(text: object) -> object:
        try:
            tree = json.loads(cast("str", text))
        except ValueError:
            raise misfit(key.name, text) from None
        return key.decode(tree)

    return Coder(key.name, lambda value: json.dumps(key.encode(value), separators=(",", ":")), decode)
