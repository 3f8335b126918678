"""`@app.actor`: what a declaration may contain, and the error for each mistake."""

import asyncio
import functools
import re
import sys
from datetime import timedelta

import pytest

from fq import (
    Actor,
    AgeLimit,
    App,
    DeclarationError,
    OptionError,
    Retries,
    StackError,
    Step,
    TimeLimit,
    actor,
    age_limit,
    retries,
    time_limit,
)
from tests.calls.actors import lambda_named


def test_a_decorated_function_is_an_actor_and_still_a_function(memory: App) -> None:
    @memory.actor
    def add(a: int, b: int) -> int:
        return a + b

    assert isinstance(add, Actor)
    assert add(1, b=2) == 3
    assert memory.actors == {"add": add}


def test_a_cell_of_a_notebook_can_run_again(memory: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)

    def cell(source: str) -> None:
        exec(source, {"__name__": "__main__", "app": memory})

    cell("@app.actor\ndef add(a: int, b: int) -> int:\n    return 0")
    before = memory.get_actor("add")
    cell("@app.actor\ndef add(a: int, b: int) -> int:\n    return a + b")
    with pytest.raises(DeclarationError, match="found two actors called add"):
        cell("@app.actor(name='add')\ndef other() -> int:\n    return 1")
    handle = before.send(1, 2)
    memory.run_until_idle()

    assert handle.get_result() == 3


def test_a_script_cannot_declare_a_name_twice(memory: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sys, "ps1", raising=False)
    source = "@app.actor\ndef add() -> int:\n    return 0\n"

    with pytest.raises(DeclarationError, match="found two actors called add"):
        exec(source * 2, {"__name__": "__main__", "app": memory})


def test_an_async_function_is_an_actor_and_still_a_coroutine_function(memory: App) -> None:
    @memory.actor
    async def add(a: int, b: int) -> int:
        return a + b

    assert isinstance(add, Actor)
    assert asyncio.run(add(1, b=2)) == 3


def test_an_actor_shows_its_name_and_its_queue(memory: App) -> None:
    assert repr(memory.actor(queue="mail")(lambda_named("send_mail"))) == "Actor('send_mail', queue='mail')"


def test_the_options_of_an_actor_are_kept_and_in_force(memory: App) -> None:
    @memory.actor(max_retries=32, time_limit=timedelta(seconds=1), queue="mail", priority=-3, options={"tenant": "a"})
    def add(a: int, b: int) -> int:
        return a + b

    stack = memory.stack_of(add)

    assert (add.name, add.queue_name, add.priority, add.message_options) == ("add", "mail", -3, {"tenant": "a"})
    assert add.options == {"max_retries": 32, "time_limit": timedelta(seconds=1)}
    assert stack.get(Retries) == retries(max_retries=32)
    assert stack.get(TimeLimit) == time_limit(time_limit=1_000)


def test_a_layer_replaces_the_one_of_its_class_or_is_added(memory: App) -> None:
    class Tenant(Step):
        """A layer that the default stack does not have."""

    @memory.actor(retries(max_retries=5), Tenant())
    def add(a: int, b: int) -> int:
        return a + b

    stack = memory.stack_of(add)

    assert stack.get(Retries) == retries(max_retries=5)
    assert len(stack) == len(memory.stack) + 1
    assert Tenant in stack


def test_an_option_has_its_way_over_a_layer_of_the_actor_and_the_edit_comes_last(memory: App) -> None:
    first = memory.actor(retries(max_retries=5), max_retries=6, name="first")(lambda_named("x"))  # type: ignore[call-overload]
    last = memory.actor(max_retries=6, name="last", stack=lambda stack: stack.replace(retries(max_retries=7)).without(AgeLimit))(
        lambda_named("x")  # type: ignore[arg-type]
    )

    assert memory.stack_of(first).get(Retries) == retries(max_retries=6)
    assert memory.stack_of(last).get(Retries) == retries(max_retries=7)
    assert AgeLimit not in memory.stack_of(last)


def test_a_name_may_be_given(memory: App) -> None:
    @memory.actor(name="sum")
    def add(a: int, b: int) -> int:
        return a + b

    assert add.name == "sum"
    assert list(memory.actors) == ["sum"]


@pytest.mark.parametrize("name", ["default", "_", "a.b-c_1", "Mail.DQ"])
def test_a_queue_may_be_called_like_this(memory: App, name: str) -> None:
    assert memory.actor(queue=name)(lambda_named("add")).queue_name == name  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", "$2@!@#", "1st", "a b", "ü", "a\n", 3])
def test_a_queue_may_not_be_called_like_that(memory: App, name: object) -> None:
    with pytest.raises(DeclarationError) as caught:
        memory.actor(queue=name)(lambda_named("add"))  # type: ignore[call-overload]

    assert str(caught.value) == (
        f"found the queue name {name!r}, expected a letter or underscore, then letters, digits, dots, dashes or underscores"
    )
    assert memory.actors == {}


def test_an_unknown_option_is_refused_where_it_is_written_with_the_nearest_name(memory: App) -> None:
    with pytest.raises(OptionError) as caught:

        @memory.actor(max_retrys=3)  # type: ignore[call-overload, untyped-decorator]
        def add(a: int, b: int) -> int:
            return a + b

    assert str(caught.value) == "actor add: unknown option max_retrys: did you mean max_retries?"
    assert memory.actors == {}


def test_a_value_that_an_option_cannot_take_is_refused_where_it_is_written(memory: App) -> None:
    with pytest.raises(OptionError, match=r"^actor add: max_retries: found 'three', expected a whole number from 0, or None for no limit$"):
        memory.actor(max_retries="three")(lambda_named("add"))  # type: ignore[call-overload]


def test_a_layer_in_the_wrong_place_is_refused_where_it_is_written_with_reason_and_drawing(memory: App) -> None:
    with pytest.raises(StackError) as caught:
        memory.actor(stack=lambda stack: stack.without(AgeLimit).inside(Retries, age_limit(max_age=5)))(lambda_named("add"))  # type: ignore[arg-type]

    assert str(caught.value).startswith("AgeLimit must be outside Retries: an expired message must not be retried\n")
    assert "\n  AgeLimit(max_age=5)" in re.sub(r"\n +", "\n  ", str(caught.value))
    assert memory.actors == {}


def test_an_edit_that_returns_no_stack_is_refused(memory: App) -> None:
    with pytest.raises(StackError, match=r"^found None, expected a layer"):
        memory.actor(stack=lambda stack: None)(lambda_named("add"))  # type: ignore[call-overload, arg-type, return-value]


def test_a_class_in_the_place_of_a_layer_is_refused(memory: App) -> None:
    with pytest.raises(StackError, match=r"^found the class Retries, expected a layer: write Retries\(\)$"):
        memory.actor(Retries)


def test_two_actors_of_one_name_are_refused_with_both_places(memory: App) -> None:
    @memory.actor
    def add(a: int, b: int) -> int:
        return a + b

    with pytest.raises(DeclarationError) as caught:

        @memory.actor(name="add")
        def plus(a: int, b: int) -> int:
            return a + b

    here = f"{__name__}.test_two_actors_of_one_name_are_refused_with_both_places.<locals>"
    assert str(caught.value) == f"found two actors called add: {here}.add and {here}.plus; rename one of them with name=..."
    assert memory.actors == {"add": add}


def test_a_function_without_a_name_needs_one(memory: App) -> None:
    partial = functools.partial(int, base=2)

    with pytest.raises(
        DeclarationError,
        match=r"^found functools\.partial\(<class 'int'>, base=2\), a function without a name: name the actor with name=\.\.\.$",
    ):
        memory.actor(partial)
    assert memory.actor(name="binary")(partial).name == "binary"


def test_an_actor_cannot_be_declared_twice(memory: App) -> None:
    declared = memory.actor(lambda_named("add"))  # type: ignore[arg-type, var-annotated]

    with pytest.raises(DeclarationError, match=r"^add is an actor already, expected a function$"):
        memory.actor(declared)


def test_one_decorator_declares_any_number_of_actors(memory: App) -> None:
    mailing = memory.actor(queue="mail")

    assert [mailing(lambda_named(name)).name for name in "abc"] == ["a", "b", "c"]  # type: ignore[arg-type]


def test_an_actor_of_no_app_can_be_called_and_says_what_it_lacks_when_sent() -> None:
    @actor(max_retries=1)
    def add(a: int, b: int) -> int:
        return a + b

    assert add(1, 2) == 3
    with pytest.raises(DeclarationError) as caught:
        add.send(1, 2)

    assert str(caught.value) == "add belongs to no app: declare it with @app.actor, or call app.include(add)"
