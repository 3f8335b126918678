"""Lists, sets, tuples and mappings: the codec of the annotation of the items converts each item."""

import json
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping, MutableSequence, MutableSet, Sequence
from collections.abc import Set as AbstractSet
from typing import TypeAlias, cast

from fq.wire.convert.conversion_error import ConversionError, Convert, at_key, convert_each, mismatch
from fq.wire.convert.type_codec import TypeCodec

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


def collection(name: str, kind: type, item: TypeCodec) -> TypeCodec:
    """Return the codec of a *kind*, a key of `COLLECTIONS`, with any number of items."""
    make, is_set = COLLECTIONS[kind], issubclass(kind, AbstractSet)
    expected = Collection if kind is Iterable else kind  # an iterator would be used up here

    def encode(value: object) -> object:
        if not isinstance(value, expected) or isinstance(value, str | bytes | bytearray | Mapping):
            raise mismatch(name, value)
        trees = _convert_all(item, item.encode, cast("Collection[object]", value))
        return sorted(trees, key=repr) if is_set else trees  # the order of a set differs between processes

    def decode(tree: object) -> object:
        if not isinstance(tree, list | tuple):
            raise mismatch(name, tree)
        return make(_convert_all(item, item.decode, tree))

    return TypeCodec(name, encode, decode, json_types=_LIST, is_identity=kind is list and item.is_identity)


def fixed_tuple(name: str, items: Sequence[TypeCodec]) -> TypeCodec:
    """Return the codec of a tuple with exactly these *items*."""

    def encode(value: object) -> object:
        if not isinstance(value, tuple) or len(value) != len(items):
            raise mismatch(name, value)
        return [at_key(at, item.encode, found) for at, (item, found) in enumerate(zip(items, value, strict=True))]

    def decode(tree: object) -> object:
        if not isinstance(tree, list | tuple) or len(tree) != len(items):
            raise mismatch(name, tree)
        return tuple(at_key(at, item.decode, found) for at, (item, found) in enumerate(zip(items, tree, strict=True)))

    return TypeCodec(name, encode, decode, json_types=_LIST)


def mapping(name: str, kind: type, key: TypeCodec, item: TypeCodec, make: MakeMapping) -> TypeCodec:
    """Return the codec of a *kind*, a key of `MAPPINGS`, from *key* to *item*; *make* builds one from a dict."""
    key = key if key.json_types == {str} else _as_text_key(key)

    def encode(value: object) -> object:
        if not isinstance(value, kind):
            raise mismatch(name, value)
        pairs = cast("Mapping[object, object]", value)
        if set(map(type, pairs)) <= key.identity_types and set(map(type, pairs.values())) <= item.identity_types:
            return dict(pairs)
        return {_convert_key(key.encode, at): at_key(at, item.encode, found) for at, found in pairs.items()}

    def decode(tree: object) -> object:
        if not isinstance(tree, Mapping):
            raise mismatch(name, tree)
        if key.identity_types and set(map(type, tree.values())) <= item.identity_types:
            return make(tree)
        return make({_convert_key(key.decode, at): at_key(at, item.decode, found) for at, found in tree.items()})

    return TypeCodec(name, encode, decode, json_types=_DICT, is_identity=kind is dict and bool(key.identity_types) and item.is_identity)


def _convert_all(item: TypeCodec, convert: Convert, values: Collection[object]) -> list[object]:
    return list(values) if set(map(type, values)) <= item.identity_types else convert_each(convert, values)


def _convert_key(convert: Convert, key: object) -> object:
    try:
        return convert(key)
    except ConversionError as error:
        raise error.at(" (key)") from None


def _as_text_key(key: TypeCodec) -> TypeCodec:
    """Return the codec of a *key* that does not encode to a str, the only type of key in JSON: it travels as JSON text."""

    def decode(text: object) -> object:
        try:
            tree = json.loads(cast("str", text))
        except ValueError:
            raise mismatch(key.name, text) from None
        return key.decode(tree)

    return TypeCodec(key.name, lambda value: json.dumps(key.encode(value), separators=(",", ":")), decode)
