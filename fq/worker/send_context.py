"""
What a layer puts into a context variable around an actor is still there when the messages that the actor's outcome sends pass the send layers.

These are encoded after the chain has returned, when a layer has reset its variables. So a handler inside of each layer that may set some copies the
context, and the encoding runs in the latest copy. The same idea is ``contextvars.copy_context`` in the callbacks of asyncio.
"""

from contextvars import Context, ContextVar, copy_context

from attrs import frozen

from fq.core.message import Message
from fq.core.outcome import Outcome
from fq.execution.actor_plan import ActorPlan
from fq.execution.registry import Registry
from fq.layers import CurrentMessage
from fq.middleware.base import AsyncHandler, Handler, Middleware, Step, never_raises

_copies: ContextVar[list[Context]] = ContextVar("fq_context_copies")


@frozen
class CopyContext(Middleware):
    """Copies the context of each message that passes, for `sending_context`."""

    @never_raises
    def wrap(self, next: Handler) -> Handler:
        """Return *next*, before which the context is copied."""

        def handler(message: Message) -> Outcome:
            _copies.get([]).append(copy_context())
            return next(message)

        return handler

    @never_raises
    def awrap(self, next: AsyncHandler) -> AsyncHandler:
        """Return *next*, before which the context is copied."""

        async def handler(message: Message) -> Outcome:
            _copies.get([]).append(copy_context())
            return await next(message)

        return handler


COPY_CONTEXT = CopyContext()


def copying_layers(plan: ActorPlan, registry: Registry) -> tuple[Middleware, ...]:
    """Return the layers of *plan*, with one more inside each that may set context variables, if any message of the app passes send layers."""
    layers = plan.stack.layers
    if not any(other.has_send_layers for other in registry.plans()):
        return layers
    return tuple(each for layer in layers for each in ((layer, COPY_CONTEXT) if _may_set_variables(layer) else (layer,)))


def _may_set_variables(layer: Middleware) -> bool:
    """May *layer* set context variables, and reset them? A `Step` has no moment to reset them."""
    return not isinstance(layer, Step | CurrentMessage) and type(layer).wrap is not Middleware.wrap


def collect_copies() -> list[Context]:
    """Return the list to which the handlers of this context append their copies from now on."""
    copies: list[Context] = []
    _copies.set(copies)
    return copies


def latest_copy(contexts: list[Context]) -> Context:
    """Return the last of *contexts*, and empty the list: it is in a variable of each of them, and would keep them alive."""
    latest = contexts[-1]
    contexts.clear()
    return latest
