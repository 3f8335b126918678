"""`Callbacks`: which actors are called after a message, when, and with what."""

from typing import Any

import pytest
from returns.result import Failure

from fq import (
    App,
    Callbacks,
    Dead,
    DeclarationError,
    Message,
    OptionError,
    Outcome,
    Retry,
    actor,
    callbacks,
    compose,
    default_middleware,
    get_current_message,
    retries,
)
from fq.brokers.memory import MemoryBroker
from fq.core.message import ACTOR_DEFAULTS
from fq.core.outcome import Enqueue
from fq.errors import TimeLimitExceeded
from fq.layers import Retries
from fq.testing import message

ERROR = ValueError("no")
ALL = callbacks(on_success="celebrate", on_failure="mourn", on_retry_exhausted="give_up")


def called(layer: Callbacks, outcome: Outcome, sent: Message | None = None) -> list[tuple[str, object]]:
    """Return the callbacks of *outcome*: the name of each actor, and its second argument."""
    effects = layer.wrap(lambda _: outcome)(sent or message("add", 1, 2)).effects
    return [(effect.message.actor_name, effect.message.args[1]) for effect in effects if isinstance(effect, Enqueue)]


def test_on_success_gets_the_result() -> None:
    assert called(ALL, Outcome.success(3)) == [("celebrate", 3)]


@pytest.mark.parametrize("error", [ERROR, TimeLimitExceeded("no")])
def test_on_failure_gets_the_type_and_the_text_of_the_error(error: ValueError | TimeLimitExceeded) -> None:
    assert called(ALL, Outcome.failure(error)) == [("mourn", {"type": type(error).__name__, "message": "no"})]


def test_a_retry_or_a_dropped_message_has_no_callback() -> None:
    assert called(ALL, Outcome(Failure(Retry(message("add"), 5, ERROR)))) == []
    assert called(ALL, Outcome.drop("not today")) == []


def test_the_message_comes_first_as_json() -> None:
    sent = message("add", 1, message_id="m1", queue_name="slow", kwargs={"b": 2}, message_timestamp=5, tenant="a")
    (effect,) = ALL.wrap(lambda _: Outcome.success(3))(sent).effects

    assert isinstance(effect, Enqueue)
    assert effect.message.args[0] == {
        "message_id": "m1",
        "actor_name": "add",
        "queue_name": "slow",
        "args": (1,),
        "kwargs": {"b": 2},
        "options": {"tenant": "a"},
        "message_timestamp": 5,
        "priority": 0,
    }
    assert effect.message.queue_name == ACTOR_DEFAULTS


def test_on_retry_exhausted_gets_the_counts_beside_on_failure() -> None:
    handle = compose(ALL, retries(max_retries=2)).wrap(lambda _: Outcome.failure(ERROR))
    effects = handle(message("add", retries=2)).effects

    assert [(e.message.actor_name, e.message.args[1]) for e in effects if isinstance(e, Enqueue)] == [
        ("mourn", {"type": "ValueError", "message": "no"}),
        ("give_up", {"retries": 2, "max_retries": 2}),
    ]


def test_an_error_that_is_final_by_itself_exhausted_no_retries() -> None:
    handle = compose(ALL, retries(max_retries=2, throws=ValueError)).wrap(lambda _: Outcome.failure(ERROR))
    effects = handle(message("add")).effects

    assert [e.message.actor_name for e in effects if isinstance(e, Enqueue)] == ["mourn"]


def test_a_predicate_that_refuses_exhausts_the_retries() -> None:
    handle = compose(ALL, retries(retry_when=lambda _, __: False)).wrap(lambda _: Outcome.failure(ERROR))
    effects = handle(message("add", retries=1)).effects

    assert [e.message.args[1] for e in effects if isinstance(e, Enqueue)][1] == {"retries": 1, "max_retries": 20}


def test_outside_retries_the_final_failure_has_a_callback_and_inside_every_failed_attempt() -> None:
    outside = compose(ALL, retries(max_retries=3)).wrap(lambda _: Outcome.failure(ERROR))
    inside = compose(retries(max_retries=3), ALL).wrap(lambda _: Outcome.failure(ERROR))
    sent = [message("add", retries=number) for number in range(4)]

    assert [len(outside(each).effects) for each in sent] == [0, 0, 0, 2]
    assert [len(inside(each).effects) for each in sent] == [1, 1, 1, 1]
    assert len({e.message.message_id for each in sent for e in inside(each).effects if isinstance(e, Enqueue)}) == 4


def test_a_redelivered_message_yields_the_same_callbacks() -> None:
    handle = ALL.wrap(lambda _: Outcome.failure(ERROR))

    assert handle(message("add")).effects == handle(message("add", deliveries=4)).effects


def test_each_callback_has_an_id_of_its_own() -> None:
    handle = ALL.wrap(lambda _: Outcome(Failure(Dead(ERROR, (3, 3)))))
    effects = handle(message("add")).effects

    assert len({e.message.message_id for e in effects if isinstance(e, Enqueue)}) == 2


@pytest.mark.parametrize("target", [print, lambda message, result: None, 3, "", b"celebrate", ["celebrate"]])
def test_a_callback_that_is_no_actor_is_refused_where_it_is_given(target: object) -> None:
    app = App("memory://")

    with pytest.raises(OptionError, match="expected an actor, or the name of an actor"):
        Callbacks(on_success=target)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="on_failure: found"):
        app.actor(on_failure=target)(lambda: None)  # type: ignore[call-overload]
    assert not app.actors


def test_an_actor_works_as_option_of_an_actor_of_a_call_and_as_field_of_a_layer() -> None:
    app = App("memory://")
    heard: list[tuple[str, object]] = []

    @app.actor
    def celebrate(message_data: Message, result: int) -> None:
        heard.append((message_data.actor_name, result))

    @app.actor(on_success=celebrate)
    def by_option() -> int:
        return 1

    @app.actor(callbacks(on_success=celebrate))
    def by_layer() -> int:
        return 2

    @app.actor
    def by_call() -> int:
        return 3

    @app.actor(on_success="celebrate")
    def by_name() -> int:
        return 4

    by_option.send()
    by_layer.send()
    by_call.call().with_options(on_success=celebrate).send()
    by_name.send()
    app.run_until_idle()

    assert sorted(heard) == [("by_call", 3), ("by_layer", 2), ("by_name", 4), ("by_option", 1)]


def test_a_callback_goes_to_the_queue_of_its_actor_with_what_that_says_of_its_messages() -> None:
    app = App("memory://")
    seen: list[Message | None] = []

    @app.actor(queue="slow", priority=7, options={"tenant": "a"})
    def celebrate(message_data: dict[str, object], result: int) -> None:
        seen.append(get_current_message())

    @app.actor(on_success="celebrate")
    def work() -> int:
        return 1

    work.send()
    app.run_until_idle()

    assert [(m.queue_name, m.priority, m.options) for m in seen if m is not None] == [("slow", 7, {"tenant": "a"})]


def test_an_actor_of_another_app_is_no_callback() -> None:
    app, other = App("memory://"), App("memory://")

    @other.actor
    def foreign(message_data: dict[str, object], result: int) -> None: ...

    @app.actor
    def work() -> int:
        return 1

    with pytest.raises(DeclarationError, match="on_success: found foreign, an actor of another app"):
        work.call().with_options(on_success=foreign)
    with pytest.raises(DeclarationError, match="on_success: found foreign, an actor of another app"):
        app.actor(on_success=foreign)(lambda: 1)  # type: ignore[arg-type, return-value]


def test_a_free_actor_may_be_a_callback_before_either_is_included() -> None:
    app = App("memory://")
    heard: list[int] = []

    @actor
    def celebrate(message_data: dict[str, object], result: int) -> None:
        heard.append(result)

    @actor(on_success=celebrate)
    def work() -> int:
        return 5

    app.include(work, celebrate)
    work.send()
    app.run_until_idle()

    assert heard == [5]


def test_a_name_that_no_actor_has_makes_a_dead_letter_of_the_callback_and_not_of_the_message() -> None:
    app = App("memory://")

    @app.actor(on_success="nobody")
    def work() -> int:
        return 5

    handle = work.send()
    app.run_until_idle()

    assert handle.get_result() == 5
    assert [(letter.actor_name, letter.fault.type) for letter in app.broker.dead_letters()] == [("nobody", "ActorNotFound")]


def test_on_failure_runs_once_for_the_message_that_failed() -> None:
    app = App("memory://")
    heard: list[tuple[dict[str, object], dict[str, str]]] = []

    @app.actor
    def mourn(message_data: dict[str, object], error: dict[str, str]) -> None:
        heard.append((message_data, error))

    @app.actor(on_failure="mourn", max_retries=0)
    def work(n: int) -> int:
        raise ValueError(f"no {n}")

    handle = work.send(1)
    app.run_until_idle()
    ((data, error),) = heard

    assert (data["message_id"], data["actor_name"], data["args"]) == (handle.message_id, "work", [1])
    assert error == {"type": "ValueError", "message": "no 1"}


def test_inside_retries_on_failure_runs_for_each_of_four_attempts_with_the_retries_before_it() -> None:
    app = App("memory://", middleware=default_middleware.without(Callbacks).inside(Retries, callbacks()))
    heard: list[int] = []

    @app.actor
    def mourn(message_data: Message, error: dict[str, str]) -> None:
        retries_before = message_data.options.get("retries", 0)
        assert isinstance(retries_before, int)
        heard.append(retries_before)

    @app.actor(on_failure=mourn, max_retries=3, min_backoff=1)
    def work() -> int:
        raise ValueError("no")

    work.send()
    app.run_until_idle()

    assert heard == [0, 1, 2, 3]


def test_a_layer_without_targets_says_nothing() -> None:
    outcome = Outcome.success(3)

    assert callbacks().wrap(lambda _: outcome)(message("add")) is outcome
    assert Callbacks() == callbacks()


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_callback_without_annotations_finds_the_fields_of_the_message_as_attributes_and_by_name(colour: str) -> None:
    app = App(broker=MemoryBroker())
    told: list[tuple[Any, Any, Any]] = []

    def success_callback(message_data, result):  # type: ignore[no-untyped-def]  # as it is often written
        told.append((message_data.message_id, message_data["actor_name"], result))
        assert isinstance(message_data, dict)
        assert not hasattr(message_data, "colour")

    async def asuccess_callback(message_data, result):  # type: ignore[no-untyped-def]  # the same
        success_callback(message_data, result)

    app.actor(name="tell", max_retries=0)(success_callback if colour == "sync" else asuccess_callback)

    @app.actor(on_success="tell")
    def task() -> int:
        return 3

    handle = task.send()
    app.run_until_idle()

    assert told == [(handle.message_id, "task", 3)]


def test_a_dict_that_is_no_message_stays_the_dict_that_it_is() -> None:
    app = App(broker=MemoryBroker())
    seen: list[Any] = []
    task = app.actor(name="task")(lambda data: seen.append(data))

    task.send({"message_id": "m1"})
    app.run_until_idle()

    assert seen == [{"message_id": "m1"}]
    assert type(seen[0]) is dict
