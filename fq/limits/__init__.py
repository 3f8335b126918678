"""
Limits on how often, and on how many at once: limiters and barriers for use inside actors, and two layers.

In reading order:

- ``terms.py``: what is decided, as pure functions;
- ``store.py``: what is asked of a place that keeps the state: memory and SQLite in ``tables.py`` and ``local.py``, Redis in ``redis.py``;
- ``limits.py``: the slots that this process holds, which ``leases.py`` renews; ``backend.py`` finds the place: an app's broker;
- ``limiters.py`` and ``barrier.py``: what users write inside actors;
- ``rate_limit.py`` and ``concurrency_limit.py``: the layers. They ask the broker, so they are not in the core, as the other layers are.
"""

from fq.limits.backend import limiter_backend
from fq.limits.barrier import Barrier, BarrierNotFound
from fq.limits.concurrency_limit import ConcurrencyLimit, concurrency_limit
from fq.limits.limiters import BucketRateLimiter, ConcurrentRateLimiter, NoSlot, RateLimiter, WindowRateLimiter
from fq.limits.limits import Limits
from fq.limits.policy import Bucket, Refused, Slot, Slots, Window
from fq.limits.rate_limit import RateLimit, rate_limit
from fq.limits.store import LimitStore

__all__ = [
    "Barrier",
    "BarrierNotFound",
    "Bucket",
    "BucketRateLimiter",
    "ConcurrencyLimit",
    "ConcurrentRateLimiter",
    "LimitStore",
    "Limits",
    "NoSlot",
    "RateLimit",
    "RateLimiter",
    "Refused",
    "Slot",
    "Slots",
    "Window",
    "WindowRateLimiter",
    "concurrency_limit",
    "limiter_backend",
    "rate_limit",
]
