"""`Database`: one connection to a PostgreSQL database, opened at its first use, and its transactions."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from time import sleep
from typing import TypeVar, cast
from zlib import crc32

import psycopg
from attrs import field, frozen
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.numeric import Int8BinaryDumper, Int8Dumper

from fq.brokers.postgres import arrays
from fq.brokers.postgres.errors import RETRIED, is_lost, translate
from fq.brokers.postgres.migrations import create_if_empty
from fq.brokers.postgres.transaction import Connection, Row, Transaction, in_schema
from fq.brokers.redaction import without_password
from fq.errors import BrokerUnavailable, ConfigError, FqError

T = TypeVar("T")

BOUNDS: dict[str, str | int] = {
    "client_encoding": "UTF8",
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""The encoding, and what libpq waits for at most, unless the URL says it: a server that has vanished is noticed. In seconds; the last in ms."""

RECONNECT_SECONDS = 0.05
"""The pause before it connects again, once, when the server has closed a connection at its start."""

MAX_RETRIES = 20
"""How often a transaction is repeated that PostgreSQL ended because of a deadlock, before its error is raised."""


_of_parents: "list[Connection]" = []
"""Connections that were copied by a fork."""


@frozen
class Settings:
    """
    How to reach a database: a *url* for libpq, the *schema* that has fq's tables, and how long a call waits for a lock, ms.

    *is_pooled*: connections may come from a pool that gives each transaction another one, as PgBouncer does. Then nothing is prepared.
    """

    url: str = field(repr=False)
    schema: str
    lock_timeout: int
    is_pooled: bool = False

    @property
    def name(self) -> str:
        """The URL as it may be shown to people."""
        return without_password(self.url)


class Database:
    """Mutable: one connection, used by one thread at a time. It is opened when needed, and again after `close`, after a fork, and when it was lost."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._connection: Connection | None = None

    def __del__(self) -> None:
        self._disconnect()

    def alone(self, work: Callable[[Transaction], T], retry: bool = True) -> T:
        """
        Return what *work* returns, in a transaction that no other one of fq runs beside, except those that only add plain messages.

        Raises:
            BrokerError, ConfigError: what is wrong, and what to do about it.
        """
        begin = "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT fq.lock_alone()"
        pipelined = not self.settings.is_pooled and psycopg.Pipeline.is_supported()
        return self._retried(lambda connection: self._transaction(connection, work, begin, pipelined), retry)

    def shared(self, work: Callable[[Transaction], T]) -> T:
        """The same, in a transaction that excludes only those that are `alone`."""
        begin = "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT fq.lock_shared()"
        return self._retried(lambda connection: self._transaction(connection, work, begin))

    def locked(self, key: str, work: Callable[[Transaction], T]) -> T:
        """The same, in a transaction that excludes only those that are `locked` by the same *key*."""
        begin = f"BEGIN ISOLATION LEVEL READ COMMITTED; SELECT fq.lock_key({crc32(key.encode())})"
        return self._retried(lambda connection: self._transaction(connection, work, begin))

    def reading(self, work: Callable[[Transaction], T]) -> T:
        """The same, in a transaction that reads: all its statements see the database at one moment."""
        begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT fq.now_ms()"
        return self._retried(lambda connection: self._transaction(connection, work, begin))

    def single(self, work: Callable[[Transaction], T], retry: bool = True) -> T:
        """Return what *work* returns, which runs one statement, a transaction of its own. With *retry*, again if the connection was lost meanwhile."""
        return self._retried(lambda connection: work(Transaction(connection, self.settings.schema)), retry)

    def ensure(self) -> None:
        """Return once there is a connection, and so fq's tables; at once if it is open."""
        with self._lock:
            try:
                self._connected()
            except psycopg.Error as error:
                raise translate(error, self.settings.name, self.settings.lock_timeout) from error

    def connect(self) -> Connection:
        """Return a new connection of its own, to a schema that has fq's tables."""
        connection = self._open()
        try:
            create_if_empty(connection, self.settings.schema, self.settings.name)
        except psycopg.Error as error:
            connection.close()
            raise translate(error, self.settings.name, self.settings.lock_timeout) from error
        except FqError:
            connection.close()
            raise
        return connection

    def bare(self, work: Callable[[Connection], T]) -> T:
        """Return what *work* returns, on a new connection to a schema in whatever state it is: for migrations."""
        connection = self._open()
        try:
            return work(connection)
        except psycopg.Error as error:
            raise translate(error, self.settings.name, self.settings.lock_timeout) from error
        finally:
            connection.close()

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._disconnect()

    def after_fork_in_child(self) -> None:
        """Start afresh, and never close the connection of the parent."""
        self._lock = threading.Lock()
        connection, self._connection = self._connection, None
        if connection is not None:
            _of_parents.append(connection)

    def _open(self) -> Connection:
        connection: Connection | None = None
        try:
            given = conninfo_to_dict(self.settings.url)
            bounds = {name: value for name, value in BOUNDS.items() if name not in given}
            prepares = None if self.settings.is_pooled else 2
            connection = psycopg.connect(make_conninfo(self.settings.url, **bounds), autocommit=True, prepare_threshold=prepares)
            connection.adapters.register_dumper(int, Int8Dumper)
            connection.adapters.register_dumper(int, Int8BinaryDumper)
            arrays.register(connection)
            if not self.settings.is_pooled:
                connection.execute(
                    f"SET lock_timeout = {self.settings.lock_timeout}; SET jit = off; SET idle_in_transaction_session_timeout = 0".encode()
                )
        except psycopg.Error as error:
            if connection is not None:
                connection.close()
            raise translate(error, self.settings.name, self.settings.lock_timeout) from error
        return connection

    def _retried(self, call: Callable[[Connection], T], retry: bool = True) -> T:
        """Return what *call* returns: again after a deadlock, and once again if the connection was lost."""
        with self._lock:
            for attempt in range(MAX_RETRIES):
                connection = self._connected()
                try:
                    return call(connection)
                except psycopg.Error as error:
                    lost = is_lost(error, connection)
                    self._recover(connection, lost)
                    repeats = (retry and attempt == 0) if lost else error.sqlstate in RETRIED and attempt < MAX_RETRIES - 1
                    if not repeats:
                        raise translate(error, self.settings.name, self.settings.lock_timeout) from error
                except BaseException:
                    self._recover(connection, connection.closed)
                    raise
            raise AssertionError("the last attempt returns or raises")

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            try:
                self._connection = self.connect()
            except BrokerUnavailable:
                sleep(RECONNECT_SECONDS)
                self._connection = self.connect()
        return self._connection

    def _transaction(self, connection: Connection, work: Callable[[Transaction], T], begin: str, pipelined: bool = False) -> T:
        cursor = connection.execute(in_schema(begin, self.settings.schema).encode())
        cursor.nextset()
        now = int(cast(Row, cursor.fetchone())[0])
        with _pipeline(connection) if pipelined else nullcontext() as pipeline:
            result = work(Transaction(connection, self.settings.schema, now, pipeline))
            connection.execute("COMMIT")
        return result

    def _recover(self, connection: Connection, lost: bool) -> None:
        """Leave no transaction open."""
        if not lost and connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            try:
                connection.execute("ROLLBACK")
            except psycopg.Error:
                lost = True
        if lost:
            self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()


@contextmanager
def _pipeline(connection: Connection) -> Iterator[psycopg.Pipeline]:
    """A pipeline that raises what failed, and logs nothing."""
    failed: BaseException | None = None
    with connection.pipeline() as pipeline:
        try:
            yield pipeline
        except BaseException as error:
            failed = error
            with suppress(psycopg.Error):
                pipeline.sync()  # what was asked after the failure has no answer
    if failed is not None:
        raise failed


def check_library() -> None:
    """
    Accept psycopg if it is new enough.

    Raises:
        ConfigError: it is not.
    """
    if tuple(map(int, psycopg.__version__.split(".")[:2])) < (3, 2):
        raise ConfigError(f"found psycopg {psycopg.__version__}, expected 3.2 or newer; type: pip install 'fq[postgres]'")
