"""`FrozenDict`: a dict that refuses to change, and is otherwise a dict."""

import copy
import json
import pickle
from collections.abc import Callable

import pytest
from attrs import frozen
from attrs.exceptions import FrozenInstanceError

from fq.core.frozen import EMPTY, FrozenDict, frozen_dict, unchecked_constructor

FROZEN: FrozenDict[str, int] = FrozenDict(a=1, b=2)


CHANGES: dict[str, Callable[[FrozenDict[str, int]], object]] = {
    "set": lambda d: d.__setitem__("a", 2),
    "del": lambda d: d.__delitem__("a"),
    "update": lambda d: d.update(a=2),
    "pop": lambda d: d.pop("a"),
    "popitem": lambda d: d.popitem(),
    "clear": lambda d: d.clear(),
    "setdefault": lambda d: d.setdefault("c", 3),
    "|=": lambda d: d.__ior__({"c": 3}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_is_refused(change: Callable[[FrozenDict[str, int]], object]) -> None:
    with pytest.raises(TypeError, match=r"^a FrozenDict cannot be changed: build a new one with"):
        change(FROZEN)

    assert FROZEN == {"a": 1, "b": 2}


def test_it_reads_compares_prints_and_encodes_like_a_dict() -> None:
    assert FROZEN["a"] == 1
    assert {**FROZEN, "a": 3} == {"a": 3, "b": 2} == FROZEN | {"a": 3}
    assert repr(FROZEN) == "{'a': 1, 'b': 2}"
    assert json.dumps(FROZEN) == '{"a": 1, "b": 2}'


def test_equal_ones_have_equal_hashes_in_any_order() -> None:
    assert hash(FROZEN) == hash(FrozenDict(b=2, a=1))
    assert {FROZEN: "x"}[FrozenDict(b=2, a=1)] == "x"


def test_what_it_holds_need_not_be_hashable() -> None:
    assert isinstance(hash(FrozenDict(a=[1])), int)


def test_a_shallow_copy_is_itself_and_others_are_equal() -> None:
    assert copy.copy(FROZEN) is FROZEN
    assert copy.deepcopy(FROZEN) == pickle.loads(pickle.dumps(FROZEN)) == FROZEN
    assert type(pickle.loads(pickle.dumps(FROZEN))) is FrozenDict


def test_freezing_copies_what_can_change_and_keeps_what_cannot() -> None:
    changeable: dict[str, object] = {"a": 1}
    frozen = frozen_dict(changeable)
    changeable["a"] = 2

    assert frozen == {"a": 1}
    assert frozen_dict(frozen) is frozen
    assert frozen_dict(EMPTY) is EMPTY


@frozen(weakref_slot=False)
class Point:
    x: int
    y: int = 0


def test_what_is_quickly_made_is_as_what_is_made() -> None:
    made, quickly = Point(1), unchecked_constructor(Point)(1)

    assert type(quickly) is Point
    assert quickly == made
    assert (hash(quickly), repr(quickly)) == (hash(made), repr(made))
    assert pickle.loads(pickle.dumps(quickly)) == copy.copy(quickly) == made
    with pytest.raises(FrozenInstanceError):
        quickly.x = 2  # type: ignore[misc]  # that is the point
    with pytest.raises(TypeError):
        unchecked_constructor(Point)()  # type: ignore[call-arg]  # that is the point
