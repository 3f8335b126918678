"""`Stack` as a collection: edits, order rules and their errors, options. What stacks do is in ``test_laws.py``."""

from datetime import timedelta
from typing import ClassVar

import pytest
from attrs import frozen

from fq import (
    AgeLimit,
    Around,
    CurrentMessage,
    Middleware,
    OptionError,
    PoisonLimit,
    Results,
    Retries,
    Rule,
    Stack,
    StackError,
    Step,
    TimeLimit,
    age_limit,
    compose,
    default_middleware,
    poison_limit,
    results,
    retries,
    time_limit,
)
from fq.middleware.stack import summary


@frozen
class Tenant(Step):
    tenant: str = ""


@frozen
class Many(Step):
    repeatable: ClassVar[bool] = True
    number: int


STACK = compose(results(), retries(max_retries=3), time_limit())


def test_a_stack_is_a_collection_of_its_layers() -> None:
    assert list(STACK) == [results(), retries(max_retries=3), time_limit()]
    assert len(STACK) == 3
    assert Retries in STACK
    assert AgeLimit not in STACK
    assert STACK.get(Retries) == retries(max_retries=3)
    assert STACK.get(AgeLimit) is None


def test_a_layer_belongs_to_a_stack_only_as_itself() -> None:
    layer = retries()

    assert layer in compose(layer)
    assert "retries" not in STACK


def test_replace_puts_a_layer_in_the_place_of_its_class() -> None:
    assert STACK.replace(retries(max_retries=9)) == compose(results(), retries(max_retries=9), time_limit())


def test_update_changes_a_layer() -> None:
    changed = STACK.update(Retries, lambda layer: retries(max_retries=(layer.max_retries or 0) + 1))

    assert changed == STACK.replace(retries(max_retries=4))


def test_update_changes_every_layer_of_a_repeatable_class() -> None:
    assert compose(Many(1), results(), Many(2)).update(Many, lambda layer: Many(layer.number * 10)) == compose(
        Many(10), results(), Many(20)
    )


def test_without_takes_out_every_layer_of_a_class() -> None:
    assert compose(Many(1), results(), Many(2)).without(Many) == compose(results())


def test_outside_and_inside_place_layers_next_to_one() -> None:
    assert STACK.outside(Retries, age_limit(), poison_limit()) == compose(
        results(), age_limit(), poison_limit(), retries(max_retries=3), time_limit()
    )
    assert STACK.inside(Retries, Tenant(), Many(1)) == compose(results(), retries(max_retries=3), Tenant(), Many(1), time_limit())
    assert STACK.inside(Retries) == STACK


def test_an_edit_leaves_the_stack_itself_as_it_was() -> None:
    before = list(STACK)
    STACK.without(Retries), STACK.replace(results(store_results=False))

    assert list(STACK) == before


@pytest.mark.parametrize(
    "edit",
    [
        lambda stack: stack.replace(age_limit()),
        lambda stack: stack.update(AgeLimit, lambda layer: layer),
        lambda stack: stack.without(AgeLimit),
        lambda stack: stack.outside(AgeLimit, Tenant()),
        lambda stack: stack.inside(AgeLimit, Tenant()),
    ],
    ids=["replace", "update", "without", "outside", "inside"],
)
def test_an_edit_that_names_an_absent_class_raises(edit: object) -> None:
    with pytest.raises(StackError) as caught:
        edit(STACK)  # type: ignore[operator]

    assert str(caught.value) == "no AgeLimit in this stack; it has Results, Retries, TimeLimit"


def test_an_edit_of_an_empty_stack_says_that_it_is_empty() -> None:
    with pytest.raises(StackError, match=r"^no Retries in this stack; it has no layers$"):
        compose().without(Retries)


def test_an_edit_given_an_instance_says_to_write_the_class() -> None:
    with pytest.raises(StackError, match=r"^found AgeLimit\(max_age=None\), expected a class of layers: write AgeLimit$"):
        STACK.without(age_limit())  # type: ignore[arg-type]


def test_a_layer_outside_the_one_that_it_must_be_inside_of_is_refused_with_reason_and_drawing() -> None:
    with pytest.raises(StackError) as caught:
        compose(retries(), age_limit(max_age=1_000))

    assert str(caught.value) == (
        "AgeLimit must be outside Retries: an expired message must not be retried\n"
        "Retries(max_retries=20, min_backoff=15000, max_backoff=604800000)\n"
        "  AgeLimit(max_age=1000)\n"
        "    actor"
    )


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        (
            (retries(), results()),
            "Results must be outside Retries: only the final result is stored, and inside Retries no failure is final",
        ),
        ((retries(), poison_limit()), "PoisonLimit must be outside Retries: a message that kills its process must not be retried"),
    ],
)
def test_each_order_rule_gives_its_reason(layers: tuple[Middleware, ...], reason: str) -> None:
    with pytest.raises(StackError) as caught:
        compose(*layers)

    assert str(caught.value) == f"{reason}\n{summary(layers[0])}\n  {summary(layers[1])}\n    actor"


def test_rules_hold_across_any_distance_and_for_edits() -> None:
    with pytest.raises(StackError, match=r"^AgeLimit must be outside Retries"):
        compose(retries(), Tenant(), Many(1), age_limit())
    with pytest.raises(StackError, match=r"^AgeLimit must be outside Retries"):
        STACK.inside(Retries, age_limit())
    with pytest.raises(StackError, match=r"^Results must be outside Retries"):
        STACK.update(Results, lambda _: Tenant()).inside(TimeLimit, results())


def test_a_rule_about_a_class_holds_for_its_subclasses() -> None:
    class Mine(Retries):
        pass

    with pytest.raises(StackError, match=r"^AgeLimit must be outside Retries"):
        compose(Mine(), age_limit())


def test_the_order_that_users_of_class_style_middleware_reach_for_first_composes() -> None:
    assert len(compose(age_limit(), time_limit(), results(), retries())) == 4
    assert len(compose(age_limit(), poison_limit(), results(), retries())) == 4


def test_a_rule_of_ones_own_is_checked_like_a_built_in_one() -> None:
    class Audit(Step):
        outside_of: ClassVar[tuple[Rule, ...]] = (Rule(Results, "an audit must see what is stored"),)

    assert len(compose(Audit(), results())) == 2
    with pytest.raises(StackError, match=r"^Audit must be outside Results: an audit must see what is stored\n"):
        compose(results(), Audit())


def test_a_class_that_occurs_twice_is_refused() -> None:
    with pytest.raises(StackError) as caught:
        compose(retries(max_retries=1), retries(max_retries=2))

    assert str(caught.value) == (
        "Retries occurs twice; use replace() to override it\n"
        "Retries(max_retries=1, min_backoff=15000, max_backoff=604800000)\n"
        "  Retries(max_retries=2, min_backoff=15000, max_backoff=604800000)\n"
        "    actor"
    )


def test_a_class_that_says_so_may_occur_twice() -> None:
    assert len(compose(Many(1), Many(1), Around(print), Around(print))) == 4  # type: ignore[arg-type]


def test_a_class_in_the_place_of_a_layer_is_refused_and_the_error_says_what_to_write() -> None:
    with pytest.raises(StackError) as caught:
        compose(results(), Retries)  # type: ignore[arg-type]

    assert str(caught.value) == "found the class Retries, expected a layer: write Retries()"


@pytest.mark.parametrize("part", [None, "retries", 3, print, [retries()], object])
def test_something_that_is_no_layer_is_refused(part: object) -> None:
    with pytest.raises(StackError) as caught:
        compose(part)  # type: ignore[arg-type]

    assert str(caught.value) == (
        f"found {part!r}, expected a layer: an instance of a subclass of fq.Middleware, or hooks(...) around class-style middleware"
    )


def test_a_stack_is_drawn_as_an_onion_around_the_actor() -> None:
    assert str(STACK) == (
        "Results(store_results=True, result_ttl=600000)\n"
        "  Retries(max_retries=3, min_backoff=15000, max_backoff=604800000)\n"
        "    TimeLimit(time_limit=600000, interval=1000)\n"
        "      actor"
    )
    assert str(compose()) == "actor"


def test_a_drawing_shows_values_as_they_are_written() -> None:
    assert summary(retries(throws=(ValueError, KeyError))).endswith("throws=(ValueError, KeyError,))")
    assert summary(time_limit(time_limit=float("inf"))) == "TimeLimit(time_limit=float('inf'), interval=1000)"


def test_options_override_the_fields_that_they_name() -> None:
    stack = default_middleware.with_options({"max_retries": 1, "time_limit": timedelta(seconds=2), "max_age": 5})

    assert stack == default_middleware.replace(retries(max_retries=1)).replace(time_limit(time_limit=2_000)).replace(age_limit(max_age=5))


def test_no_options_change_nothing() -> None:
    assert default_middleware.with_options({}) is default_middleware


@pytest.mark.parametrize(
    ("name", "meant"),
    [("max_retrys", "max_retries"), ("retry_max", "retry_when"), ("timelimit", "time_limit"), ("min_backof", "min_backoff")],
)
def test_an_unknown_option_is_refused_with_the_nearest_name(name: str, meant: str) -> None:
    with pytest.raises(OptionError) as caught:
        default_middleware.with_options({name: 1})

    assert str(caught.value) == f"unknown option {name}: did you mean {meant}?"


def test_an_unknown_option_with_no_near_name_is_refused_with_all_names() -> None:
    with pytest.raises(OptionError, match=r"^unknown option zzz: the layers of this stack take interval, time_limit$"):
        compose(time_limit()).with_options({"zzz": 1})
    with pytest.raises(OptionError, match=r"^unknown option zzz: the layers of this stack take none$"):
        compose().with_options({"zzz": 1})


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"max_retries": "abc"}, "max_retries: found 'abc', expected a whole number from 0, or None for no limit"),
        ({"max_retries": -1}, "max_retries: found -1, expected a whole number from 0, or None for no limit"),
        ({"max_retries": True}, "max_retries: found True, expected a whole number from 0, or None for no limit"),
        (
            {"max_retries": 2, "min_backoff": "1s"},
            "min_backoff: found '1s', expected a duration: a timedelta, or milliseconds, a whole number from 0 to 4503599627370495",
        ),
        (
            {"throws": "ValueError"},
            (
                "throws: found 'ValueError', expected an exception class, or a tuple of them; "
                "give it to the actor, it cannot travel in a message"
            ),
        ),
        ({"store_results": 1}, "store_results: 'store_results' must be <class 'bool'> (got 1 that is a <class 'int'>)."),
        ({"max_deliveries": 0}, "max_deliveries: 'max_deliveries' must be >= 1: 0"),
    ],
)
def test_a_value_that_an_option_cannot_take_is_refused(options: dict[str, object], text: str) -> None:
    with pytest.raises(OptionError) as caught:
        default_middleware.with_options(options)

    assert str(caught.value) == text


def test_add_replaces_the_layer_of_its_class() -> None:
    assert STACK.add(retries(max_retries=7)) == STACK.replace(retries(max_retries=7))


def test_add_places_a_new_layer_as_far_inside_as_the_rules_allow() -> None:
    assert STACK.add(Tenant()) == compose(*STACK, Tenant())
    assert STACK.add(age_limit()) == compose(results(), age_limit(), retries(max_retries=3), time_limit())
    assert compose(retries()).add(results()) == compose(results(), retries())
    assert compose().add(Tenant()) == compose(Tenant())


def test_add_takes_a_stack_apart() -> None:
    assert STACK.add(compose(retries(max_retries=7), Tenant())) == STACK.add(retries(max_retries=7)).add(Tenant())


def test_add_keeps_layers_that_may_occur_more_than_once() -> None:
    assert compose(Many(1)).add(Many(2)) == compose(Many(1), Many(2))


def test_a_stack_takes_the_options_of_its_layers_and_has_none_of_its_own() -> None:
    assert STACK.accepted_options() == results().option_names() | retries().option_names() | time_limit().option_names()
    assert compose(PoisonLimit(), CurrentMessage(), Many(1)).accepted_options() == {"max_deliveries", "number"}
    assert Stack.option_names() == frozenset()
