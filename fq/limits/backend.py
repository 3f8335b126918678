"""`limiter_backend`: the `Limits` of an app, a broker or a URL. There is nothing to set up: they use the broker's connections and clock."""

import threading
from functools import cache
from typing import Protocol, TypeAlias, cast
from weakref import WeakKeyDictionary

from fq.brokers import broker_from_url
from fq.brokers.limits.store import KeepsLimits, LimitStore
from fq.brokers.protocol import Broker
from fq.errors import ConfigError
from fq.limits.limits import Limits


class HasBroker(Protocol):
    """An app."""

    @property
    def broker(self) -> Broker:
        """Its broker."""
        ...


Backend: TypeAlias = HasBroker | Broker | Limits | str

_known: "WeakKeyDictionary[object, Limits]" = WeakKeyDictionary()
_lock = threading.Lock()


def limiter_backend(where: Backend) -> Limits:
    """
    Return what limiters of *where* work with: the same for an app and its broker, and the same for equal URLs.

    >>> from fq import App
    >>> app = App("memory://")
    >>> limiter_backend(app) is limiter_backend(app.broker)
    True

    Raises:
        ConfigError: it is neither an app, nor a broker that has a `KeepsLimits.limit_store`, nor the URL of a broker.
    """
    if isinstance(where, Limits):
        return where
    if isinstance(where, str):
        return limiter_backend(_broker(where))
    broker = cast(Broker, getattr(where, "broker", where))
    with _lock:
        if broker not in _known:
            _known[broker] = Limits(_store(broker), broker)
        return _known[broker]


@cache
def _broker(url: str) -> Broker:
    return broker_from_url(url)


def _store(broker: object) -> LimitStore:
    if isinstance(broker, KeepsLimits):
        return broker.limit_store()
    raise ConfigError(
        f"found {broker!r} as the backend of a limiter, expected an app, a broker that has limit_store(), or the URL of a broker"
    )
