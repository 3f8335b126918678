"""
`wrap_all` and `awrap_all`: put a handler inside layers, and skip neighbouring layers that are idle all at once.

Most layers do nothing for most messages: those without options that succeed at their first delivery. One check a message skips all such layers.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from typing import TypeGuard

from returns.result import Success

from fq.core.message import Message
from fq.core.outcome import Outcome
from fq.middleware.base import AsyncHandler, Handler, Middleware, Step


def wrap_all(layers: Sequence[Middleware], next: Handler) -> Handler:
    """Return *next* inside *layers*, the outermost first."""
    for layer_or_idle in _idle_runs(layers):
        next = layer_or_idle.wrap(next) if isinstance(layer_or_idle, Middleware) else _skip_if_idle(layer_or_idle, next)
    return next


def awrap_all(layers: Sequence[Middleware], next: AsyncHandler) -> AsyncHandler:
    """Return the same for async actors."""
    for layer_or_idle in _idle_runs(layers):
        next = layer_or_idle.awrap(next) if isinstance(layer_or_idle, Middleware) else _askip_if_idle(layer_or_idle, next)
    return next


def _idle_runs(layers: Sequence[Middleware]) -> Iterator[Middleware | list[Step]]:
    """Yield *layers* from the innermost on: idle neighbours as one list, others one by one."""
    idle: list[Step] = []
    for layer in reversed(layers):
        if may_skip(layer):
            idle.append(layer)
            continue
        if idle:
            yield idle
            idle = []
        yield layer
    if idle:
        yield idle


def may_skip(layer: Middleware) -> TypeGuard[Step]:
    """May a message skip *layer*? See `Step.idle`."""
    return isinstance(layer, Step) and type(layer).wrap is Step.wrap and type(layer).awrap is Step.awrap and layer.idle()


def _skip_if_idle(steps: Sequence[Step], next: Handler) -> Handler:
    through = reduce(_wrap, steps, next)

    def handler(message: Message) -> Outcome:
        if message.options or message.deliveries != 1 or message.interrupted:
            return through(message)
        # No local for the outcome: the frames of a traceback would keep it, and so its own exception, alive.
        return _run_after(steps, message, next(message))

    return handler


def _askip_if_idle(steps: Sequence[Step], next: AsyncHandler) -> AsyncHandler:
    through = reduce(_awrap, steps, next)

    async def handler(message: Message) -> Outcome:
        if message.options or message.deliveries != 1 or message.interrupted:
            return await through(message)
        return _run_after(steps, message, await next(message))

    return handler


def _run_after(steps: Iterable[Step], message: Message, outcome: Outcome) -> Outcome:
    """Return *outcome* after `run_after` of *steps*, the innermost first."""
    if type(outcome) is Outcome and type(outcome.result) is Success:
        return outcome
    for step in steps:
        outcome = step.run_after(message, outcome)
    return outcome


def _wrap(next: Handler, layer: Middleware) -> Handler:
    return layer.wrap(next)


def _awrap(next: AsyncHandler, layer: Middleware) -> AsyncHandler:
    return layer.awrap(next)
