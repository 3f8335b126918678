"""Copies a database in use, and returns free room in its file to the disk."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from time import monotonic, sleep

from attrs import frozen

from fq.brokers.sqlite.errors import check_path, translate
from fq.brokers.sqlite.file_state import assign_new_identity
from fq.errors import BrokerError, BrokerUnavailable, ConfigError

PAGES_PER_STEP = 10_000
"""How many pages are copied between two checks for an interrupt."""


@frozen
class Room:
    """The *size* of a database, and how much of it is *free*, in bytes."""

    size: int
    free: int


def room(connection: sqlite3.Connection) -> Room:
    """Return the size of the database, and how much of it is free."""
    pages, free, size = connection.execute(
        "SELECT page_count, freelist_count, page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
    ).fetchone()
    return Room(pages * size, free * size)


def back_up(connection: sqlite3.Connection, path: str, target: str) -> None:
    """
    Copy the database at *path*, as *connection* sees it in its transaction, to *target*. *target* does not change until the copy is whole and on the disk.

    Raises:
        ConfigError: the copy cannot be there.

        BrokerError: the copy is damaged, or there is no room for it.
    """
    _check_target(path, target)
    with _part(target) as part:
        try:
            with closing(sqlite3.connect(part, isolation_level=None)) as copy:
                connection.backup(copy, pages=PAGES_PER_STEP)
                copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log
                _check_sound(copy, path)
                copy.execute("BEGIN")
                assign_new_identity(copy)
                copy.execute("COMMIT")
        except sqlite3.Error as error:
            raise translate(error, target, 0) from error
        _flush(part, os.O_RDWR)
        Path(part).replace(target)
    _flush(str(Path(target).parent), os.O_RDONLY)


def _check_target(path: str, target: str) -> None:
    check_path(target)
    files = {os.path.realpath(path) + end for end in ("", "-wal", "-shm")}
    if os.path.realpath(target) in files or (Path(target).exists() and Path(target).samefile(path)):
        raise ConfigError(f"found {target}, which is the database itself, expected another file for the copy")
    if Path(f"{os.path.realpath(target)}-wal").exists():
        raise ConfigError(f"found {target}-wal: {target} is a database in use, or one that was not closed; name another file")


@contextmanager
def _part(target: str) -> Iterator[str]:
    """Return the path of a new file beside *target*, which only its owner can read, for the unfinished copy; delete what is left of it at the end."""
    part = f"{target}.{token_hex(4)}.part"
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        yield part
    except OSError as error:
        raise ConfigError(f"cannot write {target}: {error.strerror}") from error
    finally:
        for end in ("", "-journal", "-wal", "-shm"):
            with suppress(OSError):
                Path(f"{part}{end}").unlink()


def _check_sound(copy: sqlite3.Connection, path: str) -> None:
    found = [text for (text,) in copy.execute("PRAGMA quick_check(3)")]
    if found != ["ok"]:
        raise BrokerError(
            f"SQLite database {path}: found it damaged ({'; '.join(found)}), no copy was made; "
            f"restore an earlier copy, or rescue it with `sqlite3 {path} .recover`"
        )


def _flush(path: str, mode: int) -> None:
    descriptor = os.open(path, mode)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def shrink(connection: sqlite3.Connection, path: str, patience: int) -> Room:
    """
    Rewrite the database without its free room, and return its new size. Other connections cannot write meanwhile.

    Raises:
        BrokerUnavailable: others use it, and it could not be done within *patience* ms.
    """
    deadline = monotonic() + patience / 1_000
    connection.execute(f"PRAGMA busy_timeout = {patience}")
    connection.execute("PRAGMA temp_store = FILE")  # the copy may not fit into memory
    connection.execute("VACUUM")
    while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
        if monotonic() >= deadline:
            raise BrokerUnavailable(
                f"SQLite database {path}: found that other processes read it for longer than {patience} ms; the file shrinks once they have finished"
            )
        sleep(0.05)
    return room(connection)
