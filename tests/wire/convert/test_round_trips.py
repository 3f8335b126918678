"""Values become JSON by their annotations, and come back as what they were."""

import json
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    TypeVar,
)
from uuid import UUID

import attrs
import pytest
from hypothesis import given

from fq.core.frozen import FrozenDict
from fq.wire.convert import ConversionError, decoder, encoder, from_json, to_json
from tests.wire.convert.annotated_values import (
    Access,
    Book,
    Color,
    Corner,
    Item,
    Level,
    Money,
    Mood,
    Number,
    Order,
    Page,
    Secret,
    Span,
    Stack,
    Summertime,
    Tenth,
    UserId,
    annotated_values,
    sent,
    shapes,
    trees,
)

# --- what goes, arrives --------------------------------------------------------------------------


@given(annotated_values)
def test_a_value_arrives_as_what_it_was(annotated_value):
    annotation, value = annotated_value

    arrived = sent(value, annotation)

    assert arrived == value
    assert type(arrived) is type(value) or Any in (annotation, *getattr(annotation, "__args__", ()))


@given(annotated_values, shapes)
def test_what_is_written_by_any_annotation_can_be_read_by_it(annotated_value, shape):
    annotation, (_, value) = shape[0], annotated_value
    try:
        tree = to_json(value, annotation)
    except ConversionError:
        return

    arrived = from_json(json.loads(json.dumps(tree)), annotation)

    assert to_json(arrived, annotation) == tree
    assert arrived == value or "Any" in str(annotation)


@given(trees, shapes)
def test_any_json_is_either_read_or_refused(tree, shape):
    annotation = shape[0]
    try:
        value = from_json(tree, annotation)
    except ConversionError:
        return

    assert sent(value, annotation) == value


@given(trees)
def test_json_arrives_unchanged_where_nothing_is_annotated(tree):
    for annotation in (Any, object, list | dict | Any, TypeVar("Free")):
        assert sent(tree, annotation) == tree


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Order, Order([Item(Decimal("1.10"))], datetime(2030, 1, 1, tzinfo=UTC), Order([]))),
        (Book[int], Book([{"a": 1}], None, 7)),
        (Page[Page[Decimal]], Page([Page([Decimal(1)])])),
        (Secret, Secret(b"\x00\xff")),
        (Final[Path], Path("a/b")),
        (PurePosixPath, PurePosixPath("/a")),
        (OrderedDict[str, date], OrderedDict(b=date(2030, 1, 1), a=date(2030, 1, 2))),
        (Counter[UUID], Counter({UUID(int=1): 2})),
        (Counter, Counter("aab")),
        (defaultdict[str, list[Item]], defaultdict(list, a=[Item(Decimal(1))])),
        (dict[tuple[int, str], set[Color]], {(1, "a"): {Color.RED}}),
        (dict[int | str, int], {1: 1, "1": 2}),
        (dict[bool | None, int], {True: 1, None: 2}),
        (dict[Access, int], {Access.READ | Access.WRITE: 1}),
        (tuple[()], ()),
        (tuple, (1, "a")),
        (set, {1, "a", None}),
        (Order | Item | None, Item(Decimal(1))),
        (list[Page[int] | Page[str]], [Page([1]), Page(["a"])]),
        (UUID | str, "00000000-0000-0000-0000-000000000001"),
        (str | date | datetime | Path, datetime(2030, 1, 1, tzinfo=UTC)),
        (dict[str, str] | date | str, {"_type": "date", "_value": "2030-01-01"}),
        (Mood | str, Mood.GOOD),
        (Mood | str, "good"),
        (int | float, 1),
        (float | int, 1),
        (Money | int, 3),
        (Money | str, Money(3)),
        (Money | str, "3 ct"),
        (Any | bytes, b"a"),
    ],
)
def test_it_arrives_exactly(annotation, value):
    arrived = sent(value, annotation)

    assert arrived == value
    assert type(arrived) is type(value)


@pytest.mark.parametrize(
    ("annotation", "value", "arrives"),
    [
        (Sequence[int], (1, 2), [1, 2]),
        (Sequence[int], range(2), [0, 1]),
        (Collection[str], ("a",), ["a"]),
        (Iterable[str], {"a": 1}.keys(), ["a"]),
        (Mapping[int, str], {1: "a"}, {1: "a"}),
        (Any, (1, [2]), [1, [2]]),
        (Any, {"mood": Mood.GOOD, "level": Level.LOW}, {"mood": "good", "level": 1}),
        (Any, FrozenDict({Mood.GOOD: Stack([1, Tenth(0.1)])}), {"good": [1, 0.1]}),
        (float, 1, 1.0),
        (float, Tenth(0.1), 0.1),
        (Number, 1, 1),
        (str, Mood.GOOD, "good"),
        (int, Level.HIGH, 2),
    ],
)
def test_it_arrives_as_what_the_annotation_says(annotation, value, arrives):
    arrived = sent(value, annotation)

    assert arrived == arrives
    assert type(arrived) is type(arrives)


def test_a_zone_arrives_as_its_offset():
    placed = datetime(2030, 7, 1, 12, tzinfo=Summertime())

    assert sent(placed, datetime) == placed
    assert sent(placed, datetime).utcoffset() == timedelta(hours=2)


# --- what it looks like --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "value", "tree"),
    [
        (bytes, b"\x00\x01", "AAE="),
        (timedelta, timedelta(seconds=1), 1_000_000),
        (datetime, datetime(2030, 1, 1, tzinfo=UTC), "2030-01-01T00:00:00+00:00"),
        (set[str], {"b", "a"}, ["a", "b"]),
        (Color, Color.RED, "red"),
        (Corner, Corner.TOP, "TOP"),
        (Span, Span(date(2030, 1, 1)), {"start": "2030-01-01", "end": None}),
        (Secret, Secret(b""), {"_token": ""}),
        (dict[int, Decimal], {1: Decimal("2.50")}, {"1": "2.50"}),
        (dict[tuple[int, str], int], {(1, "a"): 2}, {'[1,"a"]': 2}),
        (int | str | None, "a", "a"),
        (list[int] | dict[str, int], {"a": 1}, {"a": 1}),
        (int | Order, Order([]), {"items": [], "placed": None, "replaces": None}),
        (date | str, date(2030, 1, 1), {"_type": "date", "_value": "2030-01-01"}),
        (date | str, "2030-01-01", "2030-01-01"),
        (date | int, date(2030, 1, 1), "2030-01-01"),
    ],
)
def test_it_is_written_as(annotation, value, tree):
    assert to_json(value, annotation) == tree


@pytest.mark.parametrize(
    ("annotation", "tree", "value"),
    [
        (Item, {"price": "1", "colour": "red"}, Item(Decimal(1))),
        (Item | Order, {"items": []}, Order([])),
        (date | Path, "2030-01-01", date(2030, 1, 1)),
        (str | date, "2030-01-01", "2030-01-01"),
        (Span, {"start": "2030-01-01"}, Span(date(2030, 1, 1))),
        (Literal["a"] | int, "a", "a"),
    ],
)
def test_what_other_producers_write_is_read_too(annotation, tree, value):
    assert from_json(tree, annotation) == value


# --- what costs nothing, and what is shared ------------------------------------------------------


@given(annotated_values)
def test_nothing_is_shared_with_what_arrives(annotated_value):
    annotation, value = annotated_value
    tree = to_json(value, annotation)
    before = json.dumps(tree)

    scribble(from_json(tree, annotation))

    assert json.dumps(tree) == before


def scribble(value):
    """Change *value*, and what is in it, wherever that can be changed."""
    inside = list(value.values()) if isinstance(value, dict) else list(value) if isinstance(value, list | tuple | deque) else []
    for each in inside:
        scribble(each)
    if isinstance(value, list | deque):
        value.append("scribbled")
    if isinstance(value, dict):
        value["scribbled"] = "scribbled"


def test_scalars_need_no_conversion():
    for annotation in (int, str, float, bool, None, UserId, Annotated[int, []], Final[str]):
        assert encoder(annotation) is None
        assert decoder(annotation) is None
    for annotation in (list[int], Any, int | None, Literal["a"], Mood):
        assert encoder(annotation) is not None
        assert decoder(annotation) is not None


# --- the words of later Pythons ------------------------------------------------------------------

NEWER = """
type Pair[T] = tuple[T, T]
type Prices = dict[str, Decimal]
type Tree = dict[str, Tree] | list[Tree] | Decimal | None
type Branch = list[Leaf]
type Leaf = Branch | date
type Broken = dict[str, NoSuchName]

@attrs.frozen
class Box[T]:
    content: T
    inside: "Box[T] | None" = None

@attrs.frozen
class Crate[V](Box[list[V]]):
    label: V | None = None
"""


@pytest.mark.skipif(sys.version_info < (3, 12), reason="its syntax is of Python 3.12")
@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        ("Pair[Decimal]", (Decimal(1), Decimal(2))),
        ("Prices", {"a": Decimal(1)}),
        ("Tree", {"a": [Decimal(1), {"b": None}]}),
        ("Broken", {"a": [1]}),
        ("Leaf | None", [[date(2030, 1, 1)], date(2030, 1, 2)]),
        ("Box[Decimal]", "Box(Decimal(1), Box(Decimal(2)))"),
        ("Crate[Decimal]", "Crate([Decimal(1)], None, Decimal(2))"),
    ],
)
def test_type_statements_and_type_parameters_are_understood(annotation, value):
    scope = {**globals(), "attrs": attrs}
    exec(NEWER, scope)
    annotation = eval(annotation, scope)
    value = eval(value, scope) if isinstance(value, str) else value

    assert sent(value, annotation) == value
