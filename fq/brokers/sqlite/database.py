"""`Database`: one connection to a SQLite file, opened at its first use, and its transactions."""

import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from time import monotonic, sleep
from typing import Any, Generic, TypeAlias, TypeVar

from attrs import field, frozen, validators

from fq.brokers.clock import CLOCK_CHECK_MS, Clock
from fq.brokers.sqlite import file_state
from fq.brokers.sqlite.errors import BUSY, REOPEN_AFTER, check_path, code, translate
from fq.brokers.sqlite.file_check import FileCheck, FileKey, uri
from fq.brokers.sqlite.fork_safety import abandon
from fq.brokers.sqlite.schema import check_library, prepare
from fq.errors import BrokerUnavailable, ConfigError
from fq.runtime.logger import logger

log = logger("fq.sqlite")

T = TypeVar("T")
Row: TypeAlias = "tuple[Any, ...]"

SYNCHRONOUS = ("OFF", "NORMAL", "FULL", "EXTRA")

SQLITE_LOCK_WAIT_MS = 50
"""How long SQLite itself waits for a lock before fq asks again. Its own sleeps grow to 100 ms: too long to catch a lock that is free for 1 ms."""

MARK_SECONDS = 1.0
"""How often the time, and how much of the log is in the main file, are written down while there are writes."""

PRAGMAS = (
    f"busy_timeout = {SQLITE_LOCK_WAIT_MS}",
    "temp_store = MEMORY",
    "cache_size = -16000",  # 16 MB
    "wal_autocheckpoint = 4000",  # copying the log back costs two flushes: do it every 16 MB, not every 4
    "journal_size_limit = 67108864",  # after a burst, the log shrinks to this again
    "secure_delete = OFF",  # wiping deleted rows costs more than deleting them
)


def _check_synchronous(_: object, __: object, found: str) -> None:
    if found not in SYNCHRONOUS:
        raise ConfigError(f"found synchronous={found!r}, expected one of {', '.join(SYNCHRONOUS)}")


@frozen
class Settings:
    """The absolute path of a database, its synchronous mode, and how long to wait for a lock, ms."""

    path: str
    synchronous: str = field(validator=_check_synchronous)
    busy_timeout: int = field(validator=validators.ge(0))


class Database:
    """
    Mutable: one connection, used by one thread at a time.

    It is opened when needed, and opened again after `close`, after a fork, when the file has been replaced by another database of fq, and after an error that
    may be the file's fault. See ``fq.brokers.sqlite.fork_safety`` for the methods about forks. It keeps *clock* in agreement with other processes.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._file = FileCheck(settings.path)
        self._fence = False
        self._began = self._read_clock_at = self._mark_at = 0.0
        self.known: set[str] = set()  # names in the table of queues; cleared whenever that is not certain
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._opened = 0
        self._pid = 0
        self._forking = False

    def __del__(self) -> None:
        self._disconnect()

    def writing(self) -> AbstractContextManager[sqlite3.Connection]:
        """
        Run a transaction that writes, wholly or not at all. Other connections cannot write meanwhile.

        Raises:
            BrokerError, ConfigError: what is wrong with the database, and what to do about it. Nothing was changed.
        """
        return _Transaction(self, _begin_write, commits=True)

    def reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """Run a transaction that reads: all its statements see the database at one moment."""
        return _Transaction(self, _begin_snapshot)

    def alone(self) -> AbstractContextManager[sqlite3.Connection]:
        """Use the connection outside of a transaction, for statements that SQLite allows only there."""
        return _Transaction(self, lambda connection: connection)

    @property
    def file(self) -> FileKey:
        """The file that was opened last."""
        return self._file.key

    def query(self, statement: str, parameters: Sequence[int | str] = ()) -> list[Row]:
        """Return the rows of one statement that reads."""
        with _Transaction(self, lambda connection: connection.execute(statement, parameters).fetchall()) as rows:
            return rows

    def version(self) -> tuple[int, int]:
        """Return a value that is different whenever another connection has changed the database."""
        return self._opened, self.query("PRAGMA data_version")[0][0]

    def close(self) -> None:
        """Close the connection; the next call opens another, and creates the file if it is gone."""
        with self._lock:
            self._disconnect()
            self._file.forget()

    @property
    def clock_was_read(self) -> bool:
        """Was the clock read from the file a moment ago?"""
        return monotonic() < self._read_clock_at

    def read_clock(self) -> None:
        """Let the clock agree with other processes, unless it was read a moment ago."""
        if not self.clock_was_read:
            self.query("SELECT 1")

    def _enter(self, begin: Callable[[sqlite3.Connection], T], commits: bool) -> T:
        """Begin a transaction; this waits while others write."""
        began = monotonic()
        self._lock.acquire()
        try:
            self._began = began
            begun = self._retry_while_busy(begin, began + self._settings.busy_timeout / 1_000)
            if commits and self._connection is not None:
                self._write_marks(self._connection)
            return begun
        except BaseException as error:
            self._leave(error, commits=False)
            raise

    def _leave(self, error: BaseException | None, commits: bool) -> None:
        """End what `_enter` began, and leave no transaction open."""
        try:
            if isinstance(error, sqlite3.Error):
                raise error
            if error is None and commits and self._connection is not None:
                self._connection.execute("COMMIT")
                self._check_written(self._connection)
        except sqlite3.Error as raised:
            self.known.clear()  # some errors roll back by themselves
            if code(raised) in REOPEN_AFTER:
                self._disconnect()
            raise translate(raised, self._settings.path, self._settings.busy_timeout) from raised
        finally:
            if self._connection is not None and self._connection.in_transaction:
                self._roll_back(self._connection)
            self._lock.release()

    def _retry_while_busy(self, begin: Callable[[sqlite3.Connection], T], deadline: float) -> T:
        while True:
            try:
                return begin(self._connected())
            except sqlite3.OperationalError as error:
                if code(error) not in BUSY or monotonic() >= deadline:
                    raise
            if self._connection is not None and self._connection.in_transaction:
                self._roll_back(self._connection)
            sleep(0.001)

    def _connected(self) -> sqlite3.Connection:
        """Return a connection, made in this process, to the file that is at the path now."""
        try:
            if self._connection is not None and (self._pid != os.getpid() or self._is_another_file(self._connection)):
                self._disconnect()
            connection = self._connection or self._open()
        except BrokerUnavailable:
            self._disconnect()
            raise
        if self._began >= self._read_clock_at:
            self._read_clock_at = self._began + CLOCK_CHECK_MS / 1_000
            file_state.read_clock(connection, self._clock)
        return connection

    def _open(self) -> sqlite3.Connection:
        path, synchronous = self._settings.path, self._settings.synchronous
        check_library()
        check_path(path)
        key = self._file.before_open()
        connection = sqlite3.connect(
            uri(path, "mode=rw"), uri=True, isolation_level=None, check_same_thread=False, timeout=SQLITE_LOCK_WAIT_MS / 1_000
        )
        try:
            for pragma in PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            if mode != "wal":
                raise ConfigError(
                    f"SQLite database {path}: found journal mode {mode!r}, expected 'wal'; is it on a network drive? Use a local one"
                )
            connection.execute(f"PRAGMA synchronous = {synchronous}")
            prepare(connection, path)
        except BaseException:
            connection.close()
            raise
        self._opened += 1
        self._pid, self._connection = os.getpid(), connection
        self._read_clock_at = self._mark_at = 0.0
        if self._file.opened(connection, key):
            log.warning("SQLite database %s: found another file at this path than before, continuing with it", path)
            self._fence = True
        return connection

    def _is_another_file(self, connection: sqlite3.Connection) -> bool:
        """Was the file moved, deleted or replaced? Checked now and then."""
        return self._file.is_due(self._began) and not self._file.is_there(connection)

    def _write_marks(self, connection: sqlite3.Connection) -> None:
        """Before the other writes of a transaction: write the marks and the time, unless that was done a moment ago."""
        if self._fence:
            file_state.fence(connection)
        if self._file.unmarked or self._began >= self._mark_at:
            self._mark_at = self._began + MARK_SECONDS
            file_state.add_mark(connection, self._file.in_main_file)
            file_state.store_clock(connection, self._clock)

    def _check_written(self, connection: sqlite3.Connection) -> None:
        """After a commit: it counts only if the file is still the one at the path."""
        self._fence = self._file.unmarked = False
        try:
            self._file.after_write(connection)
        except BrokerUnavailable:
            self._disconnect()
            raise

    def _roll_back(self, connection: sqlite3.Connection) -> None:
        self.known.clear()
        try:
            connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        self.known.clear()
        if connection is None:
            return
        if self._pid == os.getpid() and not self._file.is_suspect:
            connection.close()
        else:
            abandon(connection)

    def before_fork(self) -> None:
        """Close the connection, and prevent other threads from opening another."""
        self._forking = self._lock.acquire(timeout=self._settings.busy_timeout / 1_000 + 1)
        if self._forking:
            self._disconnect()

    def after_fork_in_parent(self) -> None:
        """Let other threads continue."""
        if self._forking:
            self._lock.release()

    def after_fork_in_child(self) -> None:
        """Start afresh."""
        self._lock = threading.Lock()


class _Transaction(Generic[T]):
    """Mutable: the connection of *database* for the length of a context. A generator would double the cost of a send."""

    __slots__ = ("_begin", "_commits", "_database")

    def __init__(self, database: Database, begin: Callable[[sqlite3.Connection], T], commits: bool = False) -> None:
        self._database = database
        self._begin = begin
        self._commits = commits

    def __enter__(self) -> T:
        return self._database._enter(self._begin, self._commits)

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._database._leave(error, self._commits)


def _begin_write(connection: sqlite3.Connection) -> sqlite3.Connection:
    connection.execute("BEGIN IMMEDIATE")
    return connection


def _begin_snapshot(connection: sqlite3.Connection) -> sqlite3.Connection:
    connection.execute("BEGIN")
    connection.execute("SELECT latest FROM tokens").fetchone()  # a transaction that reads begins with its first statement
    return connection
