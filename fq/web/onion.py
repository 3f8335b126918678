"""The layers around a message, and where each option comes from. What they did with its error is in ``fq.web.replay``."""

from fq.core.frozen import EMPTY
from fq.core.message import Message
from fq.errors import FqError
from fq.middleware.base import Middleware
from fq.middleware.option_sources import with_option_sources
from fq.web.site import Site, View

DURATIONS = ("ttl", "backoff", "max_age", "time_limit", "interval", "window", "delay")
"""How the names of options end that are times in ms."""


def layers_of(site: Site, actor_name: str, message: Message | None) -> list[View]:
    """Return the layers around a message of an actor, outermost first, with their options in force for *message*."""
    plan = site.app.registry.plan(actor_name)
    given = message.options if message else EMPTY
    declared = plan.actor.options if plan.actor else None
    return [_layer(site, layer, given, declared) for layer in plan.stack]


def _layer(site: Site, layer: Middleware, given: object, declared: object) -> View:
    try:
        sourced = with_option_sources(layer, given, declared, site.app.stack)  # type: ignore[arg-type]  # mappings
    except FqError as error:
        return {"name": type(layer).__name__, "options": [], "error": str(error)}
    options = [
        {"name": option.name, "value": _plain(option.value), "ms": _ms(option.name, option.value), "from": option.source}
        for option in sourced.options
    ]
    return {"name": type(layer).__name__, "options": options, "error": ""}


def _ms(name: str, value: object) -> int:
    """Return the duration that the option *name* has, ms, to be said in words; 0 if it is none, or short enough to be read as it is."""
    return value if name.endswith(DURATIONS) and type(value) is int and value >= 1_000 else 0


def _plain(value: object) -> object:
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, tuple) and all(isinstance(each, type) for each in value):
        return f"({', '.join(each.__name__ for each in value)})"
    return value if value is None or isinstance(value, str | int | bool) else repr(value)
