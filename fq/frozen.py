"""`FrozenDict`: the immutable mapping that messages carry. Continue with `fq.message`."""

from collections.abc import Mapping
from typing import Never, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class FrozenDict(dict[K, V]):
    """
    A dict that refuses to change.

    A subclass of `dict` and not a wrapper, because the standard JSON encoder writes it at full speed.

    >>> FrozenDict(a=1)["a"]
    1
    >>> FrozenDict(a=1)["a"] = 2
    Traceback (most recent call last):
    ...
    TypeError: a FrozenDict cannot be changed: build a new one with `{**old, ...}`
    """

    __slots__ = ()

    def _refuse(self, *_: object, **__: object) -> Never:
        raise TypeError("a FrozenDict cannot be changed: build a new one with `{**old, ...}`")

    __setitem__ = __delitem__ = pop = popitem = clear = __ior__ = _refuse
    update = setdefault = _refuse  # pyright: ignore[reportAssignmentType]  # the overloads of dict, all refused

    def __hash__(self) -> int:  # type: ignore[override]  # a dict is unhashable, this one does not change
        return hash(frozenset(self))

    def __copy__(self) -> "FrozenDict[K, V]":
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return FrozenDict, (dict(self),)

    def __repr__(self) -> str:
        return dict.__repr__(self)


NOTHING: FrozenDict[str, object] = FrozenDict()


def frozen_dict(mapping: Mapping[str, object]) -> FrozenDict[str, object]:
    """Return *mapping* itself when it is frozen already, else a frozen copy."""
    return mapping if type(mapping) is FrozenDict else FrozenDict(mapping)
