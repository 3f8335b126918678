"""The stores of limiters, each with a clock that stands still unless it is moved, or with the real one."""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from attrs import define

from fq.brokers import Broker, MemoryBroker, SqliteBroker
from fq.brokers.clock import ManualClock, SystemClock
from fq.limits import Limits, limiter_backend

NOW = 1_700_000_000_000


@define
class Backend:
    """A broker, its limits, and how its clock is moved. *another* makes the limits of another process on the same state."""

    broker: Broker
    limits: Limits
    advance: Callable[[int], None]
    another: Callable[[], Limits]


def memory(folder: Path, url: str, running: bool) -> Backend:
    broker = MemoryBroker(clock=SystemClock() if running else ManualClock(NOW))
    limits = limiter_backend(broker)
    return Backend(broker, limits, broker.advance, lambda: Limits(limits.store, broker))


def sqlite(folder: Path, url: str, running: bool) -> Backend:
    clock = SystemClock() if running else ManualClock(NOW)
    brokers: list[SqliteBroker] = []

    def another() -> Limits:
        brokers.append(SqliteBroker(folder / "fq.db", clock=clock))
        return limiter_backend(brokers[-1])

    limits = another()
    return Backend(brokers[0], limits, clock.advance, another)


def redis(folder: Path, url: str, running: bool) -> Backend:
    from fq.brokers.redis import RedisBroker

    namespace = uuid4().hex
    time = ManualClock(NOW)
    brokers: list[RedisBroker] = []

    def another() -> Limits:
        brokers.append(RedisBroker(url, namespace=namespace))
        limits = limiter_backend(brokers[-1])
        if not running:
            move = lambda: setattr(limits.store, "now", time.now)
            move()
            time.watch(move)
        return limits

    limits = another()
    return Backend(brokers[0], limits, time.advance, another)


BACKENDS = {"memory": memory, "sqlite": sqlite, "redis": redis}
