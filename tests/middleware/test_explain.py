"""`explain`: what each ring did with a message."""

from attrs import frozen

from fq import (
    Dead,
    Handler,
    Message,
    Middleware,
    Outcome,
    RetryAfter,
    Step,
    TimeLimitExceeded,
    age_limit,
    compose,
    current_message,
    default_middleware,
    explain,
    results,
    retries,
    time_limit,
)
from fq.middleware.explain import Ring
from fq.testing import message

STACK = compose(results(), age_limit(max_age=1_000), retries(max_retries=1), time_limit(time_limit=5))
MESSAGE = message("add", 1, 2, message_id="m1")


def test_each_ring_tells_what_it_was_given_and_what_it_made_of_it() -> None:
    explanation = explain(STACK, MESSAGE, 3)
    outermost, *_, innermost = explanation.rings

    assert [type(ring.layer).__name__ for ring in explanation.rings] == ["Results", "AgeLimit", "Retries", "TimeLimit"]
    assert innermost == Ring(time_limit(time_limit=5), MESSAGE, innermost.passed, Outcome.success(3), Outcome.success(3))
    assert innermost.passed is not None
    assert innermost.passed.time_limit == 5
    assert outermost.answered == Outcome.success(3)
    assert outermost.returned == explanation.outcome == STACK.wrap(lambda _: Outcome.success(3))(MESSAGE)


def test_a_ring_that_answers_by_itself_is_the_last_one_reached() -> None:
    explanation = explain(STACK, message("add", received_at=2_000), 3)

    assert [type(ring.layer).__name__ for ring in explanation.rings] == ["Results", "AgeLimit"]
    assert explanation.rings[1].passed is None
    assert explanation.rings[1].answered is None
    assert "answered by itself: Outcome(result=<Failure: Dead(error=AgeLimitExceeded(" in str(explanation)


def test_an_explanation_is_drawn_with_what_changed() -> None:
    lines = str(explain(STACK, MESSAGE, RetryAfter(7))).splitlines()

    assert lines[:2] == ["Results(store_results=True, result_ttl=600000)", "  AgeLimit(max_age=1000)"]
    assert lines[2] == "    Retries(max_retries=1, min_backoff=15000, max_backoff=604800000)"
    assert lines[3].startswith(
        "      out: Outcome(result=<Failure: Dead(error=RetryAfter(7, ''))>, effects=()) became Outcome(result=<Failure: Retry("
    )
    assert lines[4:6] == ["      TimeLimit(time_limit=5, interval=1000)", "        in:  time_limit: inf -> 5"]
    assert lines[6].startswith("outcome: Outcome(result=<Failure: Retry(message=Message(message_id='m1'")


def test_the_result_may_be_a_value_an_error_an_interrupt_an_outcome_or_a_handler() -> None:
    assert explain(compose(), MESSAGE, 3).outcome == Outcome.success(3)
    assert explain(compose(), MESSAGE, None).outcome == Outcome.success()
    assert explain(compose(), MESSAGE, RetryAfter(7)).outcome == Outcome.failure(RetryAfter(7))
    assert explain(compose(), MESSAGE, TimeLimitExceeded("slow")).outcome == Outcome.failure(TimeLimitExceeded("slow"))
    assert explain(compose(), MESSAGE, Outcome.drop("no")).outcome == Outcome.drop("no")
    assert explain(compose(), MESSAGE, lambda message: Outcome.success(message.args)).outcome == Outcome.success((1, 2))


def test_a_time_limit_is_explained_like_any_failure() -> None:
    explanation = explain(STACK, message("add", retries=1), TimeLimitExceeded("slow"))

    assert explanation.outcome.result.failure() == Dead(TimeLimitExceeded("slow"))


def test_a_layer_that_raises_is_explained_too() -> None:
    class Broken(Step):
        def before(self, message: Message) -> Message:
            raise ValueError("broken")

    explanation = explain(compose(results(), Broken(), current_message()), MESSAGE, 3)

    assert [type(ring.layer).__name__ for ring in explanation.rings] == ["Results", "Broken"]
    assert "Broken()\n    answered by itself: " in str(explanation)


def test_of_a_layer_that_calls_twice_the_last_call_is_told() -> None:
    @frozen
    class Twice(Middleware):
        def wrap(self, next: Handler) -> Handler:
            return lambda message: (next(message), next(message.with_options(second=True)))[1]

    explanation = explain(
        compose(results(), Twice(), time_limit(time_limit=9)), MESSAGE, lambda message: Outcome.success(dict(message.options))
    )

    assert [ring.entered.options for ring in explanation.rings] == [{}, {}, {"second": True}]
    assert [ring.answered for ring in explanation.rings] == [Outcome.success({"second": True})] * 3


def test_explaining_agrees_with_running_for_the_default_stack() -> None:
    for result in (3, ValueError("no"), RetryAfter(5), Outcome.drop("no")):
        outcome = (
            result if isinstance(result, Outcome) else Outcome.raised(result) if isinstance(result, Exception) else Outcome.success(result)
        )

        assert explain(default_middleware, MESSAGE, result).outcome == default_middleware.wrap(lambda _, outcome=outcome: outcome)(MESSAGE)
