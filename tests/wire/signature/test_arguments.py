"""A signature turns the arguments of a call into those of a message and back, and says what is wrong with those that do not fit."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fq.errors import InvalidArguments
from fq.wire.signature import Signature
from tests.wire.signature.functions import ORDER, Item, Order, add, anything, limited, refused, scale, ship, travelled

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
