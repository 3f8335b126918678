"""The parts of `BrokerView.add_middleware`: put a layer into the stack of an app, and call its hooks for earlier declarations."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from fq.class_style.dramatiq_compat import delay_queue
from fq.class_style.hook_names import Hook
from fq.errors import StackError
from fq.middleware.base import Middleware
from fq.middleware.stack import Stack
from fq.runtime.logger import logger

if TYPE_CHECKING:
    from fq.app.app import App

log = logger("fq.class_style")


def insert_layer(app: "App", layer: Middleware, before: type | None = None, after: type | None = None) -> None:
    """Put *layer* into the stack of *app*; see `BrokerView.add_middleware`."""
    if before is not None and after is not None:
        raise StackError(f"found both before={before.__name__} and after={after.__name__}, expected one of them")
    if layer.matched_class in app.stack:
        log.warning("the stack already has a %s; now it has one more", layer.matched_class.__name__)
    app.edit_stack(lambda stack: with_layer(stack, layer, before, after))


def with_layer(stack: Stack, layer: Middleware, before: type | None, after: type | None) -> Stack:
    """Return *stack* with *layer* just outside of the class *before*, or just inside of the class *after*, or else innermost."""
    if before is not None:
        return stack.outside(counterpart(stack, before), layer)
    return stack.add(layer) if after is None else stack.inside(counterpart(stack, after), layer)


def counterpart(stack: Stack, kind: type) -> type:
    """Return the class that *kind* means in *stack*: for a class of Dramatiq, that of fq's layer of the same name."""
    if kind in stack or not kind.__module__.startswith("dramatiq."):
        return kind
    return next((type(layer) for layer in stack if type(layer).__name__ == kind.__name__), kind)


def replay_declarations(hooks: Mapping[str, Hook], broker: object, queues: Iterable[str], actors: Iterable[object]) -> None:
    """Call those of *hooks* that follow a declaration, for *queues* and *actors* that are declared already."""
    queues = list(queues)
    calls: dict[str, Iterable[object]] = {
        "after_declare_queue": queues,
        "after_declare_delay_queue": map(delay_queue, queues),
        "after_declare_actor": actors,
    }
    for name, subjects in calls.items():
        for subject in subjects if name in hooks else ():
            hooks[name](broker, subject)
