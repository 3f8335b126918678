"""A signature turns the arguments of a call into those of a message and back, and says what is wrong with those that do not fit."""

import functools
import inspect
import json
from collections.abc import Awaitable, Coroutine
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, Never, NoReturn, NotRequired, Optional, ParamSpec, TypedDict, Unpack
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from returns.result import Result

from fq.errors import InvalidArguments, InvalidResult
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


# --- arguments -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (add, (1, 2)),
        (scale, (1,)),
        (scale, (1, 2.5)),
        (anything, (1,)),
        (anything, ("a", None)),
        (lambda: None, ()),
    ],
)
def test_scalars_pass_as_they_are(function, args):
    signature = Signature.of(function)

    assert signature.bind(args, {})[0] is args
    assert signature.dump(args, {})[0] is args


@given(st.integers(), st.floats(allow_nan=False), st.text())
def test_arguments_arrive_by_position_and_by_name(a, factor, label):
    assert travelled(scale, a, factor, label=label) == ((a, factor), {"label": label})
    assert travelled(scale, a=a, factor=factor) == ((), {"a": a, "factor": factor})


@given(st.lists(st.decimals(allow_nan=False)), st.dates(), st.lists(st.text()))
def test_each_argument_arrives_as_its_annotation_says(prices, when, notes):
    order = Order([Item(price) for price in prices], Order([]))
    args, kwargs = (order, when, *notes), {"due": datetime(2030, 1, 1, tzinfo=UTC), "size": Decimal("1.5")}

    assert travelled(ship, *args, **kwargs) == (args, kwargs)


def test_an_int_arrives_as_a_float_where_that_is_asked_for():
    args, _ = travelled(scale, 1, 2)

    assert args == (1, 2.0)
    assert type(args[1]) is float


def test_defaults_are_left_to_the_function():
    assert travelled(ship, ORDER, date(2030, 1, 1)) == ((ORDER, date(2030, 1, 1)), {})


def test_keywords_are_converted_by_an_unpacked_typed_dict():
    assert travelled(limited, "a", low=Decimal(1)) == (("a",), {"low": Decimal(1)})
    assert refused(limited, ["a"], {"low": 1}) == "limited(name, **limits): low: expected Decimal, found 1"
    assert refused(limited, ["a"]) == "limited() missing a required argument: 'low'"
    assert refused(limited, ["a"], {"low": "1", "mid": "2"}) == "limited() got an unexpected keyword argument 'mid'"


def test_an_actor_that_changes_its_argument_does_not_change_the_message():
    def append(tree, numbers: list[int], either: list[str] | None = None): ...

    message = ([{"a": []}], [1], ["x"])
    args, _ = Signature.of(append).bind(message, {})

    args[0][0]["a"].append(1)
    args[0].append(2)
    args[1].append(3)
    args[2].append("y")

    assert message == ([{"a": []}], [1], ["x"])


def test_a_producer_that_changes_its_argument_does_not_change_the_message():
    numbers, tree = [1], {"a": [1]}
    dumped, named = Signature.of(anything).dump((numbers,), {"b": tree})

    numbers.append(2)
    tree["a"].append(2)

    assert (dumped, named) == (([1],), {"b": {"a": [1]}})


def test_the_mapping_of_keywords_is_not_changed():
    kwargs = {"order": 1}
    refused(ship, (), kwargs)

    assert kwargs == {"order": 1}


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "said"),
    [
        (add, (1,), {}, "add() missing a required argument: 'b'"),
        (add, (), {"b": 1}, "add() missing a required argument: 'a'"),
        (add, (1, 2, 3), {}, "add() takes 2 positional arguments but 3 were given"),
        (scale, (1, 2.0, "a"), {}, "scale() takes from 1 to 2 positional arguments but 3 were given"),
        (lambda: None, (1,), {}, "<lambda>() takes 0 positional arguments but 1 was given"),
        (add, (1, 2), {"c": 3}, "add() got an unexpected keyword argument 'c'"),
        (add, (1, 2), {"a": 3}, "add() got multiple values for argument 'a'"),
        (ship, (), {"order": 1}, "ship() missing a required argument: 'order'"),
        (limited, (), {"low": "1"}, "limited() missing a required argument: 'name'"),
    ],
)
@pytest.mark.parametrize("side", ["bind", "dump"])
def test_a_call_of_the_wrong_shape_is_refused_in_words_like_pythons(function, args, kwargs, said, side):
    assert refused(function, args, kwargs, side) == said


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "said"),
    [
        (add, (1, "x"), {}, "add(a, b): b: expected int, found 'x'"),
        (add, (1, True), {}, "add(a, b): b: expected int, found True"),
        (add, (1,), {"b": None}, "add(a, b): b: expected int, found None"),
        (
            ship,
            ({"items": [{"price": "1"}, {"price": "abc"}]},),
            {"when": "2030-01-01"},
            "ship(order, when, *notes, due, **sizes): order.items[1].price: expected Decimal, found 'abc'",
        ),
        (ship, ({"items": []}, "2030-01-01", "a", 1), {}, "ship(order, when, *notes, due, **sizes): notes[1]: expected str, found 1"),
        (
            ship,
            ({"items": []}, "2030-01-01"),
            {"wide": "x"},
            "ship(order, when, *notes, due, **sizes): wide: expected Decimal, found 'x'",
        ),
    ],
)
def test_json_that_does_not_fit_is_named_by_its_path(function, args, kwargs, said):
    assert refused(function, args, kwargs) == said


def test_a_value_that_the_worker_would_refuse_is_refused_at_send():
    head = "ship(order, when, *notes, due, **sizes)"

    assert (
        refused(ship, (Order([Item("abc")]), date(2030, 1, 1)), side="dump")
        == f"{head}: order.items[0].price: expected Decimal, found 'abc'"
    )
    assert refused(ship, (ORDER, "2030-01-01"), side="dump") == f"{head}: when: expected date, found '2030-01-01'"
    assert refused(add, (1, 2.0), side="dump") == "add(a, b): b: expected int, found 2.0"


def test_a_value_that_is_not_json_and_not_annotated_is_refused_with_advice():
    assert refused(anything, ([1, Decimal(1)],), side="dump") == (
        "anything(a, b): a[1]: found Decimal('1') of type Decimal, expected a JSON value; annotate it to have it converted"
    )


def test_a_partial_call_may_lack_arguments_but_nothing_else():
    signature = Signature.of(ship)

    assert signature.dump((), {"when": date(2030, 1, 1)}, partial=True) == ((), {"when": "2030-01-01"})
    assert Signature.of(add).dump((), {}, partial=True) == ((), {})
    assert refused(add, (1, 2, 3), side="dump", partial=True) == "add() takes 2 positional arguments but 3 were given"
    assert refused(add, (1,), {"c": 1}, side="dump", partial=True) == "add() got an unexpected keyword argument 'c'"
    assert refused(add, ("x",), side="dump", partial=True) == "add(a, b): a: expected int, found 'x'"


def test_a_step_leaves_room_for_the_result_of_the_step_before():
    signature = Signature.of(ship)

    assert signature.dump_step((), {"when": date(2030, 1, 1)}, first=True) == ((), {"when": "2030-01-01"})
    assert Signature.of(add).dump_step((1,), {}, first=False) == ((1,), {})
    with pytest.raises(InvalidArguments, match="takes 2 positional arguments but 3 were given"):
        Signature.of(add).dump_step((1, 2), {}, first=True)


# --- annotations ---------------------------------------------------------------------------------


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


# --- results -------------------------------------------------------------------------------------


def returning(annotation):
    """Return the signature of a function that returns *annotation*."""

    def work(): ...

    work.__annotations__["return"] = annotation
    return Signature.of(work)


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


# --- decorators ----------------------------------------------------------------------------------


class Session:
    """What no message can carry."""

    def __init__(self, name: str) -> None:
        self.name = name


def load(session: Session, n: Decimal, tag: str = "-") -> str:
    return f"{session.name} {n!r} {tag}"


def with_session(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, session=Session("s"), **kwargs)

    return wrapper


def with_session_first(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(Session("s"), *args, **kwargs)

    return wrapper


def with_session_exactly(function):
    @functools.wraps(function)
    def wrapper(n, tag="-"):
        return function(Session("s"), n, tag)

    return wrapper


def with_signature(function):
    wrapper = with_session_first(function)
    inner = inspect.signature(function)
    wrapper.__signature__ = inner.replace(parameters=[p for name, p in inner.parameters.items() if name != "session"])
    return wrapper


def for_tenant(function):
    @functools.wraps(function)
    def wrapper(tenant, *args, **kwargs):
        return f"{tenant} {function(*args, **kwargs)}"

    return wrapper


def buy(item: Item) -> str:
    return str(item.price)


def called(function, *args, **kwargs):
    """Return what *function* returns in the worker."""
    args, kwargs = travelled(function, *args, **kwargs)
    return function(*args, **kwargs)


def test_an_argument_that_a_decorator_adds_is_not_asked_for_and_the_others_are_converted():
    assert called(with_session(load), n=Decimal("1.0"), tag="x") == "s Decimal('1.0') x"
    assert called(logged(with_session(load)), n=Decimal("1.0")) == "s Decimal('1.0') -"


@pytest.mark.parametrize("decorate", [with_session_exactly, with_signature])
def test_a_decorator_that_says_what_it_takes_is_held_to_that(decorate):
    function = decorate(load)

    assert called(function, Decimal("1.0"), tag="x") == "s Decimal('1.0') x"
    assert called(logged(function), Decimal("1.0")) == "s Decimal('1.0') -"
    assert refused(function, side="dump").endswith("missing a required argument: 'n'")
    assert refused(function, (1,), {"session": 1}).endswith("got an unexpected keyword argument 'session'")


def test_an_argument_that_a_decorator_adds_ahead_of_the_others_leaves_them_as_they_are():
    assert called(with_session_first(load), 1) == "s 1 -"
    assert called(with_session_first(load), "1.5") == "s '1.5' -"
    assert "session: expected a type that can be converted" in refused(with_session_first(load), ({1},), side="dump")


def test_a_parameter_of_a_wrapper_is_asked_for_besides_those_of_the_function_inside():
    function = for_tenant(logged(buy))

    assert str(Signature.of(function)).startswith("buy(tenant, item: ")
    assert called(function, "acme", Item(Decimal("1.50"))) == "acme 1.50"


def test_a_complete_call_of_a_decorated_function_is_held_against_its_annotations():
    assert "item.price: expected Decimal" in refused(logged(buy), [{"price": "x", "tags": []}])
    assert refused(logged(buy), [1, 2]).endswith("takes 1 positional argument but 2 were given")
    assert refused(logged(buy), (), {"items": 1}).endswith("got an unexpected keyword argument 'items'")


def test_a_cached_function_takes_what_it_takes_without_the_cache():
    assert refused(functools.lru_cache(scale)).endswith("missing a required argument: 'a'")
