"""A signature reads the annotations of any callable, as soon as their names exist."""

import functools
from collections.abc import Awaitable, Coroutine
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Optional

import pytest
from returns.result import Result

from fq.wire.signature import Signature
from tests.wire.signature.functions import (
    ORDER,
    AsyncShop,
    DeclaredLater,
    Item,
    Shop,
    add,
    anything,
    later,
    logged,
    refused,
    returning,
    scale,
    ship,
    through,
    travelled,
    unseen,
)

# --- annotations ---------------------------------------------------------------------------------

if TYPE_CHECKING:
    from nowhere import Unseen


def test_a_class_may_be_declared_after_the_function():
    assert travelled(later, DeclaredLater(Decimal(1))) == ((DeclaredLater(Decimal(1)),), {})


def test_an_annotation_that_names_nothing_means_json():
    assert travelled(unseen, {"a": [1]}, 1) == (({"a": [1]}, 1), {})
    assert refused(unseen, ({}, "x")) == "unseen(order, count): count: expected int, found 'x'"
    assert Signature.of(unseen).dump_result([1]) == [1]
    assert str(returning(Optional["Unseen"])) == "work() -> Unseen | None"
    assert refused(unseen, (Decimal(1), 1), side="dump").endswith(
        "(its annotation 'Unseen' names nothing at run time: is that imported under TYPE_CHECKING only?)"
    )


def test_the_return_annotation_can_be_asked_for_before_its_class_exists():
    scope: dict[str, Any] = {}
    exec("def make() -> 'Made': ...", scope)  # the class follows
    signature = Signature.of(scope["make"])

    assert not signature.returns_nothing
    assert not signature.is_async

    scope["Made"] = Decimal

    assert signature.dump_result(Decimal(1)) == "1"


# --- what can be called --------------------------------------------------------------------------


async def sell_async(item: Item) -> Item:
    return item


def sell(item: Item) -> Item:
    return item


CALLABLES = {
    "function": sell,
    "coroutine function": sell_async,
    "decorated": logged(sell),
    "decorated twice": logged(logged(sell_async)),
    "partial": functools.partial(sell),
    "partial of decorated": functools.partial(logged(sell)),
    "cached": functools.lru_cache(sell),
    "method": Shop().sell,
    "decorated method": logged(Shop().sell),
    "object": Shop(),
    "async object": AsyncShop(),
    "partial of unbound method": functools.partial(Shop.sell, Shop()),
    "partial of method": functools.partial(Shop().sell),
}


@pytest.mark.parametrize("function", CALLABLES.values(), ids=CALLABLES)
def test_whatever_can_be_called_is_read_by_its_annotations(function):
    item = Item(Decimal(1))

    assert travelled(function, item) == ((item,), {})
    assert travelled(function, item=item) == ((), {"item": item})
    assert Signature.of(function).dump_result(item) == {"price": "1", "tags": []}


def test_arguments_that_a_partial_gives_need_not_be_sent():
    signature = Signature.of(functools.partial(ship, ORDER, due=None))

    assert signature.bind(("2030-01-01", "a"), {}) == ((date(2030, 1, 1), "a"), {})
    assert str(signature) == "ship(when: date, *notes: str, due: datetime | None = None, **sizes: Decimal) -> None"


def test_arguments_of_no_known_type_are_json():
    assert travelled(through, 1, [2], a={"b": 3}) == ((1, [2]), {"a": {"b": 3}})


def test_a_class_method_takes_no_class():
    assert travelled(Shop.open, date(2030, 1, 1)) == ((date(2030, 1, 1),), {})


def test_a_builtin_that_does_not_say_what_it_takes_gets_json():
    assert travelled(dict.fromkeys, [1], None) == (([1], None), {})
    assert travelled(getattr, [1], "a") == (([1], "a"), {})


@pytest.mark.parametrize(
    ("function", "is_async"),
    [
        (sell, False),
        (sell_async, True),
        (functools.partial(sell_async), True),
        (AsyncShop(), True),
        (AsyncShop().__call__, True),
        (Shop(), False),
        (functools.partial(AsyncShop()), True),
    ],
)
def test_it_knows_what_must_be_awaited(function, is_async):
    assert Signature.of(function).is_async is is_async


def test_a_plain_function_that_returns_an_awaitable_must_be_awaited():
    def start() -> Awaitable[Decimal]: ...
    def begin() -> Coroutine[Any, Any, Result[Decimal, str]]: ...

    for function in (start, begin):
        assert Signature.of(function).is_async
        assert Signature.of(function).dump_result(Decimal(1)) == "1"


# --- how it shows --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "shown"),
    [
        (add, "add(a: int, b: int) -> int"),
        (anything, "anything(a, b=None)"),
        (scale, "scale(a: int, factor: float = 1.0, *, label: str = '') -> float"),
        (
            ship,
            "ship(order: Order, /, when: date, *notes: str, due: datetime | None = None, **sizes: Decimal) -> None",
        ),
        (unseen, "unseen(order: Unseen, count: int) -> Unseen"),
        (Shop(), "Shop(item: Item) -> Item"),
    ],
)
def test_it_shows_as_one_would_write_it(function, shown):
    assert str(Signature.of(function)) == shown


def test_signatures_of_one_function_are_equal():
    assert Signature.of(add) == Signature.of(add)
    assert Signature.of(add) != Signature.of(scale)
    assert hash(Signature.of(add)) == hash(Signature.of(add))
