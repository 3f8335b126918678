"""
Limiters and barriers for use inside actors, and two layers that limit messages.

In reading order:

- ``limiters.py`` and ``barrier.py``: what users write inside actors;
- ``rate_limit.py`` and ``concurrency_limit.py``: the layers, on ``limit_layer.py``. They ask the broker, so they are not in the functional core;
- ``backend.py``: finds the `Limits` of an app, a broker or a URL;
- ``limits.py``: takes slots and gives them back; ``slot_renewal.py`` renews those that this process holds, ``ended_holders.py`` gives back those that
  ended messages hold;
- ``fq.brokers.limits``: the decisions, and the state that a broker keeps.
"""

from fq.brokers.limits.policy import Bucket, Refused, Slot, Slots, Window
from fq.brokers.limits.store import LimitStore
from fq.limits.backend import limiter_backend
from fq.limits.barrier import Barrier, BarrierNotFound
from fq.limits.concurrency_limit import ConcurrencyLimit, concurrency_limit
from fq.limits.limiters import BucketRateLimiter, ConcurrentRateLimiter, NoSlot, RateLimiter, WindowRateLimiter
from fq.limits.limits import Limits
from fq.limits.rate_limit import RateLimit, rate_limit

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
