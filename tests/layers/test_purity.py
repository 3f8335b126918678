"""Every built-in layer, over a table of messages and outcomes: it returns the same twice, and the same for sync and async handlers."""

import asyncio
from collections.abc import Callable, Coroutine
from itertools import product
from typing import Any

import pytest
from returns.result import Failure, Success

import fq.layers
from fq import (
    AgeLimit,
    CurrentMessage,
    Drop,
    Enqueue,
    Handler,
    Message,
    Middleware,
    Outcome,
    Pipelines,
    PoisonLimit,
    Results,
    Retries,
    Retry,
    RetryAfter,
    Shutdown,
    Snooze,
    Step,
    Store,
    TimeLimit,
    TimeLimitExceeded,
    default_middleware,
)
from fq.core.message import evolve_message
from fq.errors import FqError
from tests.messages import message


class Boom(FqError):
    """An error that equals another one with the same text."""


LAYERS: dict[str, Middleware] = {
    "results": Results(),
    "no results": Results(store_results=False),
    "pipelines": Pipelines(),
    "age limit": AgeLimit(max_age=100),
    "poison limit": PoisonLimit(max_deliveries=2),
    "retries": Retries(),
    "few retries": Retries(max_retries=1, min_backoff=0, throws=(KeyError,)),
    "retries on condition": Retries(retry_when=lambda retries, error: retries < 2),
    "time limit": TimeLimit(time_limit=5),
    "current message": CurrentMessage(),
    "default": default_middleware,
    **{kind.__name__: kind() for kind in vars(fq.layers).values() if isinstance(kind, type) and issubclass(kind, Middleware)},
}
MESSAGES: dict[str, Message] = {
    "bare": message("add", 1, 2),
    "retried": message("add", 1, 2, retries=3),
    "delivered often": message("add", deliveries=9),
    "old": message("add", message_timestamp=5, received_at=1_000),
    "killed": message("add", interrupted="time_limit"),
    "with a pipe": message("add", 1, pipe=[{"actor_name": "double"}, {"actor_name": "report", "args": [5], "options": {"takes": "first"}}]),
    "with options": message("add", max_retries=0, max_age=5, time_limit=1, store_results=True, max_deliveries=1, received_at=9),
    "with poisonous options": message("add", max_retries="abc", max_age="x", time_limit=[], store_results=7, max_deliveries=0, throws="E"),
    "with a poisonous count": message("add", retries="many"),
    "with a poisonous pipe": message("add", pipe=[3]),
    "with a priority": evolve_message(message("add", kwargs={"a": 1}), priority=-4),
}
OUTCOMES: dict[str, Outcome] = {
    "success": Outcome.success(3),
    "success with effects": Outcome.success([1]).also(Enqueue(message("x"), 5), Store("y", Success(1), 5)),
    "failure": Outcome.failure(Boom("no")),
    "retry after": Outcome.failure(RetryAfter(70)),
    "snooze": Outcome.failure(Snooze(70)),
    "time limit": Outcome.failure(TimeLimitExceeded("slow")),
    "shutdown": Outcome.failure(Shutdown()),
    "drop": Outcome(Failure(Drop("no"))),
    "retry": Outcome(Failure(Retry(message("add"), 5, Boom("later")))),
}
EVERYTHING = list(product(MESSAGES.values(), OUTCOMES.values()))

every_layer = pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)


def plain(outcome: Outcome) -> object:
    """Return *outcome* with errors as text where they are equal by identity only."""
    return Outcome(outcome.result.alt(lambda setback: f"{setback}")), tuple(f"{effect}" for effect in outcome.effects)  # type: ignore[arg-type]


def tried(method: Callable[..., object], *args: object) -> object:
    """Return what *method* returns, or the error that it raises, as text."""
    try:
        return method(*args)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def answering(outcome: Outcome) -> Handler:
    return lambda _: outcome


def drive(coroutine: Coroutine[Any, Any, Outcome]) -> Outcome:
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waited")


def test_the_table_holds_every_layer_of_the_default_stack() -> None:
    assert {type(layer) for layer in LAYERS.values()} >= {type(layer) for layer in default_middleware}


@every_layer
def test_a_layer_asked_twice_answers_the_same(layer: Middleware) -> None:
    for sent, outcome in EVERYTHING:
        handle = layer.wrap(answering(outcome))

        assert plain(handle(sent)) == plain(handle(sent)) == plain(layer.wrap(answering(outcome))(sent))


@every_layer
def test_a_layer_is_the_same_in_both_colours(layer: Middleware) -> None:
    for sent, outcome in EVERYTHING:
        handler = answering(outcome)

        async def ahandler(message: Message, handler: Callable[[Message], Outcome] = handler) -> Outcome:
            return handler(message)

        assert plain(drive(layer.awrap(ahandler)(sent))) == plain(layer.wrap(handler)(sent))


@every_layer
def test_a_layer_leaves_what_it_is_given_as_it_was(layer: Middleware) -> None:
    for (name, sent), outcome in product(MESSAGES.items(), OUTCOMES.values()):
        before, shown = repr(sent), repr(outcome)
        layer.wrap(answering(outcome))(sent)

        assert (name, repr(sent)) == (name, before)
        assert repr(outcome) == shown


@pytest.mark.parametrize(
    "layer", [layer for layer in LAYERS.values() if isinstance(layer, Step)], ids=[n for n, x in LAYERS.items() if isinstance(x, Step)]
)
def test_the_two_methods_of_a_step_are_functions(layer: Step) -> None:
    for sent, outcome in EVERYTHING:
        assert tried(layer.before, sent) == tried(layer.before, sent)
        assert tried(layer.after, sent, outcome) == tried(layer.after, sent, outcome)


def test_a_redelivered_message_yields_equal_follow_ups() -> None:
    sent = MESSAGES["with a pipe"]
    handle = default_middleware.wrap(answering(Outcome.success(3)))

    assert handle(sent).effects == handle(evolve_message(sent, deliveries=2)).effects
    assert [type(effect).__name__ for effect in handle(sent).effects] == ["Enqueue", "Store"]


def test_the_whole_default_stack_runs_under_a_real_event_loop() -> None:
    async def ahandler(message: Message) -> Outcome:
        await asyncio.sleep(0)
        return Outcome.success(3)

    assert asyncio.run(default_middleware.awrap(ahandler)(MESSAGES["bare"])) == default_middleware.wrap(answering(Outcome.success(3)))(  # type: ignore[arg-type]
        MESSAGES["bare"]
    )
