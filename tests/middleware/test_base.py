"""The three ways to write a layer: `Step`, `Around`, raw `wrap`; and what becomes of a layer that goes wrong."""

from contextlib import nullcontext

import pytest
from attrs import field, frozen, validators

from fq import (
    Around,
    AsyncHandler,
    Dead,
    Handler,
    LayerError,
    Message,
    Middleware,
    OptionError,
    Outcome,
    SkipMessage,
    StackError,
    Step,
    class_style,
    compose,
)
from fq.class_style.hook_names import HOOKS
from fq.core.duration import to_ms
from fq.errors import TimeLimitExceeded
from fq.testing import message
from tests.middleware.handlers import MESSAGE, aanswer, answer, error_of, run


def test_a_bare_middleware_changes_nothing() -> None:
    layer = Middleware()

    assert layer.wrap(answer) is answer
    assert layer.awrap(aanswer) is aanswer


def test_a_step_that_overrides_nothing_is_not_even_called() -> None:
    @frozen
    class Idle(Step):
        limit: int = 3

    assert Idle().wrap(answer) is answer
    assert Idle().awrap(aanswer) is aanswer


def test_after_receives_the_message_that_its_own_before_passed_inwards() -> None:
    class Marks(Step):
        def before(self, message: Message) -> Message:
            return message.with_options(marked=True)

        def after(self, message: Message, outcome: Outcome) -> Outcome:
            return Outcome.success(message.options)

    assert Marks().wrap(answer)(MESSAGE) == run(Marks().awrap(aanswer)(MESSAGE)) == Outcome.success({"marked": True})


def test_an_answer_of_before_is_final_and_its_own_after_does_not_see_it() -> None:
    class Answers(Step):
        def before(self, message: Message) -> Outcome:
            return Outcome.success("early")

        def after(self, message: Message, outcome: Outcome) -> Outcome:
            raise AssertionError

    def never(_: Message) -> Outcome:
        raise AssertionError

    assert Answers().wrap(never)(MESSAGE) == Outcome.success("early")


@frozen
class Slow(Step):
    """Answers with its own limit; the limit is an option."""

    limit: int = field(default=1, converter=to_ms)
    strict: bool = field(default=False, validator=validators.instance_of(bool))

    def before(self, message: Message) -> Message:
        return message.with_options(entered=self.limit)

    def after(self, message: Message, outcome: Outcome) -> Outcome:
        return Outcome.success((message.options["entered"], self.limit))


@pytest.mark.parametrize(("options", "limit"), [({}, 1), ({"tenant": "a"}, 1), ({"limit": 5}, 5), ({"limit": 0, "strict": True}, 0)])
def test_options_of_a_message_are_in_force_in_both_methods_of_a_step(options: dict[str, object], limit: int) -> None:
    sent = message("add", **options)  # type: ignore[arg-type]

    assert Slow().wrap(answer)(sent) == run(Slow().awrap(aanswer)(sent)) == Outcome.success((limit, limit))


@pytest.mark.parametrize(
    ("options", "text"), [({"limit": "soon"}, "limit: found 'soon'"), ({"limit": 3, "strict": None}, "strict: 'strict' must be")]
)
def test_a_message_with_an_option_that_a_layer_cannot_take_never_reaches_the_actor(options: dict[str, object], text: str) -> None:
    reached: list[Message] = []

    def handler(message: Message) -> Outcome:
        reached.append(message)
        return Outcome.success()

    outcome = Slow().wrap(handler)(message("add", **options))  # type: ignore[arg-type]

    assert reached == []
    assert isinstance(outcome.error, LayerError)
    assert isinstance(outcome.error.error, OptionError)
    assert outcome.error.final
    assert str(outcome.error).startswith(f"Slow raised OptionError: {text}")


def test_a_layer_that_skips_a_message_drops_it() -> None:
    class Skips(Step):
        def before(self, message: Message) -> Message:
            raise SkipMessage("not on Sundays")

    assert Skips().wrap(answer)(MESSAGE) == run(Skips().awrap(aanswer)(MESSAGE)) == Outcome.drop("not on Sundays")


def test_an_error_of_a_layer_further_in_keeps_its_name() -> None:
    class Inner(Step):
        def before(self, message: Message) -> Message:
            raise ValueError("inner")

    @frozen
    class Outer(Middleware):
        def wrap(self, next: Handler) -> Handler:
            def handler(message: Message) -> Outcome:
                error = next(message).error
                assert isinstance(error, LayerError)
                raise error

            return handler

    layer, text = error_of(compose(Outer(), Inner()).wrap(answer)(MESSAGE))

    assert isinstance(layer, Inner)
    assert text == "Inner raised ValueError: inner"


def test_what_is_not_an_exception_passes_through_every_layer() -> None:
    def interrupted(_: Message) -> Outcome:
        raise KeyboardInterrupt

    for layer in (Slow(), Around(lambda _: nullcontext()), Twice()):
        with pytest.raises(KeyboardInterrupt):
            layer.wrap(interrupted)(MESSAGE)


class Twice(Middleware):
    """Calls twice, and keeps what came second."""

    def wrap(self, next: Handler) -> Handler:
        return lambda message: next(message) and next(message)

    def awrap(self, next: AsyncHandler) -> AsyncHandler:
        async def handler(message: Message) -> Outcome:
            await next(message)
            return await next(message)

        return handler


def test_a_raw_layer_may_call_twice() -> None:
    calls: list[Message] = []

    def handler(message: Message) -> Outcome:
        calls.append(message)
        return Outcome.success(len(calls))

    assert Twice().wrap(handler)(MESSAGE) == Outcome.success(2)


def test_a_layer_class_that_attrs_makes_anew_is_guarded_once() -> None:
    @frozen
    class Raises(Middleware):
        def wrap(self, next: Handler) -> Handler:
            return lambda _: 1 // 0  # type: ignore[return-value]

    layer, text = error_of(Raises().wrap(answer)(MESSAGE))

    assert layer == Raises()
    assert text == "Raises raised ZeroDivisionError: integer division or modulo by zero"


def test_a_subclass_of_a_raw_layer_stays_guarded() -> None:
    class Base(Middleware):
        def wrap(self, next: Handler) -> Handler:
            return self.work

        def work(self, message: Message) -> Outcome:
            return Outcome.success()

    class Broken(Base):
        def work(self, message: Message) -> Outcome:
            raise ValueError("broken")

    assert error_of(Broken().wrap(answer)(MESSAGE))[1] == "Broken raised ValueError: broken"


class Forgets(Step):
    def before(self, message: Message) -> Message:
        message.with_options(seen=True)  # no return
        return None  # type: ignore[return-value]


class ForgetsAfter(Step):
    def after(self, message: Message, outcome: Outcome) -> Outcome:
        return None  # type: ignore[return-value]


class ForgetsToAnswer(Middleware):
    def wrap(self, next: Handler) -> Handler:
        return lambda message: None  # type: ignore[return-value]

    def awrap(self, next: AsyncHandler) -> AsyncHandler:
        async def handler(message: Message) -> Outcome:
            return None  # type: ignore[return-value]

        return handler


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (Forgets(), "Forgets raised TypeError: before returned None, expected a Message or an Outcome"),
        (ForgetsAfter(), "ForgetsAfter raised TypeError: after returned None, expected an Outcome"),
        (ForgetsToAnswer(), "ForgetsToAnswer raised TypeError: the handler of {face} returned None, expected an Outcome"),
    ],
)
def test_a_layer_that_forgets_to_return_is_named(layer: Middleware, text: str) -> None:
    assert error_of(layer.wrap(answer)(MESSAGE))[1] == text.format(face="wrap")
    assert error_of(run(layer.awrap(aanswer)(MESSAGE)))[1] == text.format(face="awrap")


def test_a_layer_that_forgets_to_await_is_told_so() -> None:
    class ForgetsToAwait(Middleware):
        def awrap(self, next: AsyncHandler) -> AsyncHandler:
            async def handler(message: Message) -> Outcome:
                return next(message)  # type: ignore[return-value]

            return handler

    text = error_of(run(ForgetsToAwait().awrap(aanswer)(MESSAGE)))[1]

    assert text.startswith("ForgetsToAwait raised TypeError: the handler of awrap returned <coroutine object aanswer")
    assert text.endswith(", expected an Outcome: await what next returns")


def test_fields_that_are_not_given_at_construction_are_no_options() -> None:
    @frozen
    class Caches(Step):
        size: int = 3
        doubled: int = field(init=False, default=6)

    assert Caches.option_names() == {"size"}


def test_overriding_nothing_gives_the_very_layer() -> None:
    layer = Slow()

    assert layer.with_options({}) is layer
    assert layer.with_options({"unknown": 1}) is layer
    assert layer.with_options({"limit": 9}) == Slow(limit=9)


def test_an_interrupt_that_a_layer_is_handed_as_data_stays_data() -> None:
    outcome = Outcome.failure(TimeLimitExceeded("too long"))

    assert compose(Twice(), Around(lambda _: nullcontext())).wrap(lambda _: outcome)(MESSAGE) == outcome
    assert outcome.result.failure() == Dead(TimeLimitExceeded("too long"))


@pytest.mark.parametrize("base", [Middleware, Step, Around])
@pytest.mark.parametrize("name", HOOKS)
def test_a_layer_with_a_hook_of_class_style_middleware_is_refused_with_the_class_to_derive_from(base: type, name: str) -> None:
    with pytest.raises(
        StackError, match=rf"Mine\.{name} is a hook .* derive Mine from fq\.class_style\.Middleware, and put fq\.hooks\(Mine\(\)\)"
    ):
        type("Mine", (base,), {name: lambda self, broker, message: None})


def test_a_layer_that_inherits_a_hook_is_refused_and_one_with_other_methods_is_not() -> None:
    with pytest.raises(StackError, match="is a hook of class-style middleware"):
        type("Mine", (class_style.Middleware, Middleware), {})

    type("Mine", (Step,), {"before_all": 1, "after_process": 2, "enqueue": 3})
