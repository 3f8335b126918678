"""Values become JSON by their annotations, and come back as what they were; what does not fit is named by its path."""

import json
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum, IntEnum, IntFlag, StrEnum
from pathlib import Path, PurePosixPath
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    ForwardRef,
    Generic,
    Literal,
    NamedTuple,
    Never,
    NewType,
    NotRequired,
    Optional,
    TypedDict,
    TypeVar,
)
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fq.core.frozen import FrozenDict
from fq.wire.convert import ConversionError, converter, decoder, encoder, from_json, to_json

T = TypeVar("T")
K = TypeVar("K")
Number = TypeVar("Number", bound=int)
UserId = NewType("UserId", int)


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Mood(StrEnum):
    GOOD = "good"
    BAD = "bad"


class Access(IntFlag):
    READ = 1
    WRITE = 2


class Corner(Enum):
    TOP = (0, 1)
    LOW = (1, 0)


@attrs.frozen
class Item:
    price: Decimal
    tags: frozenset[str] = frozenset()


@attrs.frozen
class Order:
    items: list[Item]
    placed: datetime | None = None
    replaces: Optional["Order"] = None


@attrs.frozen
class Page(Generic[T]):
    items: list[T]
    last: T | None = None


@attrs.frozen
class Book(Page[dict[str, K]], Generic[K]):
    title: K | None = None


@dataclass(frozen=True)
class Point:
    x: float
    y: float = 0.0
    labels: dict[int, str] = field(default_factory=dict, hash=False)


class Span(NamedTuple):
    start: date
    end: date | None = None


class Options(TypedDict):
    color: Color
    depth: NotRequired[int]


@attrs.define
class Secret:
    _token: bytes
    uses: int = attrs.field(default=0, init=False)
    limit: ClassVar[int] = 3


class Summertime(tzinfo):
    """A zone whose offset depends on the date."""

    def utcoffset(self, when):
        return timedelta(hours=2 if 3 < when.month < 10 else 1) if when else None

    def dst(self, when):
        return None


class Money:
    """A class with hooks, registered below."""

    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and self.cents == other.cents

    __hash__ = None  # type: ignore[assignment]


class Stack(list):
    """A list of one's own."""


class Tenth(float):
    """A float of one's own."""


class Opaque:
    """A class that nobody can convert."""

    def __repr__(self) -> str:
        return "Opaque()"


converter.register_unstructure_hook(Money, lambda money: f"{money.cents} ct")
converter.register_structure_hook(Money, lambda text, _: Money(int(text.removesuffix(" ct"))))

offsets = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
texts = st.text(max_size=5)
HASHABLE = [
    (int, st.integers()),
    (str, texts),
    (bool, st.booleans()),
    (float, st.floats(allow_nan=False)),
    (type(None), st.none()),
    (bytes, st.binary(max_size=5)),
    (Decimal, st.decimals(allow_nan=False)),
    (UUID, st.uuids()),
    (date, st.dates()),
    (datetime, st.datetimes(timezones=st.none() | offsets)),
    (time, st.times(timezones=st.none() | offsets)),
    (timedelta, st.timedeltas()),
    (Path, texts.map(Path)),
    (Color, st.sampled_from(Color)),
    (Level, st.sampled_from(Level)),
    (Mood, st.sampled_from(Mood)),
    (Access, st.sampled_from([Access(n) for n in range(4)])),
    (Corner, st.sampled_from(Corner)),
    (UserId, st.integers()),
    (Literal["a", 1, True, Color.RED, b"x"] | None, st.sampled_from(["a", 1, True, Color.RED, b"x", None])),
    (Annotated[int, "metres"], st.integers()),
    (Span, st.builds(Span, st.dates(), st.none() | st.dates())),
]
OTHERS = [
    (Item, st.builds(Item, st.decimals(allow_nan=False), st.frozensets(texts, max_size=2))),
    (Point, st.builds(Point, st.floats(allow_nan=False), st.just(1.5), st.dictionaries(st.integers(), texts, max_size=2))),
    (Options, st.fixed_dictionaries({"color": st.sampled_from(Color)}, optional={"depth": st.integers()})),
    (bytearray, st.binary(max_size=5).map(bytearray)),
    (Money, st.builds(Money, st.integers())),
    (Any, st.recursive(st.none() | st.booleans() | texts, lambda inner: st.lists(inner, max_size=2), max_leaves=3)),
]


def holding(shapes, hashable):
    """Return shapes that hold one of *shapes*, and where only hashables can be held, one of *hashable*."""
    return st.one_of(
        shapes.map(lambda s: (list[s[0]], st.lists(s[1], max_size=3))),
        shapes.map(lambda s: (deque[s[0]], st.lists(s[1], max_size=3).map(deque))),
        shapes.map(lambda s: (tuple[s[0], ...], st.lists(s[1], max_size=3).map(tuple))),
        shapes.map(lambda s: (s[0] | None, st.none() | s[1])),
        shapes.map(lambda s: (Page[s[0]], st.builds(Page, st.lists(s[1], max_size=2), st.none() | s[1]))),
        st.tuples(shapes, shapes).map(lambda two: (tuple[two[0][0], two[1][0]], st.tuples(two[0][1], two[1][1]))),
        st.tuples(shapes, shapes).map(lambda two: (two[0][0] | two[1][0], two[0][1] | two[1][1])),
        hashable.map(lambda s: (set[s[0]], st.sets(s[1], max_size=3))),
        hashable.map(lambda s: (frozenset[s[0]], st.frozensets(s[1], max_size=3))),
        st.tuples(hashable, shapes).map(lambda two: (dict[two[0][0], two[1][0]], st.dictionaries(two[0][1], two[1][1], max_size=3))),
    )


hashable = st.sampled_from(HASHABLE)
shapes = st.recursive(st.sampled_from(HASHABLE + OTHERS), lambda inner: holding(inner, hashable), max_leaves=5)
annotated_values = shapes.flatmap(lambda shape: st.tuples(st.just(shape[0]), shape[1]))
trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def sent(value, annotation):
    """Return *value* as it arrives on the other side."""
    return from_json(json.loads(json.dumps(to_json(value, annotation))), annotation)


def said(value, annotation, path="x", convert=to_json):
    """Return what is said about *value*, which does not fit."""
    with pytest.raises(ConversionError) as caught:
        convert(value, annotation, path)
    return str(caught.value)


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
def test_any_json_is_either_read_or_a_misfit(tree, shape):
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


# --- what does not fit ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (int, "x", "x: expected int, found 'x'"),
        (int, True, "x: expected int, found True"),
        (int, 1.0, "x: expected int, found 1.0"),
        (float, "1", "x: expected float, found '1'"),
        (float, True, "x: expected float, found True"),
        (str, 1, "x: expected str, found 1"),
        (str, b"a", "x: expected str, found b'a'"),
        (bool, 1, "x: expected bool, found 1"),
        (None, 0, "x: expected None, found 0"),
        (Never, None, "x: expected Never, found None"),
        (Decimal, 1.5, "x: expected Decimal, found 1.5"),
        (datetime, "2030-01-01", "x: expected datetime, found '2030-01-01'"),
        (
            date,
            datetime(2030, 1, 1, tzinfo=UTC),
            "x: expected date, found datetime.datetime(2030, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)",
        ),
        (Color, "red", "x: expected Color, found 'red'"),
        (Literal["a", 1], True, "x: expected Literal['a', 1], found True"),
        (int | None, "x", "x: expected int | None, found 'x'"),
        (Item | None, 3, "x: expected Item | None, found 3"),
        (int | str | None, 1.5, "x: expected int | str | None, found 1.5"),
        (list[str], "abc", "x: expected list[str], found 'abc'"),
        (Sequence[str], "abc", "x: expected Sequence[str], found 'abc'"),
        (list[int], (1,), "x: expected list[int], found (1,)"),
        (list[list[int]], [[1], [2, "a"]], "x[1][1]: expected int, found 'a'"),
        (set[int], {"a"}, "x[0]: expected int, found 'a'"),
        (tuple[int, str], (1,), "x: expected tuple[int, str], found (1,)"),
        (tuple[int, str], (1, 2), "x[1]: expected str, found 2"),
        (tuple[int, ...], (1, "a"), "x[1]: expected int, found 'a'"),
        (dict[str, int], {"a": "b"}, "x.a: expected int, found 'b'"),
        (dict[str, int], {1: 1}, "x (key): expected str, found 1"),
        (dict[int, int], {1: "b"}, "x[1]: expected int, found 'b'"),
        (dict[str, list[int | None]], {"a": [1, "b"]}, "x.a[1]: expected int | None, found 'b'"),
        (Order, {"items": []}, "x: expected Order, found {'items': []}"),
        (Order, Order([Item(Decimal(1)), Item("abc")]), "x.items[1].price: expected Decimal, found 'abc'"),
        (Order, Order([], replaces=Order([3])), "x.replaces.items[0]: expected Item, found 3"),
        (Order | str, Order([3]), "x.items[0]: expected Item, found 3"),
        (Point, Point("a"), "x.x: expected float, found 'a'"),
        (Options, [], "x: expected Options, found []"),
        (Options, {}, "x.color: expected Color, found nothing"),
        (Options, {"color": Color.RED, "deep": 1}, "x: expected a key of Options, found 'deep'"),
        (Page[int], Page(["a"]), "x.items[0]: expected int, found 'a'"),
        (Book[int], Book([{"a": "b"}], None, 1), "x.items[0].a: expected int, found 'b'"),
        (Money, 3, "x: expected Money, found 3"),
        (int, "a" * 200, f"x: expected int, found '{'a' * 37}...{'a' * 38}'"),
    ],
)
def test_a_value_that_does_not_fit_is_named_by_its_path(annotation, value, expected):
    assert said(value, annotation) == expected


@pytest.mark.parametrize(
    ("annotation", "tree", "expected"),
    [
        (Order, {"items": [{}, {"price": "1"}]}, "x.items[0].price: expected Decimal, found nothing"),
        (Order, {"items": [{"price": "1"}, {"price": "abc"}]}, "x.items[1].price: expected Decimal, found 'abc'"),
        (Order, [], "x: expected Order, found []"),
        (Decimal, 1, "x: expected Decimal, found 1"),
        (UUID, "1", "x: expected UUID, found '1'"),
        (bytes, "!", "x: expected bytes, found '!'"),
        (datetime, "soon", "x: expected datetime, found 'soon'"),
        (timedelta, 10**30, f"x: expected timedelta, found {10**30}"),
        (float, 10**400, None),
        (Color, "green", "x: expected Color, found 'green'"),
        (Corner, "NONE", "x: expected Corner, found 'NONE'"),
        (Level, True, "x: expected Level, found True"),
        (Literal["a", 1], True, "x: expected Literal['a', 1], found True"),
        (dict[int, int], {"a": 1}, "x (key): expected int, found 'a'"),
        (dict[int, int], {'"1"': 1}, "x (key): expected int, found '1'"),
        (dict[date, int], {"1": 1}, "x (key): expected date, found '1'"),
        (dict[str, int], [], "x: expected dict[str, int], found []"),
        (set[int], 1, "x: expected set[int], found 1"),
        (tuple[int, str], [1], "x: expected tuple[int, str], found [1]"),
        (Order | Item, {"items": [3]}, "x.items[0]: expected Item, found 3"),
        (date | str, {"_type": "date", "_value": "x"}, "x: expected date, found 'x'"),
        (date | str, {"_type": "time", "_value": "x"}, "x: expected date | str, found {'_type': 'time', '_value': 'x'}"),
    ],
)
def test_json_that_does_not_fit_is_named_by_its_path(annotation, tree, expected):
    found = said(tree, annotation, convert=from_json)

    assert found == expected or (expected is None and found.startswith("x: expected float, found 1000"))


def test_what_is_not_annotated_must_be_json():
    advice = "expected a JSON value; annotate it to have it converted"

    assert said([1, {"a": date(2030, 1, 1)}], Any) == f"x[1].a: found datetime.date(2030, 1, 1) of type date, {advice}"
    assert said({1: 2}, Any).startswith("x: found the key 1, expected str")
    assert said({1, 2}, Any | None) == f"x: found {{1, 2}} of type set, {advice}"


def test_what_names_nothing_must_be_json_too():
    assert sent([1], ForwardRef("Nowhere")) == [1]
    assert said({1, 2}, ForwardRef("Nowhere")).endswith(
        "(its annotation 'Nowhere' names nothing at run time: is that imported under TYPE_CHECKING only?)"
    )


def test_an_instance_of_a_subclass_is_refused_since_it_would_not_arrive_as_one():
    @attrs.frozen
    class Gift(Item):
        note: str = ""

    assert said(Gift(Decimal(1)), Item).startswith("x: expected Item, found ")


def test_what_holds_itself_is_refused():
    endless: list[object] = []
    endless.append(endless)

    for annotation in (Any, list, list[Any], list | None):
        assert said(endless, annotation) == "x: nested too deeply, or holds itself"


def test_a_class_that_nobody_can_convert_is_refused_with_advice():
    expected = (
        "x: expected a type that can be converted, which Opaque is not, found Opaque(); "
        "make it an attrs class or a dataclass, or register hooks with fq.wire.convert.converter"
    )

    assert said(Opaque(), Opaque) == expected
    assert said([Opaque()], list[Opaque]) == expected.replace("x:", "x[0]:")
    assert said("Opaque()", Opaque, convert=from_json).startswith("x: expected a type that can be converted")


@pytest.mark.parametrize("annotation", [type[int], [int], 3, "nothing like this", Iterable, Generic])
def test_an_annotation_that_means_nothing_never_breaks_anything(annotation):
    assert said(Opaque(), annotation)


def test_a_validator_says_why_it_refuses():
    @attrs.frozen
    class Age:
        years: int = attrs.field(validator=attrs.validators.ge(0))

    assert said({"years": -1}, Age, convert=from_json) == ("x: expected Age, found {'years': -1} (ValueError: 'years' must be >= 0: -1)")


def test_a_class_that_its_fields_do_not_make_is_refused_when_it_is_sent():
    @dataclass
    class Drawn:
        width: int
        scale: InitVar[int]

    assert said(Drawn(1, 2), Drawn) == ("x: Drawn cannot be converted: its fields and the parameters of __init__ differ in scale")


def test_a_time_whose_offset_depends_on_the_date_is_refused():
    noon = time(12, tzinfo=Summertime())

    assert "without a date, its zone has no offset" in said(noon, time)


def test_two_types_of_one_name_are_told_apart():
    other = attrs.make_class("Item", {"price": attrs.field(type=str)})

    assert sent(Item(Decimal(1)), Item | other) == Item(Decimal(1))
    assert sent(other("a"), Item | other) == other("a")


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
    scope = dict(globals())
    exec(NEWER, scope)
    annotation = eval(annotation, scope)
    value = eval(value, scope) if isinstance(value, str) else value

    assert sent(value, annotation) == value
