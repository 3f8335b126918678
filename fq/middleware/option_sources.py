"""`with_option_sources`: says whether the message, the actor or the stack sets an option of a layer; precedence is in this order."""

from collections.abc import Mapping
from typing import Literal, TypeAlias

from attrs import frozen

from fq.core.frozen import EMPTY
from fq.middleware.base import Middleware
from fq.middleware.stack import Stack, summary

Source: TypeAlias = Literal["message", "actor", "stack"]


@frozen
class Option:
    """An option of a layer, its *value* in force, and its *source*."""

    name: str
    value: object
    source: Source


@frozen
class SourcedLayer:
    """A layer with all options applied, and their sources. ``str()`` is one line, which names the sources other than the stack."""

    layer: Middleware
    options: tuple[Option, ...]

    def __str__(self) -> str:
        sources = [f"{option.name}: {option.source}" for option in self.options if option.source != "stack"]
        return f"{summary(self.layer)}  # {', '.join(sources)}" if sources else summary(self.layer)


def with_option_sources(
    layer: Middleware,
    message_options: Mapping[str, object] = EMPTY,
    actor_options: Mapping[str, object] | None = None,
    base: Stack | None = None,
) -> SourcedLayer:
    """
    Return *layer*, from the stack of an actor with *actor_options* in an app with the stack *base*, with *message_options* applied.

    >>> from fq import retries
    >>> print(with_option_sources(retries(), {"max_retries": 1}))
    Retries(max_retries=1, min_backoff=15000, max_backoff=604800000)  # max_retries: message

    Raises:
        OptionError: a value in *message_options* that the layer does not accept.
    """
    base_layer = None if base is None else base.get(type(layer))
    in_force = layer.with_options(message_options)

    def source(name: str) -> Source:
        if name in message_options:
            return "message"
        by_actor = actor_options is not None and (
            name in actor_options or base_layer is None or base_layer.option(name) != layer.option(name)
        )
        return "actor" if by_actor else "stack"

    return SourcedLayer(in_force, tuple(Option(name, in_force.option(name), source(name)) for name in sorted(layer.accepted_options())))
