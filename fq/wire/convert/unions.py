"""Values of one of several types: None or something, unions, Literal and Enum."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from enum import Enum

from attrs import evolve, frozen

from fq.wire.convert.conversion_error import Convert, Misfit, misfit
from fq.wire.convert.type_codec import NO_TYPES, NONE, SCALARS, Coder

_NAME, _VALUE = "_type", "_value"


def optional(name: str, some: Coder) -> Coder:
    """Return the coder of *some* or None."""

    def maybe(convert: Convert) -> Convert:
        def converted(value: object) -> object:
            try:
                return None if value is None else convert(value)
            except Misfit as error:
                raise error.instead_of(some.name, name) from None

        return converted

    encode, decode = maybe(some.encode), maybe(some.decode)
    return evolve(some, name=name, encode=encode, decode=decode, wire=some.wire | NONE, passing=some.passing | NONE)


def union(name: str, members: Sequence[Coder]) -> Coder:
    """Return the coder of one of *members*."""
    names = [member.name for member in members]
    either = Either(name, [evolve(each, name=_unlike(names[:at], each.name)) for at, each in enumerate(members)])
    return Coder(
        name,
        either.encode,
        either.decode,
        wire=NO_TYPES.union(*(member.wire for member in members)),
        is_plain=all(member.is_plain for member in members),
        passing=NO_TYPES.union(*(member.passing for member in members)),
    )


@frozen
class Either:
    """
    How a value of one of several *members* is converted.

    A plain one travels as it is. So does another whose JSON type no other member has. The rest travel with the name of their
    annotation, ``{"_type": "date", "_value": "2030-01-31"}``, since JSON would not tell a date from a str.
    """

    name: str
    members: Sequence[Coder]

    def encode(self, value: object) -> object:
        """Return what the first member that takes *value* makes of it."""
        misfits = []
        for member in sorted(self.members, key=lambda each: (each.is_plain, float in each.passing)):
            try:
                tree = member.encode(value)
            except Misfit as error:
                misfits.append(error)
            else:
                return tree if self._is_clear(member, tree) else {_NAME: member.name, _VALUE: tree}
        raise self._worst(misfits, value)

    def decode(self, tree: object) -> object:
        """Return what the member that *tree* names makes of it, or else the first that takes it."""
        if isinstance(tree, Mapping) and _is_named(tree):
            for member in self.members:
                if member.name == tree[_NAME]:
                    return member.decode(tree[_VALUE])
        misfits = []
        for member in sorted(self.members, key=lambda each: (not each.is_plain, float in each.passing)):
            try:
                return member.decode(tree)
            except Misfit as error:
                misfits.append(error)
        raise self._worst(misfits, tree)

    def _is_clear(self, member: Coder, tree: object) -> bool:
        """Whether *tree*, which *member* wrote, says by itself that it did."""
        others = NO_TYPES.union(*(other.wire for other in self.members if other is not member))
        is_alone = type(tree) in member.wire and not member.wire & others
        return (member.is_plain or is_alone) and not _is_named(tree)

    def _worst(self, misfits: Sequence[Misfit], value: object) -> Misfit:
        """Return the misfit of the member that took *value* until it came to something inside, else one of them all."""
        return next((each for each in misfits if each.is_deep), misfit(self.name, value))


def _unlike(names: Sequence[str], name: str) -> str:
    """Return *name*, numbered if others of a union have it too."""
    return f"{name}#{names.count(name) + 1}" if name in names else name


def _is_named(tree: object) -> bool:
    return isinstance(tree, Mapping) and tree.keys() == {_NAME, _VALUE}


def literal(name: str, values: Sequence[object]) -> Coder:
    """Return the coder of exactly these *values*; members of enums by their value."""
    trees = [(value, _tree_of(value)) for value in values]

    def encode(value: object) -> object:
        for allowed, tree in trees:
            if type(value) is type(allowed) and value == allowed:
                return tree
        raise misfit(name, value)

    def decode(tree: object) -> object:
        for value, allowed in trees:
            if type(tree) is type(allowed) and tree == allowed:
                return value
        raise misfit(name, tree)

    is_plain = all(value is tree for value, tree in trees)
    return Coder(name, encode, decode, wire=frozenset(type(tree) for _, tree in trees), is_plain=is_plain)


def nothing_but_none() -> Coder:
    """Return the coder of None."""
    return evolve(literal("None", [None]), passing=NONE)


def enum(kind: type[Enum]) -> Coder:
    """Return the coder of an Enum: by value if every value is a scalar, else by name."""
    name, wire = kind.__name__, frozenset(type(member.value) for member in kind)
    by_value = wire <= SCALARS

    def encode(value: object) -> object:
        if not isinstance(value, kind):
            raise misfit(name, value)
        return value.value if by_value else value.name

    def decode(tree: object) -> object:
        try:
            if by_value and type(tree) in wire:
                return kind(tree)
            if not by_value and isinstance(tree, str):
                return kind[tree]
        except (ValueError, KeyError):
            pass
        raise misfit(name, tree)

    return Coder(name, encode, decode, wire=wire if by_value else frozenset((str,)))


def _tree_of(value: object) -> object:
    if isinstance(value, Enum):
        return enum(type(value)).encode(value)
    return b64encode(value).decode() if isinstance(value, bytes) else value
