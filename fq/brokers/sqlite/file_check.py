"""
`FileCheck`: is the file that a connection has open still the one at its path, and is it whole?

SQLite does not notice when the file is moved, deleted or restored while it is open. Writes are lost then, or damage both files. So a write is
acknowledged only if the file is still at its path; and whenever the main file has changed (its log was copied back into it, or something else has written
to it), it is compared with its log.
"""

import os
import sqlite3
import stat
from contextlib import closing, suppress
from time import sleep
from urllib.parse import quote

from fq.brokers.sqlite import file_state
from fq.errors import BrokerUnavailable
from fq.runtime.logger import logger

log = logger("fq.sqlite")

CHECK_SECONDS = 0.05
"""How often to check before a call; after a write it is checked every time."""

REREAD_ATTEMPTS = 20
UNREADABLE_ATTEMPTS = 200
"""More for a main file that cannot be read at all: that is so in the middle of a checkpoint, and a slow disk takes seconds for one."""

REREAD_PAUSE_SECONDS = 0.05
"""How often, and at what interval, a main file that does not fit its log is read again: it may be being written just now."""

FileKey = tuple[int, int]

NO_FILE: FileKey = (0, 0)

_refused: dict[FileKey, str] = {}
"""Files that this process refuses to open again, and why."""


class AppliedElsewhereError(BrokerUnavailable):
    """The call was applied, to a file that was moved, deleted or replaced at that moment. It may come back."""


class FileCheck:
    """Mutable: knows the file that was opened last at *path*."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._key = NO_FILE
        self._base: tuple[int, int] | None = None
        self._look_at = 0.0
        self.is_suspect = False  # closing it might write to it
        self.in_main_file = 0  # how many marks it had when it was read last
        self.unmarked = True  # the main file has changed since this process wrote a mark

    @property
    def key(self) -> FileKey:
        """The file that was opened last."""
        return self._key

    def before_open(self) -> FileKey:
        """
        Return the key of the file at the path, if it may be opened. If there has never been one, create an empty file that only its owner can read.

        Raises:
            BrokerUnavailable: the former file is gone, or has lost its log, or is refused.
        """
        key, _ = self._stat()
        self._refuse(key)
        if key != NO_FILE:
            return key
        if self._key != NO_FILE:
            raise BrokerUnavailable(
                f"SQLite database {self._path}: found that the file in use has been moved or deleted, nothing of this call was applied; "
                "put it back, or restart the processes that use it to begin with an empty one"
            )
        if size := _size(wal := log_of(self._path)):
            raise BrokerUnavailable(
                f"SQLite database {self._path}: found its log ({wal}, {size} bytes) but not the file itself; "
                "put the file back beside it, or move the log away, too, to begin with an empty one"
            )
        _make(os.path.realpath(self._path))
        return self._stat()[0]

    def opened(self, connection: sqlite3.Connection, key: FileKey) -> bool:
        """
        Note the file that *connection* has just opened; *key* is the file from before. Return whether it is another file than the one opened earlier.

        Raises:
            BrokerUnavailable: the file was moved, deleted or replaced meanwhile, or is not whole.
        """
        found, base = self._stat()
        if found != key:
            raise BrokerUnavailable(f"SQLite database {self._path}: found that it was replaced while it was being opened; try again")
        before, self._key, self._base = self._key, key, base
        self._compare(connection)
        return before not in (NO_FILE, key)

    def forget(self) -> None:
        """Accept any file at the path next time."""
        self._key = NO_FILE

    def is_due(self, now: float) -> bool:
        """Is it time for a check?"""
        if now < self._look_at:
            return False
        self._look_at = now + CHECK_SECONDS
        return True

    def is_there(self, connection: sqlite3.Connection) -> bool:
        """
        Is the file of *connection* still the one at the path?

        Raises:
            BrokerUnavailable: it is, but something has written over it.
        """
        self._refuse(self._key)
        key, base = self._stat()
        if key != self._key:
            return False
        if base != self._base:
            self._base = base
            self._compare(connection)
        return True

    def after_write(self, connection: sqlite3.Connection) -> None:
        """
        Accept what *connection* has just committed.

        Raises:
            BrokerUnavailable: it went to a file that is no longer at the path (`AppliedElsewhereError`), or is not whole.
        """
        if not (self._is_unchanged() or self.is_there(connection)):
            raise AppliedElsewhereError(
                f"SQLite database {self._path}: found that the file in use has been moved, deleted or replaced while this call was applied to it; try again"
            )

    def _compare(self, connection: sqlite3.Connection) -> None:
        """Compare the main file with its log. If it does not fit, it may be being written just now, and is read again."""
        self.is_suspect = True
        for attempt in range(1, UNREADABLE_ATTEMPTS + 1):
            found, expected = self._in_main_file(), file_state.read_marks(connection)
            if found is None and expected.behind == 0:  # the database is still wholly in the log
                self.in_main_file = 0
                break
            if found is not None and found.id == expected.id and found.marks >= expected.behind:
                self.in_main_file = found.marks
                break
            if attempt == UNREADABLE_ATTEMPTS or (found is not None and attempt >= REREAD_ATTEMPTS):
                self._suspect(is_readable=found is not None)
            sleep(REREAD_PAUSE_SECONDS)
        self.is_suspect, self.unmarked = False, True

    def _suspect(self, is_readable: bool) -> None:
        self._base = None  # check again next time
        if not is_readable:
            raise BrokerUnavailable(
                f"SQLite database {self._path}: found that something else is writing over it; try again when that is done"
            )
        _refused[self._key] = (
            f"SQLite database {self._path}: found that something else has written over it, or has put it in the place of another, without its log (-wal); stop "
            f"every process that uses it, move {self._path}-wal and {self._path}-shm away, and restore it from a backup"
        )
        log.error("%s", _refused[self._key])
        self._refuse(self._key)

    def _in_main_file(self) -> file_state.Marks | None:
        """Return the marks in the main file without its log, None if there are none. SQLite takes no locks for this, and so releases none."""
        with suppress(sqlite3.Error), closing(sqlite3.connect(uri(self._path, "mode=ro&immutable=1"), uri=True)) as connection:
            return file_state.read_marks(connection)
        return None

    def _is_unchanged(self) -> bool:
        """Is the file as at the last check? Called for every write."""
        try:
            found = os.stat(self._path)  # noqa: PTH116  # a Path costs more than the call itself
        except OSError:
            return False
        return (found.st_mtime_ns, found.st_size) == self._base and (found.st_dev, found.st_ino) == self._key and not _refused

    def _stat(self) -> tuple[FileKey, tuple[int, int]]:
        with suppress(OSError):
            found = os.stat(self._path)  # noqa: PTH116  # a Path costs more than the call itself
            return (found.st_dev, found.st_ino), (found.st_mtime_ns, found.st_size)
        return NO_FILE, (0, 0)

    def _refuse(self, key: FileKey) -> None:
        if key in _refused:
            self.is_suspect = True
            raise BrokerUnavailable(_refused[key])


def log_of(path: str) -> str:
    """Return the path of the write-ahead log of the database at *path*. If that is a link, the log is beside its target."""
    return f"{os.path.realpath(path)}-wal"


def uri(path: str, options: str) -> str:
    """Return the URI that opens *path* with these *options*."""
    return f"file://{quote(path)}?{options}"


def _make(path: str) -> None:
    """
    Create an empty file that only its owner can read; its log gets the same mode. If that fails, SQLite reports why.

    Closing a descriptor of the file could release locks of a connection of this process, so none is opened where the system allows that.
    """
    with suppress(OSError):
        try:
            os.mknod(path, 0o600 | stat.S_IFREG)
        except (AttributeError, PermissionError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _size(path: str) -> int:
    with suppress(OSError):
        return os.stat(path).st_size  # noqa: PTH116  # as above
    return 0
