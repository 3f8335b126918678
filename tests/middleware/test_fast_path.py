"""Messages skip idle layers together, which changes nothing: a stack does what its layers do one inside the other."""

import asyncio
from functools import reduce
from itertools import product
from typing import ClassVar

import pytest
from attrs import define, field, frozen

from fq import Message, Outcome, Step
from fq.layers import default_middleware
from fq.middleware.base import AsyncHandler, Handler
from fq.middleware.stack import Stack
from fq.testing import message
from fq.testing.laws import MESSAGES, OUTCOMES


@define(eq=False)
class CallLog:
    """Mutable: one line a call."""

    lines: list[str] = field(factory=list)


@frozen
class LoggedStep(Step):
    """Writes into *log* what it gets."""

    name: str
    log: CallLog
    is_idle: bool = True

    repeatable: ClassVar[bool] = True

    def idle(self) -> bool:
        return self.is_idle

    def before(self, message: Message) -> Message:
        self.log.lines.append(f"> {self.name}")
        return message

    def after(self, message: Message, outcome: Outcome) -> Outcome:
        self.log.lines.append(f"< {self.name}")
        return outcome


def nested(stack: Stack, handler: Handler) -> Handler:
    return reduce(lambda inner, layer: layer.wrap(inner), reversed(stack.layers), handler)


def calls(message: Message, outcome: Outcome, *idle: bool) -> list[str]:
    """Return which layers are shown *message*, and *outcome*, in a stack of layers called a, b, and so on."""
    log = CallLog()
    stack = Stack(tuple(LoggedStep("abcd"[at], log, one) for at, one in enumerate(idle)))
    assert stack.wrap(lambda _: outcome)(message) is outcome
    sync, log.lines = log.lines, []

    async def answers(_: Message) -> Outcome:
        return outcome

    async def handle(wrapped: AsyncHandler) -> Outcome:
        return await wrapped(message)

    assert asyncio.run(handle(stack.awrap(answers))) is outcome
    assert log.lines == sync
    return sync


def test_a_fresh_message_that_succeeds_passes_all_idle_layers_by() -> None:
    assert calls(message("add"), Outcome.success(3), True, True, True) == []
    assert calls(message("add"), Outcome.success(3), True, False, True) == ["> b", "< b"]


def test_one_that_fails_is_shown_to_them_on_its_way_out_in_their_order() -> None:
    assert calls(message("add"), Outcome.failure(ValueError()), True, True) == ["< b", "< a"]
    assert calls(message("add"), Outcome.drop(""), True, False, True) == ["> b", "< c", "< b", "< a"]


@pytest.mark.parametrize(
    "other",
    [message("add", tenant="a"), message("add", deliveries=2), message("add", interrupted="time_limit")],
    ids=["options", "again", "cut"],
)
def test_any_other_message_is_shown_to_them_on_its_way_in_too(other: Message) -> None:
    assert calls(other, Outcome.success(3), True, True) == ["> a", "> b", "< b", "< a"]


def test_a_layer_that_wraps_in_its_own_way_is_never_passed_by() -> None:
    wrapped: list[str] = []

    @frozen
    class Own(Step):
        def idle(self) -> bool:
            return True

        def wrap(self, next: Handler) -> Handler:
            wrapped.append("sync")
            return next

    Stack((Own(),)).wrap(lambda _: Outcome.success())

    assert wrapped == ["sync"]


@pytest.mark.parametrize(("sent", "inside"), list(product(MESSAGES, OUTCOMES)))
def test_the_default_stack_does_what_its_layers_do_one_inside_the_other(sent: Message, inside: Outcome) -> None:
    assert repr(default_middleware.wrap(lambda _: inside)(sent)) == repr(nested(default_middleware, lambda _: inside)(sent))
