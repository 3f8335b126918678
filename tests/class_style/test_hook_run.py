"""Which hooks run around one delivery, and what they do to its outcome: as a pure function, without app, broker or clock."""

from typing import Any

import pytest
from returns.result import Failure

from fq import (
    Dead,
    Interrupt,
    LayerError,
    MessageFailed,
    MiddlewareError,
    Outcome,
    RateLimitExceeded,
    Retry,
    SkipMessage,
    Snooze,
    age_limit,
    compose,
    hooks,
    retries,
)
from fq.testing import message
from tests.class_style.deliveries import BOOM, MESSAGE, After, Before, answer, both, fails, never, raising, run
from tests.class_style.recorder import Recorder, names


def test_a_middleware_without_process_hooks_costs_nothing() -> None:
    layer = hooks(Recorder("a", [], {"before_ack"}))

    assert layer.wrap(answer) is answer


@both
def test_hooks_are_called_outside_in_before_and_inside_out_after(colour: str) -> None:
    calls: list[tuple[str, str]] = []

    outcome = run(compose(hooks(Recorder("a", calls)), hooks(Recorder("b", calls))), answer, colour)

    assert outcome == Outcome.success(3)
    assert names(calls) == ["a.before_process_message", "b.before_process_message", "b.after_process_message", "a.after_process_message"]


@both
def test_the_hook_after_gets_the_result_or_the_exception(colour: str) -> None:
    seen = Before(lambda message: None)

    run(hooks(seen), answer, colour)
    run(hooks(seen), fails, colour)

    assert seen.after == ["processed 3 None", f"processed None {BOOM!r}"]


@both
def test_a_message_may_be_skipped(colour: str) -> None:
    skips = Before(raising(SkipMessage("not today")))

    assert run(hooks(skips), never, colour) == Outcome.drop("not today")
    assert skips.after == ["skipped"]


def test_those_outside_hear_of_a_skip_and_those_inside_of_nothing() -> None:
    calls: list[tuple[str, str]] = []
    stack = compose(hooks(Recorder("a", calls)), hooks(Before(raising(SkipMessage()))), hooks(Recorder("b", calls)))

    run(stack, never)

    assert names(calls) == ["a.before_process_message", "a.after_skip_message"]


@both
def test_a_failed_message_is_a_dead_letter_and_is_not_run(colour: str) -> None:
    fails = Before(lambda message: message.fail())

    outcome = run(compose(retries(), hooks(fails)), never, colour)

    assert outcome == Outcome.failure(MessageFailed("a middleware called message.fail()"))
    assert fails.after == ["processed None None"]


def test_a_message_failed_and_skipped_is_a_dead_letter_with_the_skip_as_its_error() -> None:
    def too_old(message: Any) -> None:
        message.fail()
        raise SkipMessage("too old")

    middleware = Before(too_old)
    outcome = run(compose(retries(), hooks(middleware)), never)

    assert outcome == Outcome.failure(SkipMessage("too old"))
    assert middleware.after == ["skipped"]


@both
def test_a_hook_that_raises_before_fails_the_message_and_is_not_called_after(colour: str) -> None:
    middleware = Before(raising(BOOM))

    outcome = run(hooks(middleware), never, colour)

    assert isinstance(outcome.error, LayerError)
    assert str(outcome.error) == "Before raised ValueError: boom"
    assert middleware.after == []


def test_an_error_of_fq_is_meant_and_stays_as_it_is() -> None:
    outcome = run(compose(retries(), hooks(Before(raising(Snooze(50))))), never)

    assert outcome.result == Failure(Retry(MESSAGE, 50))
    assert run(hooks(Before(raising(RateLimitExceeded("full")))), never) == Outcome.failure(RateLimitExceeded("full"))


@pytest.mark.parametrize("error", [MiddlewareError("no"), Interrupt("now")], ids=repr)
def test_an_error_that_is_raised_on_purpose_is_told_to_the_one_that_raised_it(error: BaseException) -> None:
    middleware = Before(raising(error))

    assert run(hooks(middleware), never).error is error
    assert middleware.after == [f"processed None {error!r}"]


@both
def test_a_middleware_that_fails_open_is_logged_and_the_actor_runs(colour: str, caplog: pytest.LogCaptureFixture) -> None:
    middleware = Before(raising(BOOM))

    assert run(hooks(middleware, fail_open=True), answer, colour) == Outcome.success(3)
    assert middleware.after == ["processed 3 None"]
    assert "Before raised before add(1, 2), which runs all the same" in caplog.text


def test_failing_open_does_not_swallow_what_is_raised_on_purpose() -> None:
    assert run(hooks(Before(raising(MiddlewareError("no"))), fail_open=True), never) == Outcome.failure(MiddlewareError("no"))
    assert run(hooks(Before(raising(SkipMessage("no"))), fail_open=True), never) == Outcome.drop("no")


@both
@pytest.mark.parametrize("error", [BOOM, MiddlewareError("no"), SkipMessage("no"), Interrupt("now"), SystemExit(1)], ids=repr)
def test_a_hook_that_raises_after_a_success_is_logged_and_changes_nothing(
    colour: str, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    assert run(compose(retries(), hooks(After(raising(error)))), answer, colour) == Outcome.success(3)
    assert "After raised after add(1, 2), whose outcome stays as it is" in caplog.text


def test_ctrl_c_is_not_held_up_by_a_hook() -> None:
    with pytest.raises(KeyboardInterrupt):
        run(hooks(After(raising(KeyboardInterrupt()))), answer)


@both
def test_asked_to_a_hook_that_raises_after_a_success_makes_it_a_failure(colour: str) -> None:
    outcome = run(hooks(After(raising(BOOM)), fail_open=False), answer, colour)

    assert isinstance(outcome.error, LayerError)
    assert outcome.error.error is BOOM
    assert run(hooks(After(raising(Snooze(5))), fail_open=False), answer).error == Snooze(5)


def test_only_after_means_that_what_is_raised_before_fails_the_message() -> None:
    assert isinstance(run(hooks(Before(raising(BOOM)), fail_open="after"), never).error, LayerError)


def test_a_way_to_fail_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="fail_open"):
        hooks(After(print), fail_open="before")  # type: ignore[arg-type]


def test_a_hook_that_raises_after_a_setback_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    outcome = run(hooks(After(raising(KeyError("x")))), fails)

    assert outcome == Outcome.failure(BOOM)
    assert "After raised after add(1, 2), whose outcome stays as it is" in caplog.text


def test_a_hook_that_fails_open_after_a_success_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert run(hooks(After(raising(BOOM)), fail_open=True), answer) == Outcome.success(3)
    assert "boom" in caplog.text


def test_failing_a_message_afterwards_makes_a_dead_letter_of_a_success_a_failure_and_a_retry() -> None:
    failing = hooks(After(lambda message: message.fail()))

    assert run(failing, answer) == Outcome.failure(MessageFailed("a middleware called message.fail()"))
    for stack in (compose(retries(), failing), compose(failing, retries())):
        outcome = run(stack, fails)
        assert isinstance(outcome.result.failure(), Dead)
        assert repr(outcome.error) == repr(BOOM)


def test_outside_of_retries_failed_says_if_the_failure_is_final() -> None:
    seen: list[tuple[bool, object]] = []
    looks = After(lambda message: seen.append((message.failed, message.options.get("retries"))))

    stack = compose(hooks(looks), retries(max_retries=1))
    run(stack, fails)
    run(stack, fails, given=MESSAGE.with_options(retries=1))
    run(stack, answer)

    assert seen == [(False, 1), (True, 1), (False, None)]


def test_a_message_that_was_put_off_counts_as_skipped() -> None:
    calls: list[tuple[str, str]] = []

    run(compose(hooks(Recorder("a", calls)), retries()), lambda _: Outcome.failure(Snooze(5)))

    assert names(calls) == ["a.before_process_message", "a.after_skip_message"]


def test_a_message_too_old_counts_as_skipped() -> None:
    calls: list[tuple[str, str]] = []

    outcome = run(compose(hooks(Recorder("a", calls)), age_limit(max_age=1)), never, given=message("add", received_at=5))

    assert isinstance(outcome.result.failure(), Dead)
    assert names(calls) == ["a.before_process_message", "a.after_skip_message"]
