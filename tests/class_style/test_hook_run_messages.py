"""What hooks read and write of the message of one delivery, and the exceptions that they see."""

import sys
import traceback
from dataclasses import dataclass
from typing import Any

import pytest
from returns.result import Failure, Success

from fq import (
    App,
    Around,
    Dead,
    Drop,
    LayerError,
    Message,
    Outcome,
    Retries,
    Retry,
    SkipMessage,
    Step,
    compose,
    default_middleware,
    hooks,
    retries,
)
from fq.brokers.memory import MemoryBroker
from tests.class_style.deliveries import BOOM, MESSAGE, After, Before, answer, both, fails, never, raising, run


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
