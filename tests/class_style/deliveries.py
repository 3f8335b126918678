"""Deliveries through class-style middleware as pure functions: middlewares and handlers, and `run` in both colours, and with hooks in a thread."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from fq import Message, Outcome, Stack
from fq.class_style import Hooks
from fq.testing import message

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
    """Return what *layer* around *handler* makes of a message, in either colour; *thread* is async with hooks in a thread."""
    if colour == "sync":
        return layer.wrap(handler)(given)
    if colour == "thread":
        layer = in_threads(layer)

    async def ahandler(message: Message) -> Outcome:
        return handler(message)

    return asyncio.run(layer.awrap(ahandler)(given))


def in_threads(layer: Any) -> Any:
    """Return *layer*, or each layer of a stack, with its hooks in a thread."""
    if isinstance(layer, Stack):
        return Stack(tuple(map(in_threads, layer)))
    return evolve(layer, thread=True) if isinstance(layer, Hooks) else layer


both = pytest.mark.parametrize("colour", ["sync", "async", "thread"])
