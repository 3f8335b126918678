"""Types of all kinds, values of them, and what becomes of a value on its way."""

import json
from collections import deque
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum, IntEnum, IntFlag, StrEnum
from pathlib import Path
from typing import (
    Annotated,
    Any,
    ClassVar,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Optional,
    TypedDict,
    TypeVar,
)
from uuid import UUID

import attrs
import pytest
from hypothesis import strategies as st

from fq.wire.convert import ConversionError, converter, from_json, to_json

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
    """A class that has no codec."""

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
