"""A value that does not fit its annotation is named by its path."""

from collections.abc import Iterable, Sequence
from dataclasses import InitVar, dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import (
    Any,
    ForwardRef,
    Generic,
    Literal,
    Never,
)
from uuid import UUID

import attrs
import pytest

from fq.wire.convert import from_json
from tests.wire.convert.annotated_values import (
    Book,
    Color,
    Corner,
    Item,
    Level,
    Money,
    Opaque,
    Options,
    Order,
    Page,
    Point,
    Summertime,
    said,
    sent,
)

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


def test_a_class_without_a_codec_is_refused_with_advice():
    expected = (
        "x: expected a type that can be converted, which Opaque is not, found Opaque(); "
        "make it an attrs class, a dataclass or a pydantic model, or tell fq how with fq.register(type, encode, decode)"
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
