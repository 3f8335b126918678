"""`Results`: the final result of a message is stored in the same commit."""

from datetime import timedelta

import pytest
from returns.result import Failure, Success

from fq import App, LayerError, Message, Outcome, Results, Retry, Store, compose, default_middleware, results, retries
from fq.errors import TimeLimitExceeded
from fq.testing import message

ERROR = ValueError("no")


def kept(layer: Results, outcome: Outcome, sent: Message | None = None) -> tuple[object, ...]:
    """Return the effects that *layer* adds to *outcome*."""
    return layer.wrap(lambda _: outcome)(sent or message("add", message_id="m1")).effects


@pytest.mark.parametrize("value", [3, None, [1, {"a": None}], "x"])
def test_what_the_actor_returned_is_stored_under_the_id_of_the_message(value: object) -> None:
    assert kept(results(), Outcome.success(value)) == (Store("m1", Success(value), 600_000),)


@pytest.mark.parametrize("error", [ERROR, TimeLimitExceeded("slow")])
def test_the_final_failure_is_stored(error: ValueError | TimeLimitExceeded) -> None:
    assert kept(results(), Outcome.failure(error)) == (Store("m1", Failure(error), 600_000),)


def test_a_retry_and_a_dropped_message_store_nothing() -> None:
    assert kept(results(), Outcome(Failure(Retry(message("add"), 5, ERROR)))) == ()
    assert kept(results(), Outcome.drop("not today")) == ()


def test_the_result_itself_is_left_alone() -> None:
    for outcome in (Outcome.success(3), Outcome.failure(ERROR), Outcome.drop("no")):
        assert results().wrap(lambda _, outcome=outcome: outcome)(message("add")).result == outcome.result


def test_results_are_kept_for_ten_minutes_by_default() -> None:
    assert Results() == results() == results(store_results=True, result_ttl=600_000)


def test_how_long_is_an_option() -> None:
    assert kept(results(result_ttl=timedelta(hours=1)), Outcome.success(3)) == (Store("m1", Success(3), 3_600_000),)
    assert kept(results(), Outcome.success(3), message("add", message_id="m1", result_ttl=5)) == (Store("m1", Success(3), 5),)
    assert kept(results(result_ttl=0), Outcome.success(3)) == (Store("m1", Success(3), 0),)


def test_whether_at_all_is_an_option_and_the_message_has_its_way() -> None:
    assert kept(results(store_results=False), Outcome.success(3)) == ()
    assert kept(results(), Outcome.success(3), message("add", store_results=False)) == ()
    assert kept(results(store_results=False), Outcome.success(3), message("add", store_results=True)) != ()


def test_a_failing_actor_stores_only_its_last_failure() -> None:
    handle = compose(results(), retries(max_retries=1)).wrap(lambda _: Outcome.failure(ERROR))

    assert handle(message("add", message_id="m1")).effects == ()
    assert handle(message("add", message_id="m1", retries=1)).effects == (Store("m1", Failure(ERROR), 600_000),)


def test_the_final_failure_of_a_layer_further_in_is_stored() -> None:
    outcome = default_middleware.wrap(lambda _: Outcome.success())(message("add", max_retries="abc"))
    (store,) = outcome.effects

    assert isinstance(store, Store)
    assert isinstance(store.result.failure(), LayerError)


def test_an_actor_that_returns_nothing_stores_nothing_unless_it_says_so() -> None:
    app = App("memory://")

    @app.actor
    def nothing() -> None: ...

    @app.actor(store_results=True)
    def nothing_kept() -> None: ...

    @app.actor
    def something() -> int:
        return 3

    @app.actor
    def unannotated():  # type: ignore[no-untyped-def]
        return 3

    stores = {actor.name: app.stack_of(actor).get(Results) for actor in (nothing, nothing_kept, something, unannotated)}

    assert {name: layer.store_results for name, layer in stores.items() if layer} == {
        "nothing": False,
        "nothing_kept": True,
        "something": True,
        "unannotated": True,
    }


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_a_value_that_is_neither_true_nor_false_is_a_dead_letter_that_says_so(value: object) -> None:
    outcome = results().wrap(lambda _: Outcome.success())(message("add", store_results=value))

    assert isinstance(outcome.error, LayerError)
    assert str(outcome.error).startswith("Results raised OptionError: store_results: ")
    assert outcome.effects == ()


def test_in_the_default_stack_it_is_outside_all_layers_that_decide_on_the_final_result() -> None:
    names = [type(layer).__name__ for layer in default_middleware]

    assert names.index("Results") < min(names.index(name) for name in ("AgeLimit", "PoisonLimit", "Retries", "TimeLimit"))
