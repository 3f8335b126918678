"""What the tests of layers wrap: a message, a handler in each colour, and how to run the async one."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from fq import LayerError, Message, Outcome
from fq.testing import message

MESSAGE = message("add", 1, 2)


def answer(_: Message) -> Outcome:
    return Outcome.success(3)


async def aanswer(_: Message) -> Outcome:
    return Outcome.success(3)


def run(handler: Coroutine[Any, Any, Outcome]) -> Outcome:
    return asyncio.run(handler)  # type: ignore[arg-type]


def error_of(outcome: Outcome) -> tuple[object, str]:
    """Return the layer that raised, and what it raised."""
    assert isinstance(outcome.error, LayerError)
    return outcome.error.layer, str(outcome.error)
