"""Pydantic models and types, as arguments and results of actors, anywhere inside an annotation."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Generic, Literal, NewType, TypeVar

import pytest
from attrs import frozen
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    Json,
    NaiveDatetime,
    PastDate,
    PositiveInt,
    SecretStr,
    computed_field,
    field_serializer,
)
from pydantic.dataclasses import dataclass
from typing_extensions import TypeAliasType

from fq import App, Fault, InvalidArguments, register
from fq.brokers.memory import MemoryBroker
from fq.wire.convert import ConversionError, from_json, to_json

T = TypeVar("T")


Positive = TypeAliasType("Positive", Annotated[int, Field(gt=0)])
UserId = NewType("UserId", Annotated[int, Field(gt=0)])  # type: ignore[valid-newtype]  # it is there at run time


class Line(BaseModel):
    price: Decimal
    tags: set[str] = set()


class Order(BaseModel):
    id: int
    made: datetime
    lines: list[Line]


class Rush(Order):
    fee: int = 0


class Page(BaseModel, Generic[T]):
    items: list[T]


class Renamed(BaseModel):
    model_config = ConfigDict(serialize_by_alias=True)
    item_id: int = Field(alias="itemId")


class Aliased(BaseModel):
    item_id: int = Field(alias="itemId")


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    at: datetime


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"


class Counted(BaseModel):
    model_config = ConfigDict(extra="forbid")
    items: list[int]

    @computed_field  # type: ignore[prop-decorator]  # as pydantic documents it
    @property
    def total(self) -> int:
        return sum(self.items)


class Packed(BaseModel):
    items: Json[list[int]]


class Login(BaseModel):
    password: SecretStr


@frozen
class Account:
    login: Login


class Open(BaseModel):
    password: SecretStr

    @field_serializer("password", when_used="json")
    def _as_it_is(self, value: SecretStr) -> str:
        return value.get_secret_value()


@dataclass
class Point:
    x: PositiveInt


@frozen
class Box:
    order: Order


NOW = datetime(2030, 1, 31, 8, tzinfo=UTC)
ORDER = Order(id=1, made=NOW, lines=[Line(price=Decimal("2.50"), tags={"a"})])

PAIRS: list[tuple[object, object]] = [
    (ORDER, Order),
    ({"a": [ORDER]}, dict[str, list[Order]]),
    (None, Order | None),
    (ORDER, Order | None),
    (Box(ORDER), Box),
    (Page[Line](items=ORDER.lines), Page[Line]),
    (Renamed(itemId=3), Renamed),
    (Aliased(itemId=3), Aliased),
    (Strict(at=NOW), Strict),
    (Dog(), Annotated[Cat | Dog, Field(discriminator="kind")]),
    ([Cat(), Dog()], list[Cat | Dog]),
    (5, PositiveInt),
    ("ab", Annotated[str, Field(min_length=2)]),
    (Point(x=3), Point),
    (Open(password=SecretStr("hush")), Open),
    (Counted(items=[1, 2]), Counted),
    (Packed(items="[1, 2]"), Packed),
    (NOW, AwareDatetime),
    ([NOW.replace(tzinfo=None)], list[NaiveDatetime]),
    (NOW.date().replace(year=2000), PastDate),
    ({"a": 1}, dict[str, Positive]),
]


@pytest.mark.parametrize(("value", "annotation"), PAIRS, ids=lambda each: str(each)[:40])
def test_what_is_written_is_read_back_as_it_was(value: object, annotation: object) -> None:
    assert from_json(to_json(value, annotation), annotation) == value


def test_the_wire_form_is_the_json_of_the_model() -> None:
    assert to_json(ORDER, Order) == {"id": 1, "made": "2030-01-31T08:00:00Z", "lines": [{"price": "2.50", "tags": ["a"]}]}
    assert to_json(Renamed(itemId=3), Renamed) == {"itemId": 3}


ORDERS = dict[str, list[Order]]


@pytest.mark.parametrize(
    ("tree", "annotation", "text"),
    [
        (
            {"a": [{"id": 1, "made": "2030-01-31T08:00:00Z", "lines": [{"price": "abc"}]}]},
            ORDERS,
            "orders.a[0].lines[0].price: input should be a valid decimal, found 'abc'",
        ),
        ({"a": [{"id": 1, "made": "2030-01-31T08:00:00Z"}]}, ORDERS, "orders.a[0].lines: field required"),
        ({"a": [{"id": "x", "made": 1}]}, ORDERS, "orders.a[0].id: input should be a valid integer"),
        ({"password": 5}, Login, "orders.password: input should be a valid string"),
        (-1, PositiveInt, "orders: input should be greater than 0, found -1"),
    ],
)
def test_an_error_names_one_path_and_no_secret(tree: object, annotation: object, text: str) -> None:
    with pytest.raises(ConversionError) as caught:
        from_json(tree, annotation, "orders")

    assert str(caught.value).startswith(text)
    assert "pydantic" not in str(caught.value)
    assert "5" not in str(caught.value) or annotation is not Login


@pytest.mark.parametrize(
    ("value", "annotation", "text"),
    [
        ({"id": 1}, Order, "value: expected Order, found {'id': 1}"),
        (Rush(id=1, made=NOW, lines=[]), Order, "value: expected Order, found Rush("),
        (0, PositiveInt, "value: input should be greater than 0, found 0"),
        (0, Positive, "value: input should be greater than 0, found 0"),
        (0, UserId, "value: input should be greater than 0, found 0"),
        (NOW.replace(tzinfo=None), AwareDatetime, "value: input should have timezone info"),
        (Login(password=SecretStr("hush")), Login, "value: Login has a secret that pydantic masks"),
        (Login(password=SecretStr("hush")), Login | None, "value: Login has a secret that pydantic masks"),
        ("hush", SecretStr, "value: expected SecretStr, found a value of type str, which is not shown"),
        ("hush", SecretStr | None, "value: expected SecretStr | None, found a value of type str, which is not shown"),
        ("hush", int | SecretStr, "value: expected int | SecretStr, found a value of type str"),
        ([{"password": "hush"}], list[Login], "value[0]: expected Login, found a value of type dict"),
        ({"password": "hush"}, list[Login], "value: expected list[Login], found a value of type dict"),
        (["hush"], dict[str, SecretStr], "value: expected dict[str, SecretStr], found a value of type list"),
        (["hush"], tuple[int, SecretStr], "value: expected tuple[int, SecretStr], found a value of type list"),
        ({"login": "hush"}, Account, "value: expected Account, found a value of type dict"),
        (Login.model_construct(password="hush"), Login, "value: expected Login, found a value of type Login"),
    ],
)
def test_what_would_not_arrive_as_it_is_is_refused_at_the_send(value: object, annotation: object, text: str) -> None:
    with pytest.raises(ConversionError) as caught:
        to_json(value, annotation)

    assert str(caught.value).startswith(text)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_actors_take_and_return_models_in_pipelines_and_groups(colour: str) -> None:
    app = App(broker=MemoryBroker())

    def double(order: Order) -> Order:
        assert type(order) is Order
        return order.model_copy(update={"id": 2 * order.id})

    async def adouble(order: Order) -> Order:
        return double(order)

    actor = app.actor(name="double")(double if colour == "sync" else adouble)  # type: ignore[arg-type]

    @app.actor
    def total(orders: list[Order]) -> int:
        return sum(order.id for order in orders)

    one = (actor.call(ORDER) | actor).send()  # type: ignore[operator]
    many = (app.group([actor.call(ORDER), actor.call(ORDER)]) | total).send()  # type: ignore[operator, list-item]
    app.run_until_idle()

    assert one.get().unwrap() == ORDER.model_copy(update={"id": 4})
    assert many.get().unwrap() == 4


def test_an_argument_that_does_not_fit_is_refused_and_a_call_as_a_function_converts_nothing() -> None:
    app = App(broker=MemoryBroker())

    @app.actor
    def save(order: Order) -> int:
        return order.id

    with pytest.raises(InvalidArguments, match=r"order: expected Order, found \{\}"):
        save.send({})  # type: ignore[arg-type]
    assert save(ORDER) == 1


def test_a_result_that_is_not_the_annotated_model_is_a_failure() -> None:
    app = App(broker=MemoryBroker())

    @app.actor(max_retries=0)
    def make() -> Order:
        return {"id": 1}  # type: ignore[return-value]

    handle = make.send()
    app.run_until_idle()
    failure = handle.get().failure()

    assert isinstance(failure, Fault)
    assert "expected Order, found {'id': 1}" in failure.message


def test_what_a_model_is_registered_with_goes_before_pydantic() -> None:
    class Cents(BaseModel):
        value: int

    register(Cents, lambda cents: cents.value, lambda value: Cents(value=value))

    assert to_json([Cents(value=5)], list[Cents]) == [5]
    assert from_json([5], list[Cents]) == [Cents(value=5)]
