"""Values of one of several types: unions, Literal and Enum."""

from collections.abc import Mapping, Sequence
from enum import Enum, Flag
from typing import cast

from attrs import evolve, frozen

from fq.convert.coder import SCALARS, Coder
from fq.convert.misfit import Misfit, misfit

_TAG, _VALUE = "_type", "_value"
_EMPTY: frozenset[type] = frozenset()


def optional(name: str, some: Coder) -> Coder:
    """Return the coder of *some* or None."""
    return evolve(
        some,
        name=name,
        encode=lambda value: None if value is None else _named(name, some, some.encode, value),
        decode=lambda tree: None if tree is None else _named(name, some, some.decode, tree),
        wire=some.wire | {type(None)},
        passing=some.passing | {type(None)},
    )


@frozen
class Union:
    """
    One of several *members*.

    Plain members travel as they are. So does another whose JSON type no other member has; the rest travel with the name
    of their type, ``{"_type": "date", "_value": "2030-01-31"}``, since JSON alone would not tell a date from a str.
    """

    name: str
    members: Sequence[Coder]

    def encode(self, value: object) -> object:
        """Return *value* as the first member that it fits writes it."""
        misfits = []
        for member in sorted(self.members, key=_specific_first):
            try:
                tree = member.encode(value)
            except Misfit as error:
                misfits.append(error)
                continue
            if self._is_clear(member, tree):
                return tree
            return {_TAG: member.name, _VALUE: tree}
        raise self._worst(misfits, value)

    def decode(self, tree: object) -> object:
        """Return what the member that *tree* names, or else the first that takes it, makes of it."""
        if _is_tagged(tree):
            tagged = cast("Mapping[str, object]", tree)
            named = [member for member in self.members if member.name == tagged[_TAG]]
            if named:
                return named[0].decode(tagged[_VALUE])
        misfits = []
        for member in sorted(self.members, key=_plain_first):
            try:
                return member.decode(tree)
            except Misfit as error:
                misfits.append(error)
        raise self._worst(misfits, tree)

    def _is_clear(self, member: Coder, tree: object) -> bool:
        others = frozenset[type]().union(*(other.wire for other in self.members if other is not member))
        alone = type(tree) in member.wire and not member.wire & others
        return (member.is_plain or alone) and not _is_tagged(tree)

    def _worst(self, misfits: Sequence[Misfit], value: object) -> Misfit:
        return next((each for each in misfits if each.is_deep), misfit(self.name, value))
