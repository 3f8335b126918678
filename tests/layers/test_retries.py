"""`Retries`: how often a message is tried again, and which options decide."""

import pytest
from attrs import frozen
from returns.result import Failure

from fq import (
    App,
    Dead,
    Drop,
    Message,
    Outcome,
    Retries,
    Retry,
    compose,
    default_middleware,
    results,
    retries,
    time_limit,
)
from fq.testing import message
from tests.layers.retrying import ERROR, WEEK, attempts, retry_of, setback_of

# How many attempts


def test_a_success_is_left_alone() -> None:
    outcome = Outcome.success(3)

    assert retries().wrap(lambda _: outcome)(message("add")) is outcome


def test_a_failure_is_tried_again_with_the_count_in_the_message() -> None:
    assert retry_of(retries(), message("add", 1, tenant="a")) == Retry(
        message("add", 1, tenant="a", retries=1), Retries().backoff_ms("test", 0), ERROR
    )


@pytest.mark.parametrize("most", [0, 1, 3, 20])
def test_max_retries_attempts_follow_the_first(most: int) -> None:
    assert attempts(retries(max_retries=most), message("add")) == most + 1


def test_the_last_failure_is_a_dead_letter_with_its_own_error() -> None:
    assert setback_of(retries(max_retries=2), message("add", retries=2)) == Dead(ERROR)


def test_without_a_limit_a_message_is_tried_for_ever() -> None:
    assert retry_of(retries(max_retries=None), message("add", retries=10**6)).message.options == {"retries": 10**6 + 1}


def test_twenty_retries_are_the_default() -> None:
    assert Retries() == retries() == retries(max_retries=20, min_backoff=15_000, max_backoff=WEEK, retry_when=None, throws=())
    assert attempts(retries(), message("add")) == 21


def test_only_a_dead_letter_is_refined() -> None:
    for setback in (Drop("no"), Retry(message("add"), 5), Retry(message("add"), 5, ERROR)):
        assert retries().wrap(lambda _, setback=setback: Outcome(Failure(setback)))(message("add")).result.failure() is setback


def test_effects_from_further_in_survive_a_retry() -> None:
    inner = results().wrap(lambda _: Outcome.failure(ERROR))
    outcome = retries().wrap(inner)(message("add"))

    assert isinstance(outcome.result.failure(), Retry)
    assert outcome.effects == inner(message("add")).effects != ()


# Precedence of options


@pytest.mark.parametrize(
    ("stack", "actor", "sent", "expected"),
    [
        (3, None, None, 4),
        (3, 1, None, 2),
        (3, 99, 0, 1),
        (3, 99, 4, 5),
        (0, None, 2, 3),
    ],
)
def test_the_message_has_its_way_over_the_actor_and_the_actor_over_the_stack(
    stack: int, actor: int | None, sent: int | None, expected: int
) -> None:
    app = App("memory://", middleware=compose(retries(max_retries=stack)))
    runs: list[int] = []

    def fails() -> None:
        runs.append(1)
        raise ERROR

    declared = app.actor(fails) if actor is None else app.actor(max_retries=actor)(fails)
    call = declared.call() if sent is None else declared.call().with_options(max_retries=sent)
    call.send()
    app.run_until_idle()

    assert len(runs) == expected


def test_none_in_a_message_means_for_ever_over_a_limit_of_the_actor() -> None:
    assert retry_of(retries(max_retries=0), message("add", max_retries=None, retries=50)).message.options["retries"] == 51


def test_a_message_may_set_both_backoffs() -> None:
    assert retry_of(retries(min_backoff=10_000), message("add", min_backoff=0)).delay == 0
    assert retry_of(retries(min_backoff=10_000), message("add", max_backoff=0)).delay == 0


def test_options_of_the_message_stay_in_force_for_its_retries() -> None:
    assert attempts(retries(max_retries=99, min_backoff=0), message("add", max_retries=2)) == 3


# Place in the stack


def test_inside_the_age_limit_and_outside_the_time_limit() -> None:
    names = [type(layer).__name__ for layer in default_middleware]

    assert names.index("AgeLimit") < names.index("Retries") < names.index("TimeLimit")


def test_each_attempt_has_a_time_limit_of_its_own() -> None:
    stack = compose(retries(), time_limit(time_limit=5))
    limits: list[float] = []

    def handler(message: Message) -> Outcome:
        limits.append(message.time_limit)
        return Outcome.failure(ERROR)

    first = stack.wrap(handler)(message("add")).result.failure()
    assert isinstance(first, Retry)
    stack.wrap(handler)(first.message)

    assert limits == [5, 5]
    assert first.message.time_limit == float("inf")


@frozen
class Custom(Retries):
    """Backs off by the clock of the bank."""

    def backoff_ms(self, message_id: str, retries: int) -> int:
        return 60_000 * (retries + 1)


def test_the_backoff_can_be_replaced_by_a_subclass() -> None:
    assert retry_of(Custom(max_retries=5), message("add", retries=2)).delay == 180_000
