"""A signature turns the result of a function into JSON and back."""

import functools
import json
from datetime import date
from decimal import Decimal
from typing import Any, Literal, Never, NoReturn
from uuid import UUID

import pytest
from returns.result import Result

from fq.errors import InvalidResult
from fq.wire.signature import Signature
from tests.wire.signature.functions import ORDER, Item, Order, anything, returning

# --- results -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, 1),
        (None, None),
        (int | None, None),
        (Any, "a"),
        (str | int, 1),
        (Result[int, str], 1),
        (Order, ORDER),
        (Result[Order, ValueError], ORDER),
        (tuple[Item, UUID], (Item(Decimal(1)), UUID(int=1))),
        (dict[int, set[date]], {1: {date(2030, 1, 1)}}),
        (Literal["a"], "a"),
        (Result, [1]),
    ],
)
def test_a_result_is_read_as_what_it_was(annotation, value):
    signature = returning(annotation)
    stored = json.loads(json.dumps(signature.dump_result(value)))

    assert signature.load_result(stored) == value


@pytest.mark.parametrize(
    ("annotation", "value", "said"),
    [
        (int, "x", "result: expected int, found 'x'"),
        (int, None, "result: expected int, found None"),
        (None, 3, "result: expected None, found 3"),
        (Order, Order([Item("x")]), "result.items[0].price: expected Decimal, found 'x'"),
        (Any, {"a": [b""]}, "result.a[0]: found b'' of type bytes, expected a JSON value; annotate it to have it converted"),
        (list[int], [1, None], "result[1]: expected int, found None"),
        (Result[int, str], "x", "result: expected int, found 'x'"),
    ],
)
def test_a_result_that_does_not_fit_is_named_by_its_path(annotation, value, said):
    with pytest.raises(InvalidResult) as caught:
        returning(annotation).dump_result(value)

    assert str(caught.value) == said


def test_a_stored_result_that_does_not_fit_is_named_by_its_path():
    with pytest.raises(InvalidResult) as caught:
        returning(Item).load_result({})

    assert str(caught.value) == "result.price: expected Decimal, found nothing"


def test_an_int_is_fine_for_a_float():
    assert returning(float).dump_result(1) == 1.0


def test_a_result_shares_nothing_with_what_was_returned():
    value = {"a": [1]}
    for annotation in (Any, dict[str, list[int]]):
        dumped = returning(annotation).dump_result(value)

        assert dumped == value
        assert dumped is not value
        assert dumped["a"] is not value["a"]


def test_it_knows_whether_there_is_a_result():
    for nothing in (None, "None", NoReturn, Never, Result[None, str]):
        assert returning(nothing).returns_nothing
    for something in (int, int | None, Any, Result[int, None], Result):
        assert not returning(something).returns_nothing


def test_a_function_without_a_return_annotation_may_return_something():
    assert not Signature.of(anything).returns_nothing
    assert Signature.of(anything).dump_result({"a": 1}) == {"a": 1}


async def typed(item: Item) -> Item:
    return item


async def untyped(item):
    return item


@pytest.mark.parametrize("function", [typed, untyped])
@pytest.mark.filterwarnings("error")
def test_a_coroutine_of_an_async_function_behind_a_plain_decorator_names_the_decorator(function):
    @functools.wraps(function)
    def plain(*args):
        return function(*args)

    with pytest.raises(InvalidResult, match=rf"found a coroutine of '{function.__qualname__}'.*Make the function in that decorator async"):
        Signature.of(plain).dump_result(plain(None))
