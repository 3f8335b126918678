"""`add_middleware`: set-up code in the class style, which adds to the middleware that is there, becomes an edit of the app's stack."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from fq.class_style.adapter import Hooks, hooks
from fq.class_style.broker_view import BrokerView, delay_queue
from fq.errors import StackError
from fq.middleware.base import Middleware
from fq.middleware.stack import Stack
from fq.runtime.logger import logger

if TYPE_CHECKING:
    from fq.app.app import App

log = logger("fq.class_style")


def add_middleware(app: "App", middleware: object, before: type | None = None, after: type | None = None) -> None:
    """See `BrokerView.add_middleware`."""
    if before is not None and after is not None:
        raise StackError(f"found both before={before.__name__} and after={after.__name__}, expected one of them")
    layer = middleware if isinstance(middleware, Middleware) else hooks(middleware)
    if layer.matched_class in app.stack:
        log.warning("the stack has a %s already; now it has one more", layer.matched_class.__name__)
    app.edit_stack(lambda stack: placed(stack, layer, before, after))
    if isinstance(layer, Hooks):
        replay(app.own(BrokerView), layer)


def placed(stack: Stack, layer: Middleware, before: type | None, after: type | None) -> Stack:
    """Return *stack* with *layer*, called *before* (just outside of) or *after* (just inside) a class, or else innermost."""
    if before is not None:
        return stack.outside(counterpart(stack, before), layer)
    return stack.add(layer) if after is None else stack.inside(counterpart(stack, after), layer)


def counterpart(stack: Stack, kind: type) -> type:
    """Return the class by which *stack* knows *kind*: that of fq's layer of the same name, for one of Dramatiq's."""
    if kind in stack or not kind.__module__.startswith("dramatiq."):
        return kind
    return next((type(layer) for layer in stack if type(layer).__name__ == kind.__name__), kind)


def forks_in(stack: Stack) -> list[Callable[[], object]]:
    """Return what the class-style middleware in *stack* wants to have run in processes of their own."""
    return [fork for layer in stack if isinstance(layer, Hooks) for fork in layer.forks]


def replay(broker: BrokerView, layer: Hooks) -> None:
    """Call the hooks that follow a declaration for what is declared already."""
    calls = {
        "after_declare_queue": broker.queues,
        "after_declare_delay_queue": map(delay_queue, broker.queues),
        "after_declare_actor": broker.actors.values(),
    }
    for name, subjects in calls.items():
        for subject in subjects if name in layer.hooks else ():
            layer.hooks[name](broker, subject)
