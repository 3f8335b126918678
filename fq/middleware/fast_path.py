"""
`wrapped` and `awrapped`: a handler inside layers, where neighbouring layers that are idle are passed by together.

Most layers have nothing to do for most messages: no options, the first delivery, and an actor that succeeds. Such a message costs one look for all of them.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from typing import TypeGuard

from returns.result import Success

from fq.core.message import Message
from fq.core.outcome import Outcome
from fq.middleware.base import AsyncHandler, Handler, Middleware, Step


def wrapped(layers: Sequence[Middleware], next: Handler) -> Handler:
    """Return *next* inside *layers*, the outermost first."""
    for layer_or_idle in _runs(layers):
        next = layer_or_idle.wrap(next) if isinstance(layer_or_idle, Middleware) else _bypass(layer_or_idle, next)
    return next


def awrapped(layers: Sequence[Middleware], next: AsyncHandler) -> AsyncHandler:
    """Return the same for async actors."""
    for layer_or_idle in _runs(layers):
        next = layer_or_idle.awrap(next) if isinstance(layer_or_idle, Middleware) else _abypass(layer_or_idle, next)
    return next


def _runs(layers: Sequence[Middleware]) -> Iterator[Middleware | list[Step]]:
    """Yield *layers* from the innermost on: neighbours that are idle as one list, others one by one."""
    idle: list[Step] = []
    for layer in reversed(layers):
        if is_idle(layer):
            idle.append(layer)
            continue
        if idle:
            yield idle
            idle = []
        yield layer
    if idle:
        yield idle


def is_idle(layer: Middleware) -> TypeGuard[Step]:
    """Says *layer* itself that it may be passed by?"""
    return isinstance(layer, Step) and type(layer).wrap is Step.wrap and type(layer).awrap is Step.awrap and layer.idle()


def _bypass(steps: Sequence[Step], next: Handler) -> Handler:
    through = reduce(_wrap, steps, next)

    def handler(message: Message) -> Outcome:
        if message.options or message.deliveries != 1 or message.interrupted:
            return through(message)
        # No local for the outcome: through a traceback's frames it would keep its own exception alive.
        return _left(steps, message, next(message))

    return handler


def _abypass(steps: Sequence[Step], next: AsyncHandler) -> AsyncHandler:
    through = reduce(_awrap, steps, next)

    async def handler(message: Message) -> Outcome:
        if message.options or message.deliveries != 1 or message.interrupted:
            return await through(message)
        return _left(steps, message, await next(message))

    return handler


def _left(steps: Iterable[Step], message: Message, outcome: Outcome) -> Outcome:
    """Return *outcome* as it leaves *steps*, the innermost first."""
    if type(outcome) is Outcome and type(outcome.result) is Success:
        return outcome
    for step in steps:
        outcome = step.run_after(message, outcome)
    return outcome


def _wrap(next: Handler, layer: Middleware) -> Handler:
    return layer.wrap(next)


def _awrap(next: AsyncHandler, layer: Middleware) -> AsyncHandler:
    return layer.awrap(next)
