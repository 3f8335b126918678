"""
`FileCheck`: is the file that a connection has open still the one at its path, and is it whole?

Whoever moves, deletes or restores a file under a process that has it open is not heard by SQLite. What is written then is lost, or ruins both files. So
whatever has been written is acknowledged only while the file is where it was; and whenever the main file has changed (a log was copied back into it, or
something else has written to it) it is held against what its log says of it.
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
"""How often to look before something is done, in seconds; after a write it is done every time."""

REREAD_ATTEMPTS = 20
REREAD_PAUSE_SECONDS = 0.05
"""How often, and after how many seconds each, a main file is read again that does not fit its log, since it may be being written to just now."""

FileKey = tuple[int, int]

NO_FILE: FileKey = (0, 0)

_refused: dict[FileKey, str] = {}
"""Files that this process will not open again, and why."""


class AppliedElsewhereError(BrokerUnavailable):
    """What was called has been done, in a file that was moved, deleted or replaced at that moment: perhaps it comes back."""


class FileCheck:
    """Mutable: knows the file that was opened at *path* last."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._key = NO_FILE
        self._base: tuple[int, int] | None = None
        self._look_at = 0.0
        self.is_suspect = False  # closing it might write to it
        self.in_main_file = 0  # marks, when it was read last
        self.unmarked = True  # the main file has changed since this process made a mark

    @property
    def key(self) -> FileKey:
        """Which file was opened last."""
        return self._key

    def before_open(self) -> FileKey:
        """
        Return which file is at the path; let it pass if it may be opened; make an empty file there if nothing has been, readable for its owner alone.

        Raises:
            BrokerUnavailable: the file that was there is gone, or lost its log, or is one to be left alone.
        """
        key, _ = self._stat()
        self._refuse(key)
        if key != NO_FILE:
            return key
        if self._key != NO_FILE:
            raise BrokerUnavailable(
                f"SQLite database {self._path}: found that the file in use has been moved or deleted, nothing of this call was applied; "
                "put it back, or restart what used it to begin with an empty one"
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
        Take note of the file that *connection* has just opened, *key* before that, and return whether it is another one than an earlier one.

        Raises:
            BrokerUnavailable: it has been moved, deleted or replaced meanwhile, or is not whole.
        """
        found, base = self._stat()
        if found != key:
            raise BrokerUnavailable(f"SQLite database {self._path}: found that it was replaced while it was being opened; try again")
        before, self._key, self._base = self._key, key, base
        self._compare(connection)
        return before not in (NO_FILE, key)

    def forget(self) -> None:
        """Whatever is found at the path next is welcome."""
        self._key = NO_FILE

    def is_due(self, now: float) -> bool:
        """Is it time to look?"""
        if now < self._look_at:
            return False
        self._look_at = now + CHECK_SECONDS
        return True

    def is_there(self, connection: sqlite3.Connection) -> bool:
        """
        Is the file of *connection* still the one at the path?

        Raises:
            BrokerUnavailable: it is, but somebody has written over it.
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
        Let pass what *connection* has just committed.

        Raises:
            BrokerUnavailable: it went into a file that is not at the path any more (`AppliedElsewhereError`), or not whole.
        """
        if not (self._is_unchanged() or self.is_there(connection)):
            raise AppliedElsewhereError(
                f"SQLite database {self._path}: found that the file in use has been moved, deleted or replaced while this call was applied to it; try again"
            )

    def _compare(self, connection: sqlite3.Connection) -> None:
        """Hold the main file against what the log says of it; one that does not fit may be being written to just now, and is read again."""
        self.is_suspect = True
        for left in reversed(range(REREAD_ATTEMPTS)):
            found, expected = self._in_main_file(), file_state.read_marks(connection)
            if found is None and expected.behind == 0:  # all that there is of it is in the log
                self.in_main_file = 0
                break
            if found is not None and found.id == expected.id and found.marks >= expected.behind:
                self.in_main_file = found.marks
                break
            if not left:
                self._suspect(is_readable=found is not None)
            sleep(REREAD_PAUSE_SECONDS)
        self.is_suspect, self.unmarked = False, True

    def _suspect(self, is_readable: bool) -> None:
        self._base = None  # look again next time
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
        """Return the marks in the main file as it is without its log, None if there are none. SQLite keeps no locks for this, and loses none by it."""
        with suppress(sqlite3.Error), closing(sqlite3.connect(uri(self._path, "mode=ro&immutable=1"), uri=True)) as connection:
            return file_state.read_marks(connection)
        return None

    def _is_unchanged(self) -> bool:
        """Is the file as it was at the last look? Every write asks."""
        try:
            found = os.stat(self._path)  # noqa: PTH116  # a Path costs more than the look itself
        except OSError:
            return False
        return (found.st_mtime_ns, found.st_size) == self._base and (found.st_dev, found.st_ino) == self._key and not _refused

    def _stat(self) -> tuple[FileKey, tuple[int, int]]:
        with suppress(OSError):
            found = os.stat(self._path)  # noqa: PTH116  # a Path costs more than the look itself
            return (found.st_dev, found.st_ino), (found.st_mtime_ns, found.st_size)
        return NO_FILE, (0, 0)

    def _refuse(self, key: FileKey) -> None:
        if key in _refused:
            self.is_suspect = True
            raise BrokerUnavailable(_refused[key])


def log_of(path: str) -> str:
    """Return where the write-ahead log of the database at *path* is: beside the file itself, if that is a link."""
    return f"{os.path.realpath(path)}-wal"


def uri(path: str, options: str) -> str:
    """Return the URI by which SQLite opens *path* with these *options*."""
    return f"file://{quote(path)}?{options}"


def _make(path: str) -> None:
    """
    Make an empty file that nobody but its owner may read; its log gets the same rights. What is in the way of that, SQLite finds out.

    Closing a descriptor of it could let go of locks that a connection of this process holds, so none is opened where the system allows it.
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
