"""What follows, as effects of the outcome of a handler: values, without a broker."""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import cast

import pytest
from returns.result import Failure, Success

from fq import App, Enqueue, Interrupt, Message, Outcome, Retry, TimeLimitExceeded
from fq.core.derived_ids import child_id
from fq.core.outcome import Drop, effects_of
from fq.errors import DeclarationError
from fq.execution.handler import async_handler, sync_handler
from fq.runtime.actor_run import CURRENT_RUN
from fq.testing import message, outcome_of

app = App("redis://nowhere.example")


@app.actor
def load(part: str) -> None: ...


@app.actor(max_retries=1)
def load_all(parts: str, fail: bool = False) -> None:
    for part in parts:
        load.call(part).follow()
    load.call("report").follow(always=True)
    if fail:
        raise ValueError


@app.actor
async def aload_all(parts: str) -> None:
    for part in parts:
        load.call(part).delay(5).follow()


def sent(outcome: Outcome) -> list[object]:
    return [effect.message.args[0] for effect in outcome.effects if isinstance(effect, Enqueue)]


def test_a_success_has_them_in_the_order_of_the_calls() -> None:
    assert sent(outcome_of(load_all.call("ab"))) == ["a", "b", "report"]


def test_an_async_actor_has_them_too_with_their_delays() -> None:
    outcome = outcome_of(aload_all.call("ab"), message_id="m1", received_at=7)

    assert [(effect.delay, effect.message.message_timestamp) for effect in outcome.effects if isinstance(effect, Enqueue)] == 2 * [(5, 7)]
    assert sent(outcome) == ["a", "b"]


def test_the_ids_follow_from_that_of_the_message_so_that_a_redelivery_sends_the_same() -> None:
    outcomes = [outcome_of(load_all.call("ab"), message_id="m1", deliveries=deliveries) for deliveries in (1, 2)]

    assert outcomes[0] == outcomes[1]
    assert [effect.message.message_id for effect in outcomes[0].effects if isinstance(effect, Enqueue)] == [
        child_id("m1", "follow", n) for n in range(3)
    ]


def test_a_retry_has_none_and_a_dead_letter_those_that_always_follow() -> None:
    retried, dead = outcome_of(load_all.call("ab", True)), outcome_of(load_all.call("ab", True), retries=1)

    assert isinstance(retried.result.failure(), Retry)
    assert (sent(retried), sent(dead)) == ([], ["report"])


def test_a_second_run_of_the_same_message_begins_with_none() -> None:
    handle = sync_handler(load_all.fn, load_all.signature)
    run = message("load_all", "ab")

    assert handle(run) == handle(run)


def test_a_handler_leaves_no_run_behind() -> None:
    outcome_of(load_all.call("a"))
    outcome_of(aload_all.call("a"))

    assert CURRENT_RUN.get() is None


def test_nor_does_one_that_is_interrupted() -> None:
    def raises(parts: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sync_handler(raises, load_all.signature)(message("load_all", "ab"))

    assert CURRENT_RUN.get() is None


def test_nor_does_a_coroutine_that_is_closed_from_elsewhere() -> None:
    async def waits(parts: str) -> None:
        await asyncio.sleep(60)

    coroutine = cast("Coroutine[object, object, Outcome]", async_handler(waits, aload_all.signature)(message("aload_all", "ab")))
    loop = asyncio.new_event_loop()
    contextvars.copy_context().run(loop.run_until_complete, first_step(coroutine))
    contextvars.copy_context().run(coroutine.close)
    loop.close()

    assert CURRENT_RUN.get() is None


async def first_step(coroutine: Coroutine[object, object, Outcome]) -> None:
    """Run *coroutine* until it waits for the first time."""
    coroutine.send(None)


def test_a_handler_within_an_actor_collects_its_own() -> None:
    inner: list[Outcome] = []

    @app.actor
    def outer() -> None:
        load.call("outer").follow()
        inner.append(outcome_of(load_all.call("i"), message_id="inner"))
        load.call("outer again").follow()

    outcome = outcome_of(outer.call())

    assert sent(outcome) == ["outer", "outer again"]
    assert sent(inner[0]) == ["i", "report"]


def test_a_time_limit_is_an_ordinary_failure() -> None:
    def interrupted(_: Message, fn: Callable[..., object], args: tuple[object, ...], kwargs: object) -> object:
        fn(*args)
        raise TimeLimitExceeded("too long")

    outcome = sync_handler(load_all.fn, load_all.signature, interrupted)(message("load_all", "ab"))

    assert isinstance(outcome.error, Interrupt)
    assert sent(outcome) == ["report"]


def test_what_a_change_of_the_setback_keeps() -> None:
    effects = tuple(Enqueue(message("load", only_on), only_on=only_on) for only_on in ("any", "success", "final"))

    assert sent(Outcome(Success(1), effects).alt(lambda _: Drop())) == ["any", "success", "final"]
    assert sent(Outcome(Failure(Drop()), effects_of(Drop("no"), effects))) == ["any", "final"]
    assert sent(Outcome(Failure(Drop()), effects).alt(lambda _: Retry(message("add")))) == ["any"]


def test_only_the_call_of_one_actor_has_one_outcome() -> None:
    with pytest.raises(DeclarationError, match="found a workflow"):
        outcome_of(load.call("a") | load)
