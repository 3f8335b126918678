"""Functions of all kinds, and what becomes of arguments on their way to them."""

import functools
import json
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, NotRequired, ParamSpec, TypedDict, Unpack

import attrs
import pytest

from fq.errors import InvalidArguments
from fq.wire.signature import Signature

P = ParamSpec("P")

if TYPE_CHECKING:
    from nowhere import Unseen


@attrs.frozen
class Item:
    price: Decimal
    tags: frozenset[str] = frozenset()


@attrs.frozen
class Order:
    items: list[Item]
    replaces: "Order | None" = None


class Limits(TypedDict):
    low: Decimal
    high: NotRequired[Decimal]


def add(a: int, b: int) -> int:
    return a + b


def scale(a: int, factor: float = 1.0, *, label: str = "") -> float:
    return a * factor


def ship(order: Order, /, when: date, *notes: str, due: datetime | None = None, **sizes: Decimal) -> None: ...


def anything(a, b=None): ...


def limited(name: str, **limits: Unpack[Limits]) -> None: ...


def later(order: "DeclaredLater") -> "list[DeclaredLater]": ...


def unseen(order: "Unseen", count: int) -> "Unseen": ...


@attrs.frozen
class DeclaredLater:
    price: Decimal


def through(count: int, *args: P.args, **kwargs: P.kwargs) -> None: ...


class Shop:
    def sell(self, item: Item) -> Item:
        return item

    def __call__(self, item: Item) -> Item:
        return item

    @classmethod
    def open(cls, day: date) -> None: ...


class AsyncShop:
    async def __call__(self, item: Item) -> Item:
        return item


def logged(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


ORDER = Order([Item(Decimal("1.10"), frozenset(["a"]))], Order([]))


def travelled(function, *args, **kwargs):
    """Return the arguments that *function* is called with in the worker."""
    signature = Signature.of(function)
    return signature.bind(*(as_json(part) for part in signature.dump(args, kwargs)))


def as_json(arguments):
    return type(arguments)(json.loads(json.dumps(arguments)))


def refused(function, args=(), kwargs=None, side="bind", **options):
    """Return what is said about arguments that do not fit."""
    with pytest.raises(InvalidArguments) as caught:
        getattr(Signature.of(function), side)(tuple(args), kwargs or {}, **options)
    return str(caught.value)


def returning(annotation):
    """Return the signature of a function that returns *annotation*."""

    def work(): ...

    work.__annotations__["return"] = annotation
    return Signature.of(work)
