"""
`Stack`, a composition of layers, and `compose`, which makes one. The outermost layer always comes first.

`compose` obeys the laws of function composition: ``compose()`` changes nothing, nesting does not matter, and
``compose(a, b).wrap(handler)`` is ``a.wrap(b.wrap(handler))``. Next: the layers themselves, in ``fq.layers``.
"""

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import TypeVar

import attrs
from attrs import field, frozen

from fq.core.events import ANNOUNCING, Event
from fq.core.host import Host
from fq.core.outcome import Enqueue
from fq.errors import OptionError, StackError
from fq.errors.propagation import escapes
from fq.middleware.base import AsyncHandler, Handler, Middleware, never_raises
from fq.middleware.fast_path import awrap_all, wrap_all
from fq.middleware.send_call import SendCall

L = TypeVar("L", bound=Middleware)


def _flatten(parts: object) -> tuple[Middleware, ...]:
    layers: list[Middleware] = []
    for part in parts:  # type: ignore[attr-defined]  # a tuple of what the user wrote; each part is checked here
        if isinstance(part, Stack):
            layers.extend(part.layers)
        elif isinstance(part, Middleware):
            layers.append(part)
        elif isinstance(part, type) and issubclass(part, Middleware):
            raise StackError(f"found the class {part.__name__}, expected a layer: write {part.__name__}()")
        else:
            raise StackError(
                f"found {part!r}, expected a layer: an instance of a subclass of fq.Middleware, or hooks(...) around class-style middleware"
            )
    return tuple(layers)


@frozen(repr=False)
class Stack(Middleware):
    """
    Layers composed into one, outermost first. A stack is itself a middleware, so stacks nest (and flatten).

    Edits name a class, return a new stack, and raise `StackError` if it has no such layer.

    >>> from fq import age_limit, compose, retries
    >>> stack = compose(age_limit(max_age=1000), retries(max_retries=3))
    >>> print(stack)
    AgeLimit(max_age=1000)
      Retries(max_retries=3, min_backoff=15000, max_backoff=604800000)
        actor

    Raises:
        StackError: a part that is not a layer, a class twice, or a wrong order; with the reason and a drawing.
    """

    layers: tuple[Middleware, ...] = field(default=(), converter=_flatten)

    def __attrs_post_init__(self) -> None:
        _check_layers(self)

    @classmethod
    def option_names(cls) -> frozenset[str]:
        """A stack itself accepts no options; its layers do."""
        return frozenset()

    @never_raises
    def wrap(self, next: Handler) -> Handler:
        """Return *next* inside all layers."""
        return wrap_all(self.layers, next)

    @never_raises
    def awrap(self, next: AsyncHandler) -> AsyncHandler:
        """Return *next* inside all layers, for async actors."""
        return awrap_all(self.layers, next)

    def on_enqueue(self, enqueue: Enqueue) -> Enqueue:
        """Return *enqueue* after `on_enqueue` of every layer, outermost first."""
        for layer in self.layers:
            enqueue = layer.on_enqueue(enqueue)
        return enqueue

    def on_send(self, enqueue: Enqueue, call: SendCall) -> Enqueue:
        """Return *enqueue* after `on_send` of every layer, outermost first."""
        for layer in self.layers:
            enqueue = layer.on_send(enqueue, call)
        return enqueue

    def on_event(self, event: Event) -> None:
        """
        Call `on_event` of every layer, in the order that ``fq.core.events`` describes.

        Raises:
            BaseExceptionGroup: the errors of layers, after all of them were called.
        """
        errors: list[BaseException] = []
        for layer in self.layers if type(event) in ANNOUNCING else reversed(self.layers):
            try:
                layer.on_event(event)
            except BaseException as error:
                if escapes(error):
                    raise
                errors.append(error)
        if errors:
            raise BaseExceptionGroup(f"layers raised while watching {type(event).__name__}", errors)

    def __iter__(self) -> Iterator[Middleware]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __contains__(self, kind: object) -> bool:
        return any(_matches(layer, kind) or layer is kind for layer in self.layers)

    def __repr__(self) -> str:
        return f"compose({', '.join(map(repr, self.layers))})"

    def __str__(self) -> str:
        """Draw the layers, one a line."""
        return "\n".join("  " * depth + line for depth, line in enumerate([*map(summary, self.layers), "actor"]))

    def get(self, kind: type[L]) -> L | None:
        """Return the outermost layer of class *kind*; None if there is none."""
        return next((layer for layer in self.layers if type(layer) is kind), None)

    def replace(self, layer: Middleware) -> "Stack":
        """Return the stack with *layer* in the place of the layer of its class."""
        return self.update(type(layer), lambda _: layer)

    def update(self, kind: type[L], change: Callable[[L], Middleware]) -> "Stack":
        """Return the stack with each layer of class *kind* changed by *change*."""
        self._position(kind)
        return Stack(tuple(change(layer) if type(layer) is kind else layer for layer in self.layers))

    def without(self, kind: type) -> "Stack":
        """Return the stack without its layers of class *kind*, which may also be that of class-style middleware."""
        self._position(kind)
        return Stack(tuple(layer for layer in self.layers if not _matches(layer, kind)))

    def outside(self, kind: type, *layers: Middleware) -> "Stack":
        """Return the stack with *layers* just outside the layer of class *kind*, which may also be that of class-style middleware."""
        at = self._position(kind)
        return Stack((*self.layers[:at], *layers, *self.layers[at:]))

    def inside(self, kind: type, *layers: Middleware) -> "Stack":
        """Return the stack with *layers* just inside the layer of class *kind*, which may also be that of class-style middleware."""
        at = self._position(kind) + 1
        return Stack((*self.layers[:at], *layers, *self.layers[at:]))

    def add(self, layer: Middleware) -> "Stack":
        """Return the stack with *layer* in the place of the layer of its class; if there is none, as far inside as the order rules allow."""
        if isinstance(layer, Stack):
            stack = self
            for part in layer:
                stack = stack.add(part)
            return stack
        if type(layer) in self and not layer.repeatable:
            return self.replace(layer)
        for at in range(len(self.layers), 0, -1):
            candidate = (*self.layers[:at], layer, *self.layers[at:])
            if _order_error(candidate) is None:
                return Stack(candidate)
        return Stack((layer, *self.layers))

    def with_options(self, options: Mapping[str, object]) -> "Stack":
        """
        Return the stack with *options* in the place of the fields that they name.

        Raises:
            OptionError: no layer accepts an option of this name, with the nearest name; or the field does not accept the value.
        """
        known = self.accepted_options()
        for name in options:
            if name not in known:
                near = get_close_matches(name, known, 1)
                meant = f": did you mean {near[0]}?" if near else f": the layers of this stack take {', '.join(sorted(known)) or 'none'}"
                raise OptionError(f"unknown option {name}{meant}")
        return Stack(tuple(layer.with_options(options) for layer in self.layers)) if options else self

    def accepted_options(self) -> frozenset[str]:
        """Return the names of all options that the layers accept."""
        return frozenset().union(*(layer.accepted_options() for layer in self.layers))

    def bind(self, app: Host, outside: tuple[Middleware, ...] = ()) -> "Stack":
        """Return the stack with every layer bound: to *app*, inside *outside* and the layers before it."""
        return Stack(tuple(layer.bind(app, (*outside, *self.layers[:at])) for at, layer in enumerate(self.layers)))

    def _position(self, kind: type) -> int:
        if isinstance(kind, Middleware):
            raise StackError(f"found {kind!r}, expected a class of layers: write {type(kind).__name__}")
        for at, layer in enumerate(self.layers):
            if _matches(layer, kind):
                return at
        raise StackError(
            f"no {kind.__name__} in this stack; it has {', '.join(type(layer).__name__ for layer in self.layers) or 'no layers'}"
        )


def compose(*parts: Middleware) -> Stack:
    """
    Return the stack of *parts*, the outermost first; stacks among them are flattened.

    Raises:
        StackError: see `Stack`.
    """
    return Stack(parts)


def summary(layer: Middleware) -> str:
    """Return *layer* as one short line: its class, and its fields that are not empty."""
    fields: tuple[attrs.Attribute[object], ...] = getattr(type(layer), "__attrs_attrs__", ())
    values = ((field, getattr(layer, field.name)) for field in fields if field.repr)
    shown = (
        f"{field.name}={(field.repr if callable(field.repr) else repr)(value)}" for field, value in values if value not in (None, (), {})
    )
    return f"{type(layer).__name__}({', '.join(shown)})"


def _matches(layer: Middleware, kind: object) -> bool:
    return type(layer) is kind or layer.matched_class is kind


def _order_error(layers: tuple[Middleware, ...]) -> str | None:
    for at, layer in enumerate(layers):
        for rule in layer.outside_of:
            if any(isinstance(other, rule.inner) for other in layers[:at]):
                return f"{type(layer).__name__} must be outside {rule.inner.__name__}: {rule.reason}"
    return None


def _check_layers(stack: Stack) -> None:
    seen: set[type[Middleware]] = set()
    for layer in stack.layers:
        if type(layer) in seen and not layer.repeatable:
            raise StackError(f"{type(layer).__name__} occurs twice; use replace() to override it\n{stack}")
        seen.add(type(layer))
    if misplaced := _order_error(stack.layers):
        raise StackError(f"{misplaced}\n{stack}")
