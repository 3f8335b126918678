"""`FrozenDict`, the immutable mapping that messages carry, and `unchecked_constructor`, a fast way to make frozen records. Next: ``fq.core.message``."""

from collections.abc import Callable, Mapping
from types import new_class
from typing import Never, ParamSpec, TypeVar, cast

import attrs

K = TypeVar("K")
P = ParamSpec("P")
R = TypeVar("R")
V = TypeVar("V")


class FrozenDict(dict[K, V]):
    """
    A dict that refuses to change.

    A subclass of `dict` and not a wrapper, because the standard JSON encoder encodes it at full speed.

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


EMPTY: FrozenDict[str, object] = FrozenDict()


def frozen_dict(mapping: Mapping[str, object]) -> FrozenDict[str, object]:
    """Return *mapping* itself if it is frozen, else a frozen copy."""
    return mapping if type(mapping) is FrozenDict else FrozenDict(mapping)


def unchecked_constructor(kind: Callable[P, R]) -> Callable[P, R]:
    """
    Return a constructor of *kind*, a frozen attrs class without a weakref slot, that takes a third of the time of its own.

    It is for records of which each message makes several. It takes the fields as the class does, and neither converts nor validates them. It fills a
    mutable twin of the same layout, which then becomes an instance of *kind*. As attrs does, it is compiled from a text: one frame, one store a field.

    >>> from attrs import frozen
    >>> @frozen(weakref_slot=False)
    ... class Point:
    ...     x: int
    ...     y: int = 0
    >>> unchecked_constructor(Point)(1)
    Point(x=1, y=0)
    """
    frozen_class = cast("type[attrs.AttrsInstance]", kind)
    fields: tuple[attrs.Attribute[object], ...] = attrs.fields(frozen_class)
    slots = {"__slots__": [field.name for field in fields]}
    twin = new_class(frozen_class.__name__, frozen_class.__bases__, exec_body=lambda namespace: namespace.update(slots))
    twin.__abstractmethods__ = frozenset()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # it has no methods of its own
    known = {"new": object.__new__, "twin": twin, "kind": kind, **{f"default_{field.name}": field.default for field in fields}}
    parameters = [field.name if field.default is attrs.NOTHING else f"{field.name}=default_{field.name}" for field in fields]
    stores = [f"self.{field.name} = {field.name}" for field in fields]
    lines = [f"def make({', '.join(parameters)}):", "self = new(twin)", *stores, "self.__class__ = kind", "return self"]
    exec(compile("\n    ".join(lines), f"<constructor of {frozen_class.__qualname__}>", "exec"), known)  # noqa: S102  # of the names of fields
    return cast("Callable[P, R]", known["make"])
