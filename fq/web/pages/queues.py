"""Queues: pause, resume and purge them; the limits of the app, who holds their slots."""

from collections.abc import Callable

from attrs import asdict, evolve

from fq.brokers.limits.policy import Slots, Window
from fq.brokers.limits.store import LimitStore
from fq.brokers.records import QueueStats
from fq.errors import BrokerError
from fq.limits.limit_layer import LimitLayer
from fq.web.site import Page, Query, Site, View

MOST_SHOWN = 20


def view(site: Site, _: Query) -> View:
    """Return the queues and the limits."""
    queues = {queue.queue_name: queue for queue in site.queues.get()}
    served = {name for worker in site.app.broker.workers() if worker.lease_left > 0 for name in worker.queues}
    names = [*queues, *(name for name in site.app.queues if name not in queues)]
    rows = [asdict(queues.get(name) or QueueStats(name)) for name in names]
    own = {name: {"is_served": name in served, "is_declared": name in site.app.queues} for name in names}
    return {"queues": [row | own[row["queue_name"]] for row in rows], "knows_served": bool(served), "limits": limits(site)}


def limits(site: Site) -> list[View]:
    """Return the limits in the stacks of the app, each once, with the messages that hold their slots."""
    actors: dict[LimitLayer, list[str]] = {}
    keys: dict[LimitLayer, str | None] = {}
    for name in sorted(site.app.actors):
        for layer in site.app.registry.plan(name).stack:
            if isinstance(layer, LimitLayer):
                key = None if callable(layer.key) else layer.key or name
                one = evolve(layer, key=key) if key else layer
                actors.setdefault(one, []).append(name)
                keys[one] = key
    return [_limit(layer, keys[layer], names) for layer, names in actors.items()]


def _limit(layer: LimitLayer, key: str | None, actors: list[str]) -> View:
    """Return one limit; *key* is None if each message has its own."""
    is_held = isinstance(layer.terms, Slots) and key is not None
    return {
        "kind": type(layer).__name__,
        "key": key,
        "limit": layer.terms.limit,
        "window": layer.terms.window if isinstance(layer.terms, Window) else 0,
        "actors": actors,
        "holders": _asked(lambda store, name: [owner for owner, _ in store.holders(name, MOST_SHOWN)], layer, key) if is_held else None,
        "waiting": _asked(lambda store, name: store.waiting(name, MOST_SHOWN), layer, key) if key else None,
    }


def _asked(ask: Callable[[LimitStore, str], list[str]], layer: LimitLayer, key: str | None) -> list[str] | None:
    """Return the ids of messages that *ask* finds; None if that cannot be told."""
    try:
        return ask(layer.limits.store, layer.terms.name(key or ""))
    except BrokerError:
        return None


QUEUES = Page("queues", "/queues", "Queues", view, "q")
