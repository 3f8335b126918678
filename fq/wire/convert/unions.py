"""Values of one of several types: None or something, unions, Literal and Enum."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from enum import Enum

from attrs import evolve, frozen

from fq.wire.convert.conversion_error import ConversionError, Convert, mismatch
from fq.wire.convert.type_codec import NO_TYPES, NONE, SCALARS, TypeCodec

_NAME, _VALUE = "_type", "_value"


def optional(name: str, some: TypeCodec) -> TypeCodec:
    """Return the codec of *some* or None."""

    def maybe(convert: Convert) -> Convert:
        def converted(value: object) -> object:
            try:
                return None if value is None else convert(value)
            except ConversionError as error:
                raise error.with_expected(some.name, name) from None

        return converted

    json_types, identity_types = some.json_types | NONE, some.identity_types | NONE
    return TypeCodec(name, maybe(some.encode), maybe(some.decode), json_types, some.is_identity, identity_types)


def union(name: str, members: Sequence[TypeCodec]) -> TypeCodec:
    """Return the codec of a union of *members*."""
    names = [member.name for member in members]
    codec = UnionCodec(name, [evolve(each, name=_numbered(names[:at], each.name)) for at, each in enumerate(members)])
    return TypeCodec(
        name,
        codec.encode,
        codec.decode,
        json_types=NO_TYPES.union(*(member.json_types for member in members)),
        is_identity=all(member.is_identity for member in members),
        identity_types=NO_TYPES.union(*(member.identity_types for member in members)),
    )


@frozen
class UnionCodec:
    """
    How a value of one of several *members* is converted.

    A value that equals its JSON travels as it is. So does one whose JSON type no other member has. Other values travel with the name of their
    annotation, ``{"_type": "date", "_value": "2030-01-31"}``: as a plain string, a date would be decoded as a str.
    """

    name: str
    members: Sequence[TypeCodec]

    def encode(self, value: object) -> object:
        """Return *value*, encoded by the first member that can."""
        errors = []
        for member in sorted(self.members, key=lambda each: (each.is_identity, float in each.identity_types)):
            try:
                tree = member.encode(value)
            except ConversionError as error:
                errors.append(error)
            else:
                return tree if self._is_unambiguous(member, tree) else {_NAME: member.name, _VALUE: tree}
        raise self._error_of(errors, value)

    def decode(self, tree: object) -> object:
        """Return *tree*, decoded by the member that it names, or else by the first that can."""
        if isinstance(tree, Mapping) and _is_named(tree):
            for member in self.members:
                if member.name == tree[_NAME]:
                    return member.decode(tree[_VALUE])
        errors = []
        for member in sorted(self.members, key=lambda each: (not each.is_identity, float in each.identity_types)):
            try:
                return member.decode(tree)
            except ConversionError as error:
                errors.append(error)
        raise self._error_of(errors, tree)

    def _is_unambiguous(self, member: TypeCodec, tree: object) -> bool:
        """Does *tree* itself show that *member* wrote it?"""
        others = NO_TYPES.union(*(other.json_types for other in self.members if other is not member))
        is_alone = type(tree) in member.json_types and not member.json_types & others
        return (member.is_identity or is_alone) and not _is_named(tree)

    def _error_of(self, errors: Sequence[ConversionError], value: object) -> ConversionError:
        """Return the error of the member that failed inside of *value*, which is the likeliest; or else one that names the union."""
        return next((each for each in errors if each.is_nested), mismatch(self.name, value))


def _numbered(names: Sequence[str], name: str) -> str:
    """Return *name*, with a number if *names*, of the other members, contain it."""
    return f"{name}#{names.count(name) + 1}" if name in names else name


def _is_named(tree: object) -> bool:
    return isinstance(tree, Mapping) and tree.keys() == {_NAME, _VALUE}


def literal(name: str, values: Sequence[object]) -> TypeCodec:
    """Return the codec of exactly these *values*; members of enums travel by their value."""
    trees = [(value, _tree_of(value)) for value in values]

    def encode(value: object) -> object:
        for allowed, tree in trees:
            if type(value) is type(allowed) and value == allowed:
                return tree
        raise mismatch(name, value)

    def decode(tree: object) -> object:
        for value, allowed in trees:
            if type(tree) is type(allowed) and tree == allowed:
                return value
        raise mismatch(name, tree)

    is_identity = all(value is tree for value, tree in trees)
    return TypeCodec(name, encode, decode, json_types=frozenset(type(tree) for _, tree in trees), is_identity=is_identity)


def none_only() -> TypeCodec:
    """Return the codec of None."""
    return evolve(literal("None", [None]), identity_types=NONE)


def enum(kind: type[Enum]) -> TypeCodec:
    """Return the codec of an Enum: by value if all values are scalars, else by name."""
    name, json_types = kind.__name__, frozenset(type(member.value) for member in kind)
    by_value = json_types <= SCALARS

    def encode(value: object) -> object:
        if not isinstance(value, kind):
            raise mismatch(name, value)
        return value.value if by_value else value.name

    def decode(tree: object) -> object:
        try:
            if by_value and type(tree) in json_types:
                return kind(tree)
            if not by_value and isinstance(tree, str):
                return kind[tree]
        except (ValueError, KeyError):
            pass
        raise mismatch(name, tree)

    return TypeCodec(name, encode, decode, json_types=json_types if by_value else frozenset((str,)))


def _tree_of(value: object) -> object:
    if isinstance(value, Enum):
        return enum(type(value)).encode(value)
    return b64encode(value).decode() if isinstance(value, bytes) else value
