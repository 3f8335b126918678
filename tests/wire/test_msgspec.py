"""Structs of msgspec, NumPy's scalars, and types that a user registers."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import msgspec
import numpy as np
import pytest

from fq import App, register
from fq.brokers.memory import MemoryBroker
from fq.wire.convert import ConversionError, from_json, to_json


class Line(msgspec.Struct):
    price: Decimal


class Order(msgspec.Struct, rename="camel"):
    order_id: int
    made: datetime
    lines: list[Line] = []


ORDER = Order(1, datetime(2030, 1, 31, tzinfo=UTC), [Line(Decimal("2.50"))])


@pytest.mark.parametrize(
    ("value", "annotation"), [(ORDER, Order), ([ORDER], list[Order]), ({"a": ORDER}, dict[str, Order]), (None, Order | None)]
)
def test_structs_are_read_back_as_they_were(value: object, annotation: object) -> None:
    assert from_json(to_json(value, annotation), annotation) == value


def test_the_wire_form_has_the_names_of_the_struct() -> None:
    assert to_json(ORDER, Order) == {"orderId": 1, "made": "2030-01-31T00:00:00Z", "lines": [{"price": "2.50"}]}


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        ([{"orderId": 1, "made": "2030-01-31T00:00:00Z", "lines": [{"price": []}]}], "orders[0].lines[0].price: expected"),
        ([{"made": "2030-01-31T00:00:00Z"}], "orders[0]: object missing required field `orderId`"),
        ([7], "orders[0]: expected `object`, got `int`"),
    ],
)
def test_an_error_names_one_path(tree: object, text: str) -> None:
    with pytest.raises(ConversionError) as caught:
        from_json(tree, list[Order], "orders")

    assert str(caught.value).startswith(text)


@pytest.mark.parametrize("value", [{"orderId": 1}, Order("x", datetime.now(UTC)), Line(Decimal(1))])  # type: ignore[arg-type]
def test_what_does_not_fit_is_refused_at_the_send(value: object) -> None:
    with pytest.raises(ConversionError):
        to_json(value, Order)


@pytest.mark.parametrize(
    ("value", "annotation", "expected"),
    [
        (np.int64(5), int, 5),
        (np.int8(-1), float, -1.0),
        (np.float32(0.5), float, 0.5),
        (np.float64(2.5), float, 2.5),
        (np.bool_(True), bool, True),
        ([np.int64(1), np.uint8(2)], list[int], [1, 2]),
    ],
)
def test_scalars_of_numpy_are_the_numbers_that_they_equal(value: object, annotation: object, expected: object) -> None:
    found = to_json(value, annotation)

    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("value", "annotation"), [(np.float64(2.5), int), (np.bool_(True), int), (np.int64(1), bool), (np.array([1]), int)]
)
def test_scalars_of_numpy_of_another_kind_are_refused(value: object, annotation: object) -> None:
    with pytest.raises(ConversionError, match="value: expected "):
        to_json(value, annotation)


def test_a_registered_type_is_an_argument_and_a_result() -> None:
    register(Fraction, str, Fraction)
    app = App(broker=MemoryBroker())

    @app.actor
    def half(of: Fraction) -> list[Fraction]:
        return [of / 2]

    handle = half.send(Fraction(1, 3))
    app.run_until_idle()

    assert handle.get().unwrap() == [Fraction(1, 6)]
    with pytest.raises(ConversionError, match="value: expected Fraction, found 'x'"):
        from_json("x", Fraction)
