"""What ``fq doctor`` has to say about a SQLite database and the disk that it is on."""

import shutil
import sqlite3
from pathlib import Path

from fq.brokers.findings import Finding

LITTLE = 1024**3
"""Less free space than this, in bytes, is worth a word."""


def checkup(connection: sqlite3.Connection, path: str, synchronous: str, is_new: bool) -> tuple[Finding, ...]:
    """Return what there is to say; *is_new*: the file was not there until somebody asked."""
    return (_file(path, is_new), _journal(connection), _durability(synchronous), _disk(path))


def _file(path: str, is_new: bool) -> Finding:
    if is_new:
        return Finding(
            "database", "warn", f"{path} was not there, an empty one has been made", "see if it is the file that workers and producers use"
        )
    return Finding("database", "good", f"{path}, {_megabytes(Path(path).stat().st_size)}, SQLite {sqlite3.sqlite_version}")


def _journal(connection: sqlite3.Connection) -> Finding:
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    if mode == "wal":
        return Finding("journal", "good", "write-ahead log")
    return Finding("journal", "bad", f"mode {mode}", "keep the file on a local disk: a write-ahead log does not work over a network")


def _durability(synchronous: str) -> Finding:
    if synchronous == "NORMAL":
        return Finding(
            "durability",
            "good",
            "synchronous=NORMAL: a loss of power may undo the last moments, wholly; the death of a process undoes nothing",
        )
    if synchronous == "OFF":
        return Finding("durability", "bad", "synchronous=OFF: a loss of power may destroy the file", "set synchronous to NORMAL or FULL")
    return Finding("durability", "good", f"synchronous={synchronous}: what was committed survives a loss of power")


def _disk(path: str) -> Finding:
    free = shutil.disk_usage(Path(path).parent).free
    if free < LITTLE:
        return Finding("disk", "warn", f"{_megabytes(free)} free", "make room: on a full disk nothing can be sent or committed")
    return Finding("disk", "good", f"{_megabytes(free)} free")


def _megabytes(size: int) -> str:
    return f"{size / 1024**2:,.0f} MB"
