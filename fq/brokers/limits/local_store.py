"""`LocalStore`: the state of limiters in SQLite: in the file of a `SqliteBroker`, or in memory, for a `MemoryBroker`. Mutable shell."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from time import monotonic
from typing import Protocol

from fq.brokers.clock import Clock
from fq.brokers.limits import tables
from fq.brokers.limits.policy import AcquireRequest, Granted, Refused, Slot
from fq.runtime.interrupt_mask import checkpoint, shields

BARRIER_POLL_SECONDS = 0.008
"""How often a party that waits at a barrier looks for arrivals in other processes."""


class SlotTables(Protocol):
    """A database: ``fq.brokers.sqlite.database.Database``, or `InMemory`."""

    def writing(self) -> AbstractContextManager[sqlite3.Connection]:
        """Run a transaction that writes, wholly or not at all."""
        ...

    def query(self, statement: str, parameters: tuple[str | int, ...]) -> list[tuple[int]]:
        """Return the rows of one statement that reads."""
        ...


class InMemory:
    """A database in the memory of this process. Mutable; opened at its first use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def __del__(self) -> None:
        if self._connection is not None:
            self._connection.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Run a transaction that writes, wholly or not at all."""
        with self._lock, self._connected() as connection:
            connection.execute("BEGIN")
            yield connection

    def query(self, statement: str, parameters: tuple[str | int, ...]) -> list[tuple[int]]:
        """Return the rows of one statement that reads."""
        with self._lock:
            return self._connected().execute(statement, parameters).fetchall()

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        return self._connection


@shields("create", "arrive", "wait")
class LocalStore:
    """A `LimitStore` in *database*, by *clock*."""

    def __init__(self, database: SlotTables, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._prepared: sqlite3.Connection | None = None
        self._arrived = threading.Condition()

    def take(self, request: AcquireRequest) -> Granted | Refused:
        """See `LimitStore.take`."""
        with self._writing() as connection:
            return tables.take(connection, request, self._clock.now)

    def renew(self, slot: Slot) -> bool:
        """See `LimitStore.renew`."""
        with self._writing() as connection:
            return tables.renew(connection, slot, self._clock.now)

    def release(self, slot: Slot, learn: bool) -> bool:
        """See `LimitStore.release`."""
        with self._writing() as connection:
            return tables.release(connection, slot, learn, self._clock.now)

    def holders(self, key: str, limit: int) -> list[tuple[str, str]]:
        """See `LimitStore.holders`."""
        with self._writing() as connection:
            return tables.holders(connection, key, limit, self._clock.now)

    def waiting(self, key: str, limit: int) -> list[str]:
        """See `LimitStore.waiting`."""
        with self._writing() as connection:
            return tables.waiting(connection, key, limit, self._clock.now)

    def create(self, key: str, parties: int, ttl: int) -> bool:
        """See `LimitStore.create`."""
        with self._writing() as connection:
            return tables.create(connection, key, parties, ttl, self._clock.now)

    def arrive(self, key: str, party: str, ttl: int) -> int | None:
        """See `LimitStore.arrive`."""
        with self._writing() as connection:
            missing = tables.arrive(connection, key, party, ttl, self._clock.now)
        with self._arrived:
            self._arrived.notify_all()
        return missing

    def wait(self, key: str, timeout: float) -> bool:
        """See `LimitStore.wait`."""
        deadline = monotonic() + timeout
        while True:
            missing = self._database.query(tables.READ_MISSING, (key, self._clock.now))
            left = deadline - monotonic()
            if missing in ([], [(0,)]) or left <= 0:
                return missing == [(0,)]
            with self._arrived:  # threads of this process are notified; other processes are not
                self._arrived.wait(min(left, BARRIER_POLL_SECONDS))
            checkpoint()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Run a transaction on a connection that has the tables. For each new connection they are created if they do not exist."""
        with self._database.writing() as connection:
            if connection is not self._prepared:
                for statement in tables.TABLES:
                    connection.execute(statement)
            yield connection
        self._prepared = connection
