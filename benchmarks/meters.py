"""How long a broker keeps others waiting: `Meter` notes each step, a command of Redis, a transaction of SQLite, or a hold of the lock in memory."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any, Protocol

from attrs import frozen
from redis import Redis

from fq.brokers.memory import MemoryBroker
from fq.brokers.protocol import Broker
from fq.brokers.sqlite import database

SLOWLOG_LENGTH = 10_000

LOGGED_MICROSECONDS = 200
"""A command of Redis that takes less is not logged: to log each of those that a script calls would take longer than they do."""


@frozen
class Steps:
    """The *longest* of some steps, ms, and their *number*."""

    longest: float
    number: int


class Meter(Protocol):
    """Measures the steps of a broker."""

    def reset(self) -> None:
        """Forget the steps so far."""

    def steps(self) -> Steps:
        """Return the steps since then."""
        ...


class RedisMeter:
    """Mutable: asks the server, which logs slow commands, and counts what it has read from its clients."""

    def __init__(self, url: str) -> None:
        self._client = Redis.from_url(url)
        self._client.config_set("slowlog-log-slower-than", LOGGED_MICROSECONDS)
        self._client.config_set("slowlog-max-len", SLOWLOG_LENGTH)

        self._before = 0

    def reset(self) -> None:
        self._client.slowlog_reset()
        self._before = self._reads()

    def steps(self) -> Steps:
        number = self._reads() - self._before - 1
        entries: list[dict[str, Any]] = self._client.slowlog_get(SLOWLOG_LENGTH)
        durations = [
            each["duration"] / 1_000 for each in entries if not each["command"].upper().startswith((b"SLOWLOG", b"CONFIG", b"INFO"))
        ]
        return Steps(max(durations, default=0.0), number)

    def _reads(self) -> int:
        return int(self._client.info("stats")["total_reads_processed"])


class LocalMeter:
    """Mutable: is told how long each step took."""

    def __init__(self) -> None:
        self._steps: list[float] = []

    def add(self, seconds: float) -> None:
        """Note a step."""
        self._steps.append(seconds * 1_000)

    def reset(self) -> None:
        self._steps.clear()

    def steps(self) -> Steps:
        return Steps(max(self._steps, default=0.0), len(self._steps))


class TimedLock:
    """A lock that tells *meter* how long it was held."""

    def __init__(self, lock: threading.Lock, meter: LocalMeter) -> None:
        self._lock, self._meter = lock, meter

    def __enter__(self) -> None:
        self._lock.__enter__()
        self._since = perf_counter()

    def __exit__(self, *error: object) -> None:
        took = perf_counter() - self._since
        self._lock.__exit__(*error)
        self._meter.add(took)


class TimedTransaction(database._Transaction[Any]):
    """A transaction that tells `meter` how long it was open."""

    __slots__ = ("_since",)
    meter: LocalMeter

    def __enter__(self) -> object:
        entered = super().__enter__()
        self._since = perf_counter()
        return entered

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        super().__exit__(kind, error, traceback)
        self.meter.add(perf_counter() - self._since)


@contextmanager
def metered(url: str, broker: Broker) -> Iterator[Meter]:
    """Measure *broker*, which is at *url*."""
    if url.startswith("redis"):
        yield RedisMeter(url)
        return
    meter = LocalMeter()
    if isinstance(broker, MemoryBroker):
        broker._lock = TimedLock(broker._lock, meter)  # type: ignore[assignment]  # all that it uses of a lock
        yield meter
        return
    original, TimedTransaction.meter = database._Transaction, meter
    database._Transaction = TimedTransaction  # type: ignore[misc]  # for as long as this measures
    try:
        yield meter
    finally:
        database._Transaction = original  # type: ignore[misc]  # as above
