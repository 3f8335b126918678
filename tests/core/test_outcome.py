"""`Outcome`: what it says about a message, and how it is refined."""

import pytest
from returns.result import Failure, Success

from fq import Dead, Drop, Enqueue, Outcome, Retry, Setback, SkipMessage, Store, TimeLimitExceeded
from fq.testing import message

MESSAGE = message("add", 1, 2)
ERROR = ValueError("no")
SUCCESS = Outcome.success(3)
RETRY = Outcome(Failure(Retry(MESSAGE, 5, ERROR)))
SNOOZE = Outcome(Failure(Retry(MESSAGE, 5)))
DEAD = Outcome.failure(ERROR)
DROP = Outcome.drop("not today")


def test_a_success_holds_its_value() -> None:
    assert Outcome(Success(3)) == SUCCESS
    assert Outcome.success() == Outcome(Success(None))


def test_a_failure_is_a_dead_letter_unless_a_layer_refines_it() -> None:
    assert Outcome(Failure(Dead(ERROR))) == DEAD


@pytest.mark.parametrize(
    ("outcome", "succeeded", "final", "error"),
    [
        (SUCCESS, True, True, None),
        (RETRY, False, False, ERROR),
        (SNOOZE, False, False, None),
        (DEAD, False, True, ERROR),
        (DROP, False, True, None),
    ],
    ids=["success", "retry", "snooze", "dead", "drop"],
)
def test_an_outcome_says_whether_it_succeeded_and_is_final_and_why_not(
    outcome: Outcome, succeeded: bool, final: bool, error: Exception | None
) -> None:
    assert outcome.succeeded is succeeded
    assert outcome.final is final
    assert outcome.error is error


def test_what_an_actor_raises_is_a_failure_except_for_a_skip() -> None:
    assert Outcome.raised(ERROR) == DEAD
    assert Outcome.raised(SkipMessage("not today")) == DROP
    assert Outcome.raised(TimeLimitExceeded("slow")) == Outcome.failure(TimeLimitExceeded("slow"))


def test_alt_changes_a_setback_and_keeps_the_effects() -> None:
    effect = Enqueue(MESSAGE)

    assert DEAD.also(effect).alt(lambda setback: Drop(type(setback).__name__)) == Outcome(Failure(Drop("Dead")), (effect,))


def test_alt_leaves_a_success_alone() -> None:
    assert SUCCESS.alt(lambda _: Drop("no")) is SUCCESS


def test_alt_with_the_same_setback_gives_the_very_outcome() -> None:
    assert DEAD.alt(lambda setback: setback) is DEAD


@pytest.mark.parametrize("outcome", [SUCCESS, RETRY, DEAD, DROP], ids=["success", "retry", "dead", "drop"])
def test_alt_obeys_the_laws_of_a_functor(outcome: Outcome) -> None:
    def first(setback: Setback) -> Setback:
        return Dead(ERROR) if isinstance(setback, Drop) else setback

    def second(setback: Setback) -> Setback:
        return Drop("second") if isinstance(setback, Dead) else setback

    assert outcome.alt(first).alt(second) == outcome.alt(lambda setback: second(first(setback)))
    assert outcome.alt(lambda setback: setback) == outcome


def test_effects_gather_in_order() -> None:
    first, second = Enqueue(MESSAGE), Store("m1", Success(3), 5)

    assert SUCCESS.also(first).also(second) == SUCCESS.also(first, second)
    assert SUCCESS.also(first, second).effects == (first, second)
    assert SUCCESS.also() is SUCCESS


def test_outcomes_are_equal_by_value() -> None:
    assert Outcome.success([1]) == Outcome.success([1])
    assert Outcome.failure(TimeLimitExceeded("slow")) == Outcome.failure(TimeLimitExceeded("slow"))
    assert len({SUCCESS, Outcome.success(3), DROP}) == 2
