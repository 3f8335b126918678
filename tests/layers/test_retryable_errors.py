"""`Retries`: which errors are tried again, and the errors for bad options."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fq import (
    ActorFailure,
    AgeLimitExceeded,
    Dead,
    InvalidArguments,
    LayerError,
    Message,
    OptionError,
    Outcome,
    Poison,
    RateLimitExceeded,
    Retry,
    RetryAfter,
    Shutdown,
    TimeLimitExceeded,
    default_middleware,
    retries,
)
from fq.core.message import RETRIES
from fq.testing import message
from tests.layers.retrying import ERROR, WEEK, attempts, busy_machine, retry_of, setback_of


def test_retry_when_decides_instead_of_max_retries() -> None:
    layer = retries(max_retries=0, retry_when=lambda retries, error: isinstance(error, RuntimeError) and retries < 3)

    assert attempts(layer, message("add"), ValueError("no")) == 1
    assert attempts(layer, message("add"), RuntimeError("no")) == 4


def test_retry_when_is_asked_with_the_retries_so_far_and_the_error() -> None:
    asked: list[tuple[int, BaseException]] = []

    def watched(retries: int, error: BaseException) -> bool:
        asked.append((retries, error))
        return retries < 2

    attempts(retries(retry_when=watched), message("add"))

    assert asked == [(0, ERROR), (1, ERROR), (2, ERROR)]


def test_a_retry_when_that_raises_is_a_failure_of_the_layer() -> None:
    layer = retries(retry_when=lambda retries, error: 1 // 0 == 0)
    setback = setback_of(layer, message("add"))

    assert isinstance(setback, Dead)
    assert str(setback.error) == "Retries raised ZeroDivisionError: integer division or modulo by zero"


@pytest.mark.parametrize("throws", [ValueError, (ValueError,), (KeyError, ValueError), Exception, LookupError])
def test_errors_that_an_actor_raises_on_purpose_are_final(throws: type[Exception] | tuple[type[Exception], ...]) -> None:
    layer = retries(throws=throws)
    final = KeyError("x") if throws is LookupError else ERROR

    assert setback_of(layer, message("add"), final) == Dead(final)
    assert (setback_of(layer, message("add"), OSError("disk")) == Dead(ERROR)) is False


def test_throws_has_its_way_over_retry_when_and_over_retry_after() -> None:
    layer = retries(throws=(ValueError, RetryAfter), retry_when=lambda retries, error: True)

    assert setback_of(layer, message("add")) == Dead(ERROR)
    assert setback_of(layer, message("add"), RetryAfter(5)) == Dead(RetryAfter(5))


def test_an_overrun_time_limit_is_a_failure_like_any_other() -> None:
    assert retry_of(retries(), message("add"), TimeLimitExceeded("slow")).error == TimeLimitExceeded("slow")
    assert setback_of(retries(throws=TimeLimitExceeded), message("add"), TimeLimitExceeded("slow")) == Dead(TimeLimitExceeded("slow"))


@pytest.mark.parametrize(
    "error",
    [RateLimitExceeded("full"), ActorFailure("no"), LayerError(retries(), OSError("disk")), OSError("disk")],
    ids=lambda error: type(error).__name__,
)
def test_what_may_get_better_is_tried_again(error: Exception) -> None:
    assert retry_of(retries(), message("add"), error).error is error


def test_what_others_call_final_is_their_business() -> None:
    class Score(Exception):
        final = True

    assert retry_of(retries(), message("add"), Score())


@pytest.mark.parametrize("error", [SystemExit(2), GeneratorExit(), KeyboardInterrupt()], ids=lambda error: type(error).__name__)
def test_an_exit_is_tried_again_like_any_other_failure(error: BaseException) -> None:
    assert retry_of(retries(), message("add"), error).error is error


@pytest.mark.parametrize(
    "error",
    [InvalidArguments("no"), AgeLimitExceeded("old"), Poison("bad"), OptionError("no"), LayerError(retries(), OptionError("no"))],
    ids=lambda error: type(error).__name__,
)
def test_what_cannot_get_better_is_not_tried_again(error: Exception) -> None:
    assert setback_of(retries(retry_when=lambda retries, error: True), message("add"), error) == Dead(error)  # type: ignore[arg-type]


def test_a_shutdown_is_left_to_the_layer_that_hands_the_message_back() -> None:
    assert setback_of(retries(), message("add"), Shutdown()) == Dead(Shutdown())


# Options that make no sense


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("max_retries", "abc"),
        ("max_retries", -1),
        ("max_retries", 1.5),
        ("max_retries", True),
        ("min_backoff", "1s"),
        ("min_backoff", -1),
        ("max_backoff", None),
        ("max_backoff", 10**400),
        ("throws", "ValueError"),
        ("throws", ["ValueError"]),
        ("retry_when", "always"),
    ],
)
@pytest.mark.parametrize("result", [Outcome.success(3), Outcome.failure(ERROR)], ids=["success", "failure"])
def test_a_message_with_a_poisonous_option_is_a_dead_letter_that_names_it_and_never_runs(
    option: str, value: object, result: Outcome
) -> None:
    ran: list[Message] = []

    def handler(message: Message) -> Outcome:
        ran.append(message)
        return result

    setback = default_middleware.wrap(handler)(message("add", **{option: value})).result.failure()  # type: ignore[arg-type]

    assert ran == []
    assert isinstance(setback, Dead)
    assert isinstance(setback.error, LayerError)
    assert str(setback.error).startswith(f"Retries raised OptionError: {option}: ")


@pytest.mark.parametrize("count", ["three", None, [1], 1.5])
def test_a_count_of_retries_that_is_none_is_a_dead_letter_that_says_so(count: object) -> None:
    setback = setback_of(retries(), message("add", retries=count))

    assert isinstance(setback, Dead)
    assert str(setback.error) == f"Retries raised OptionError: option retries of message test: found {count!r}, expected int"


@busy_machine
@given(st.integers(-(10**20), 10**20))
def test_any_count_of_retries_gives_a_delay_within_the_ceiling(count: int) -> None:
    setback = setback_of(retries(max_retries=None), message("add", retries=count))

    assert isinstance(setback, Dead) or (isinstance(setback, Retry) and 0 <= setback.delay <= WEEK)
    assert RETRIES.get(message("add", retries=count)) == count
