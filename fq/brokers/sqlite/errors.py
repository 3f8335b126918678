"""Errors of SQLite as errors of fq, which say what to do: which file, what was found, what was expected."""

import os
import sqlite3
from pathlib import Path

from fq.errors import BrokerError, BrokerUnavailable, ConfigError, FqError

BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}

REOPEN_AFTER = {
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PROTOCOL,
}
"""After one of these errors the connection is closed: the next call opens the file again."""


UNKNOWN_OBSTACLE = "found that it cannot be opened for writing, expected a file that can; check its owner, its folder and its mount"


def code(error: sqlite3.Error) -> int:
    """Return the primary result code of *error*; 0 if it comes from the Python module."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def translate(error: sqlite3.Error, path: str, busy_timeout: int) -> FqError:
    """Return *error* of the database at *path* as an error of fq."""
    where = f"SQLite database {path}"
    match code(error):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED | sqlite3.SQLITE_PROTOCOL:
            return BrokerUnavailable(
                f"{where}: found it locked by another process for longer than busy_timeout={busy_timeout} ms; "
                f"end the process that keeps a transaction open (a database browser?): try `fuser {path}`"
            )
        case sqlite3.SQLITE_FULL:  # temporary: outcomes wait until there is room
            return BrokerUnavailable(
                f"{where}: found no free space ({error}), nothing of this call was applied; free some space and try again"
            )
        case sqlite3.SQLITE_NOTADB:
            return ConfigError(
                f"{where}: found a file that is not a SQLite database, expected one of fq's or none; name another file or move this one away"
            )
        case sqlite3.SQLITE_CORRUPT:
            return BrokerError(
                f"{where}: found it damaged ({error}), expected a sound database; rescue it with `sqlite3 {path} .recover`, or move it away"
            )
        case sqlite3.SQLITE_TOOBIG:
            return BrokerError(
                f"{where}: found a message or result larger than SQLite takes ({error}); store large data elsewhere and send its address"
            )
        case sqlite3.SQLITE_IOERR:
            return BrokerUnavailable(
                f"{where}: found an I/O error ({error}), nothing of this call was applied; check the disk and its mount"
            )
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return ConfigError(f"{where}: {_obstacle(Path(path)) or UNKNOWN_OBSTACLE} ({error})")
        case _:
            return BrokerError(f"{where}: {type(error).__name__}: {error}; nothing of this call was applied")


def check_path(path: str) -> None:
    """
    Accept *path* if a database can be there. Without this check SQLite would leave files behind where it can only read.

    Raises:
        ConfigError: says what prevents it, and what to do about it.
    """
    if obstacle := _obstacle(Path(path)):
        raise ConfigError(f"SQLite database {path}: {obstacle}")


def _obstacle(path: Path) -> str:
    """Say what prevents reading and writing *path*, ``""`` if nothing seems to."""
    folder = path.parent
    if path.is_dir():
        return "found a folder, expected a file; name a file in it"
    if not folder.exists():
        return f"found no folder {folder}, expected it to be there; type: mkdir -p {folder}"
    if not folder.is_dir():
        return f"found a file {folder}, expected a folder; name another folder"
    if not path.exists() and not _may(folder, os.W_OK):
        return f"found the folder {folder} read-only, expected to write there; type: chmod u+w {folder}, or run as its owner"
    for file in (path, *(Path(f"{path.resolve()}{end}") for end in ("-wal", "-shm"))):
        if file.exists() and not _may(file, os.R_OK | os.W_OK):
            return f"found that {file} cannot be read and written, expected both; type: chmod u+rw {file}, or run as its owner"
    return ""


def _may(path: Path, mode: int) -> bool:
    """Is this process allowed to use *path* in *mode*?"""
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)
