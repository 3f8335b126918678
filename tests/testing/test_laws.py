"""`check_step` lets every built-in layer pass, and says which law each of these breaks."""

from collections.abc import Callable
from contextlib import contextmanager
from itertools import count

import attrs
import pytest
from attrs import field, frozen

import fq.layers
from fq import Around, AsyncHandler, Enqueue, Handler, Message, Middleware, Outcome, Retry, SkipMessage, Step, default_middleware
from fq.core.reserved_options import PIPE
from fq.testing import check_step
from tests.messages import message

BUILT_IN = [kind() for kind in vars(fq.layers).values() if isinstance(kind, type) and issubclass(kind, Middleware)]
numbers = count()


@pytest.mark.parametrize("layer", BUILT_IN, ids=lambda layer: type(layer).__name__)
def test_the_built_in_layers_pass(layer: Middleware) -> None:
    check_step(layer)


def test_a_stack_passes() -> None:
    for layer in default_middleware:
        check_step(layer)


class NoValue(Step):
    def __init__(self, seen: int = 0) -> None:
        self.seen = seen


@attrs.define(unsafe_hash=True)
class Changeable(Step):
    limit: int = 3


@frozen(repr=False)
class Unreadable(Step):
    limit: int = 3

    def __repr__(self) -> str:
        return "<a layer>"


@frozen(repr=False)
class Misread(Step):
    limit: int = 3

    def __repr__(self) -> str:
        return "Misread(4)"


@frozen
class TakesWhatItHasNot(Step):
    def accepted_options(self) -> frozenset[str]:
        return frozenset(["limit"])


@frozen
class TakesWhatIsTaken(Step):
    queue: str = "default"


@frozen
class Converts(Step):
    limit: int = field(default=3, converter=lambda limit: 2 * limit)


@frozen
class Draws(Step):
    def after(self, message: Message, outcome: Outcome) -> Outcome:
        return outcome.also(Enqueue(fq.Message(message_id=f"m{next(numbers)}", actor_name="other")))


@frozen
class Raises(Step):
    def before(self, message: Message) -> Message:
        return message.with_options(tenant=message.options["tenant"])


@frozen
class RaisesAfter(Step):
    def after(self, message: Message, outcome: Outcome) -> Outcome:
        raise ZeroDivisionError


@frozen
class Misreturns(Step):
    def before(self, message: Message) -> Message:
        return None  # type: ignore[return-value]


@frozen
class Colourful(Middleware):
    def wrap(self, next: Handler) -> Handler:
        return lambda message: Outcome.drop("sync")

    def awrap(self, next: AsyncHandler) -> AsyncHandler:
        return next


@frozen
class Meddles(Step):
    def before(self, message: Message) -> Message:
        if PIPE in message.options:
            message.options[PIPE].append({"actor_name": "other"})  # type: ignore[attr-defined]
        return message


@frozen
class SendsNothing(Step):
    def on_enqueue(self, enqueue: Enqueue) -> Enqueue:
        return None  # type: ignore[return-value]


@frozen
class SendsChance(Step):
    def on_enqueue(self, enqueue: Enqueue) -> Enqueue:
        return Enqueue(enqueue.message, next(numbers))


@frozen
class SendingFails(Step):
    def on_enqueue(self, enqueue: Enqueue) -> Enqueue:
        raise KeyError("tenant")


BROKEN = [
    (NoValue(), "it is equal to another one with equal fields"),
    (Changeable(), "it is never changed"),
    (Unreadable(), "its repr evaluates to it"),
    (Misread(), "its repr evaluates to it"),
    (TakesWhatItHasNot(), "its options are its fields"),
    (TakesWhatIsTaken(), "its options have names of their own"),
    (Converts(), "its repr evaluates to it"),
    (Draws(), "asked twice, it answers the same"),
    (Raises(), "it never raises"),
    (RaisesAfter(), "it never raises"),
    (Misreturns(), "it never raises"),
    (Colourful(), "an async actor gets the same of it as a sync one"),
    (Meddles(), "it leaves what it is given as it was"),
    (SendsNothing(), "on_enqueue returns an Enqueue"),
    (SendsChance(), "asked twice, it answers the same"),
    (SendingFails(), "it never raises"),
]


@pytest.mark.parametrize(("layer", "law"), BROKEN, ids=[type(layer).__name__ for layer, _ in BROKEN])
def test_the_law_that_a_layer_breaks_is_named(layer: Middleware, law: str) -> None:
    with pytest.raises(AssertionError) as error:
        check_step(layer, messages=[message("add", 1, pipe=[{"actor_name": "double"}])])

    assert str(error.value).splitlines()[0] == f"{layer!r} breaks a law of layers: {law}"


def test_a_layer_that_is_not_as_idle_as_it_says_is_named() -> None:
    @frozen
    class Dozes(Step):
        def idle(self) -> bool:
            return True

        def after(self, message: Message, outcome: Outcome) -> Outcome:
            return outcome.also(Enqueue(message))

    with pytest.raises(AssertionError, match="a message that passes by an idle layer gets the same of it"):
        check_step(Dozes())


def test_the_text_says_with_which_message_and_outcome() -> None:
    with pytest.raises(AssertionError) as error:
        check_step(Raises(), messages=[message("add", 1, tenant="a"), message("add", 2, deliveries=9)], outcomes=[Outcome.success(3)])

    assert str(error.value).splitlines() == [
        "Raises() breaks a law of layers: it never raises",
        "  message: add(2), deliveries=9",
        "  inside: Outcome(result=<Success: 3>, effects=())",
        "  raised: KeyError: 'tenant'",
    ]


def test_a_layer_may_skip_a_message_on_purpose() -> None:
    @frozen
    class Skips(Step):
        def before(self, message: Message) -> Message:
            raise SkipMessage("not today")

    check_step(Skips())


def test_a_layer_may_make_an_error_anew_each_time() -> None:
    @frozen
    class Fails(Step):
        def after(self, message: Message, outcome: Outcome) -> Outcome:
            return outcome.alt(lambda _: Retry(message, 5, ValueError("again")))

    check_step(Fails())


def test_a_layer_that_holds_a_function_need_not_be_readable() -> None:
    @contextmanager
    def manager(_: Message):
        yield

    check_step(Around(manager))


def test_a_layer_that_only_watches_passes() -> None:
    @frozen
    class Watches(Step):
        on: Callable[[object], None]

        def on_event(self, event: object) -> None:
            self.on(event)

    check_step(Watches(print))
