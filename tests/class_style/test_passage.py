"""One delivery through class-style middleware, as a pure function: no app, no broker, no clock."""

import asyncio
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from returns.result import Failure, Success

from fq import (
    App,
    Around,
    Dead,
    Drop,
    Interrupt,
    LayerError,
    Message,
    MessageFailed,
    MiddlewareError,
    Outcome,
    RateLimitExceeded,
    Retries,
    Retry,
    SkipMessage,
    Snooze,
    Step,
    age_limit,
    compose,
    default_middleware,
    hooks,
    retries,
)
from fq.brokers.memory import MemoryBroker
from fq.class_style.adapter import DETACHED_BROKER
from fq.testing import message
from tests.class_style.recorder import Recorder, names

BOOM = ValueError("boom")
MESSAGE = message("add", 1, 2, message_id="m1")


class Before:
    """Does *what* before each message, and notes what happens after."""

    def __init__(self, what: Callable[[Any], object]) -> None:
        self.what = what
        self.after: list[str] = []

    def before_process_message(self, broker: Any, message: Any) -> None:
        self.what(message)

    def after_process_message(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None:
        self.after.append(f"processed {result} {exception!r}")

    def after_skip_message(self, broker: Any, message: Any) -> None:
        self.after.append("skipped")


class After:
    """Does *what* after each message."""

    def __init__(self, what: Callable[[Any], object]) -> None:
        self.what = what

    def after_process_message(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None:
        self.what(message)


def raising(error: BaseException) -> Callable[[object], object]:
    def what(_: object) -> object:
        raise error

    return what


def answer(_: Message) -> Outcome:
    return Outcome.success(3)


def fails(_: Message) -> Outcome:
    return Outcome.failure(BOOM)


def never(_: Message) -> Outcome:
    raise AssertionError("the actor was run")


def run(layer: Any, handler: Callable[[Message], Outcome], colour: str = "sync", given: Message = MESSAGE) -> Outcome:
    """Return what *layer* around *handler* makes of a message, in either colour."""
    if colour == "sync":
        return layer.wrap(handler)(given)

    async def ahandler(message: Message) -> Outcome:
        return handler(message)

    return asyncio.run(layer.awrap(ahandler)(given))


both = pytest.mark.parametrize("colour", ["sync", "async"])


@pytest.fixture(autouse=True)
def nothing_stays_behind() -> object:
    yield
    assert len(DETACHED_BROKER.deliveries) == 0


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


@both
def test_what_a_hook_writes_into_the_options_goes_inwards(colour: str) -> None:
    def writes(message: Any) -> None:
        message.options["trace"] = "t1"
        message.options.pop("old")

    outcome = run(
        hooks(Before(writes)), lambda message: Outcome.success(dict(message.options)), colour, MESSAGE.with_options(old=1, kept=2)
    )

    assert outcome.result == Success({"kept": 2, "trace": "t1"})


def test_what_a_hook_writes_into_the_arguments_is_what_the_actor_gets() -> None:
    def writes(message: Any) -> None:
        message.args = [5, 6]
        message.kwargs["c"] = 7

    outcome = run(hooks(Before(writes)), lambda message: Outcome.success((message.args, dict(message.kwargs))))

    assert outcome.result == Success(((5, 6), {"c": 7}))


def test_what_a_hook_wrote_into_the_options_is_in_the_retry() -> None:
    def counts(message: Any) -> None:
        message.options.setdefault("seen", []).append("x")

    stack = compose(hooks(After(counts)), retries(), hooks(Before(lambda message: message.options.update(inner=1))))
    retried = run(stack, fails, given=MESSAGE.with_options(seen=["w"])).result.failure()

    assert isinstance(retried, Retry)
    assert dict(retried.message.options) == {"seen": ["w", "x"], "retries": 1, "inner": 1}


def test_the_message_itself_is_never_changed() -> None:
    given = MESSAGE.with_options(tags=["a"], meta={"k": [1]})

    def writes(message: Any) -> None:
        message.options["tags"].append("b")
        message.options["meta"]["k"].append(2)
        message.options["new"] = 1

    outcome = run(hooks(Before(writes)), lambda message: Outcome.success(dict(message.options)), given=given)

    assert outcome.result == Success({"tags": ["a", "b"], "meta": {"k": [1, 2]}, "new": 1})
    assert dict(given.options) == {"tags": ["a"], "meta": {"k": [1]}}


def test_what_a_layer_in_between_writes_wins_over_an_earlier_hook() -> None:
    class Sets(Step):
        def before(self, message: Message) -> Message:
            return message.with_options(x="layer")

    seen: list[object] = []
    stack = compose(
        hooks(Before(lambda message: message.options.update(x="hook"))),
        Sets(),
        hooks(Before(lambda message: seen.append(message.options["x"]))),
    )

    run(stack, answer)

    assert seen == ["layer"]


def test_one_view_is_shared_by_all_hooks_of_a_delivery_and_carries_foreign_attributes() -> None:
    views: list[Any] = []

    def first(message: Any) -> None:
        message.started = 12
        views.append(message)

    stack = compose(hooks(Before(first)), retries(), hooks(Before(views.append)), hooks(After(views.append)))
    run(stack, answer)

    assert len(views) == 3
    assert len({id(view) for view in views}) == 1
    assert views[2].started == 12


def test_the_exception_is_on_the_view_while_the_message_is_processed() -> None:
    seen: list[Any] = []

    run(hooks(After(lambda message: seen.append((message, message._exception)))), fails)

    assert seen[0][1] is BOOM
    assert seen[0][0]._exception is None


class Alarm(BaseException):
    """As an extension in another language has it."""


@both
def test_a_base_exception_is_a_failure_that_the_hooks_see(colour: str) -> None:
    middleware = Before(lambda message: None)
    alarm = Alarm()

    outcome = run(hooks(middleware), raising(alarm), colour)  # type: ignore[arg-type]

    assert outcome.error is alarm
    assert middleware.after == [f"processed None {alarm!r}"]


@both
def test_ctrl_c_passes_and_the_hooks_may_clean_up(colour: str) -> None:
    middleware = Before(lambda message: None)
    ctrl_c = KeyboardInterrupt()

    with pytest.raises(KeyboardInterrupt):
        run(hooks(middleware), raising(ctrl_c), colour)  # type: ignore[arg-type]

    assert middleware.after == [f"processed None {ctrl_c!r}"]


@both
def test_a_base_exception_of_a_hook_is_a_failure_of_its_layer(colour: str) -> None:
    middleware = Before(raising(Alarm()))

    outcome = run(hooks(middleware), never, colour)

    assert isinstance(outcome.error, LayerError)
    assert isinstance(outcome.error.error, Alarm)


def test_options_of_the_actor_are_seen_among_those_of_the_message() -> None:
    class Limits:
        actor_options = ("rate_limit",)

        def before_process_message(self, broker: Any, message: Any) -> None:
            seen.append(message.options.get("rate_limit", 100))

    seen: list[object] = []
    stack = compose(hooks(Limits()))
    echo = lambda message: Outcome.success(dict(message.options))

    run(stack, answer)
    inward = run(stack.with_options({"rate_limit": 10}), echo)
    run(stack.with_options({"rate_limit": 10}), answer, given=MESSAGE.with_options(rate_limit=3))

    assert seen == [100, 10, 3]
    assert inward.result == Success({})


def test_a_stack_draws_its_class_style_middleware_by_name() -> None:
    class Timing:
        def before_process_message(self, broker: Any, message: Any) -> None: ...

    stack = compose(hooks(Timing()), retries(max_retries=1))

    assert str(stack).splitlines()[0] == "Hooks(middleware=Timing(), fail_open='after')"


def test_an_adapter_may_be_placed_by_the_class_of_its_middleware() -> None:
    first, second = Before(lambda message: None), After(lambda message: None)
    stack = compose(hooks(first), retries())

    assert [type(layer) for layer in stack.inside(Retries, Around(open))] == [type(hooks(first)), Retries, Around]
    assert [getattr(layer, "middleware", None) for layer in stack.outside(Before, hooks(second))] == [second, first, None]
    assert [getattr(layer, "middleware", None) for layer in stack.inside(Before, hooks(second))] == [first, second, None]
    assert Before in stack
    assert After not in stack
    assert Before not in stack.without(Before)


def test_two_adapters_are_equal_when_they_adapt_the_same_object() -> None:
    middleware = Before(lambda message: None)

    assert hooks(middleware) == hooks(middleware)
    assert hooks(middleware) != hooks(middleware, fail_open=True)
    assert hooks(middleware) != hooks(Before(lambda message: None))


def test_a_drop_from_further_inside_is_a_skip_for_those_outside() -> None:
    middleware = Before(lambda message: None)

    outcome = run(hooks(middleware), lambda _: Outcome.drop("why not"))

    assert outcome.result == Failure(Drop("why not"))
    assert middleware.after == ["skipped"]


class Looks:
    """Notes which exception is being handled in each hook."""

    def __init__(self) -> None:
        self.handled: list[BaseException | None] = []
        self.text = ""

    def after_process_message(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None:
        self.handled.append(sys.exc_info()[1])
        self.text = traceback.format_exc()

    def after_skip_message(self, broker: Any, message: Any) -> None:
        self.handled.append(sys.exc_info()[1])


def raised(error: Exception) -> Exception:
    """Return *error* with the traceback of having been raised."""
    try:
        raise error
    except Exception as caught:
        return caught


@dataclass(frozen=True)
class Frozen(Exception):
    code: int


@both
@pytest.mark.parametrize("error", [ValueError("boom"), Frozen(3), ExceptionGroup("two", [ValueError("a"), KeyError("b")])], ids=repr)
def test_the_exception_is_being_handled_in_the_hook_after_a_failure_and_comes_out_of_it_unchanged(colour: str, error: Exception) -> None:
    looks, error = Looks(), raised(error)
    before = error.__traceback__, error.__context__, error.__cause__

    outcome = run(compose(hooks(looks), retries(max_retries=1), hooks(looks)), lambda _: Outcome.failure(error), colour)

    assert looks.handled == [error, error]
    assert "in raised" in looks.text
    assert outcome.error is error
    assert (error.__traceback__, error.__context__, error.__cause__) == before


def test_nothing_is_being_handled_in_the_hook_after_a_success_and_the_skip_in_the_one_after_a_skip() -> None:
    looks, skip = Looks(), SkipMessage("no")

    run(hooks(looks), answer)
    run(hooks(looks), lambda _: Outcome(Failure(Dead(skip))))

    assert looks.handled == [None, skip]


@both
def test_after_a_failure_the_options_tell_of_it_as_those_of_dramatiq_do(colour: str) -> None:
    seen: list[dict[str, Any]] = []
    outer, inner = (
        After(lambda message: seen.append(message.asdict()["options"])),
        After(lambda message: seen.append(dict(message.options))),
    )

    stack = compose(hooks(outer), retries(max_retries=3), hooks(inner))
    run(stack, lambda _: Outcome.failure(raised(BOOM)), colour)
    run(stack, lambda _: Outcome.failure(raised(BOOM)), colour, MESSAGE.with_options(retries=3))

    assert ["ValueError: boom" in options["traceback"] for options in seen] == [True] * 4
    assert ["requeue_timestamp" in options for options in seen] == [False, True, False, False]
    assert [options.get("retries") for options in seen] == [None, 1, 3, 3]
    assert isinstance(seen[1]["requeue_timestamp"], int)


def test_what_tells_of_a_failure_travels_with_the_retry() -> None:
    seen: list[dict[str, Any]] = []
    app = App(broker=MemoryBroker(), middleware=default_middleware.add(hooks(Before(lambda message: seen.append(dict(message.options))))))

    @app.actor(max_retries=2, min_backoff=1)
    def task() -> None:
        raise ValueError(f"attempt {len(seen)}")

    task.send()
    app.run_until_idle()

    assert [sorted(options) for options in seen] == [[], *[["requeue_timestamp", "retries", "traceback"]] * 2]
    assert ["attempt 1" in seen[1]["traceback"], "attempt 2" in seen[2]["traceback"]] == [True, True]
