"""What ``fq doctor`` reports about a SQLite database and its disk."""

import shutil
import sqlite3
import stat
from pathlib import Path
from time import monotonic

from fq.brokers.findings import DAMAGE_CHECK_SECONDS, MAX_EXAMINED_KEYS, Finding, unique_keys_finding
from fq.brokers.sqlite.backup import Room, room
from fq.brokers.sqlite.errors import code
from fq.brokers.sqlite.file_check import log_of
from fq.brokers.sqlite.unique_keys import lost_holders

LOW_DISK_BYTES = 1024**3
"""Less free space than this, in bytes, is reported."""

CHECKED_BYTES_PER_SECOND = 2**28
"""How much of a file is checked for damage in a second, or more."""

LARGE_LOG_BYTES = 2**28
"""A log of more bytes than this has not been reset for long: at each reset it is cut to a quarter of this."""

LARGE_FREE_BYTES = 2**28
"""More free bytes in the file than this are reported if they are most of it."""


def diagnose(connection: sqlite3.Connection, path: str, synchronous: str, is_new: bool, check_seconds: float) -> tuple[Finding, ...]:
    """Return the findings; *is_new*: the file did not exist before this call. Check for damage for up to *check_seconds*."""
    return (
        _file(path, is_new),
        _rights(path),
        _soundness(connection, path, check_seconds),
        _journal(connection),
        _log(path),
        _room(room(connection)),
        _durability(synchronous),
        _disk(path),
        _unique_keys(connection),
    )


def _file(path: str, is_new: bool) -> Finding:
    if is_new:
        return Finding(
            "database", "warn", f"{path} did not exist: an empty database was created", "check that workers and producers use this file"
        )
    return Finding("database", "good", f"{path}, {_megabytes(Path(path).stat().st_size)}, SQLite {sqlite3.sqlite_version}")


def _journal(connection: sqlite3.Connection) -> Finding:
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    if mode == "wal":
        return Finding("journal", "good", "write-ahead log")
    return Finding(
        "journal", "bad", f"mode {mode}", "keep the file on a local disk: the write-ahead log does not work on network file systems"
    )


def _rights(path: str) -> Finding:
    mode = stat.S_IMODE(Path(path).stat().st_mode)
    if mode & 0o007:
        return Finding(
            "rights", "warn", f"mode {mode:o}: every user of this machine can read or write messages", f"chmod o= {path} {path}-*"
        )
    return Finding("rights", "good", f"mode {mode:o}")


def _soundness(connection: sqlite3.Connection, path: str, seconds: float) -> Finding:
    """Check for damage, for up to *seconds*. SQLite checks a table in one step, so a large file is not checked at all if there is little time."""
    size = Path(path).stat().st_size
    if size > seconds * CHECKED_BYTES_PER_SECOND and seconds < DAMAGE_CHECK_SECONDS:
        return Finding("soundness", "good", f"not checked here, since {_megabytes(size)} take longer than {seconds:g} s: fq doctor does")
    deadline = monotonic() + seconds
    connection.set_progress_handler(lambda: monotonic() > deadline, 1_000)
    try:
        found = [text for (text,) in connection.execute("PRAGMA quick_check(3)")]
    except sqlite3.OperationalError as error:
        if code(error) != sqlite3.SQLITE_INTERRUPT:
            raise
        return Finding("soundness", "good", f"no damage found in {seconds:g} s; the rest was not checked")
    except sqlite3.DatabaseError as error:
        found = [str(error)]
    finally:
        connection.set_progress_handler(None, 0)
    if found == ["ok"]:
        return Finding("soundness", "good", "no damage found")
    return Finding(
        "soundness",
        "bad",
        "; ".join(found),
        f"stop all workers and producers, then restore a copy, or rescue the data with `sqlite3 {path} .recover`",
    )


def _log(path: str) -> Finding:
    log = Path(log_of(path))
    size = log.stat().st_size if log.exists() else 0
    if size > LARGE_LOG_BYTES:
        return Finding(
            "log",
            "warn",
            f"{_megabytes(size)} of write-ahead log: a long transaction of a reader keeps it from being reset",
            f"end the process that keeps a transaction open (a database browser?): try `fuser {path}`",
        )
    return Finding("log", "good", f"{_megabytes(size)} of write-ahead log")


def _room(found: Room) -> Finding:
    text = f"{_megabytes(found.free)} of {_megabytes(found.size)} are free space in the file"
    if found.free > LARGE_FREE_BYTES and found.free > found.size // 2:
        return Finding("room", "warn", text, "give it back to the disk when the load is low: fq shrink APP")
    return Finding("room", "good", text)


def _durability(synchronous: str) -> Finding:
    if synchronous == "NORMAL":
        return Finding(
            "durability",
            "good",
            "synchronous=NORMAL: a power loss may undo the latest commits, each as a whole; a killed process loses none",
        )
    if synchronous == "OFF":
        return Finding("durability", "bad", "synchronous=OFF: a power loss may destroy the file", "set synchronous to NORMAL or FULL")
    return Finding("durability", "good", f"synchronous={synchronous}: committed messages survive a power loss")


def _disk(path: str) -> Finding:
    free = shutil.disk_usage(Path(path).parent).free
    if free < LOW_DISK_BYTES:
        return Finding("disk", "warn", f"{_megabytes(free)} free", "free some space: on a full disk nothing can be sent or committed")
    return Finding("disk", "good", f"{_megabytes(free)} free")


def _unique_keys(connection: sqlite3.Connection) -> Finding:
    try:
        return unique_keys_finding(*lost_holders(connection, MAX_EXAMINED_KEYS))
    except sqlite3.DatabaseError as error:
        return Finding("unique keys", "bad", str(error), "see the line about soundness")


def _megabytes(size: int) -> str:
    return f"{size / 1024**2:,.0f} MB"
