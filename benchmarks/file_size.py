"""SQLite: how large the file and its log are with a backlog, after it, and while a reader keeps a transaction open."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fq.brokers import SqliteBroker
from fq.brokers.records import ACK, ClaimRequest, Commit, EnqueueOp

BACKLOG, BODY = 50_000, b"x" * 237
MEGABYTE = 1024**2


def rows(folder: str) -> list[tuple[str, str, str]]:
    """Return the rows of the table."""
    path = Path(folder) / "sizes.db"
    broker = SqliteBroker(path)
    try:
        return list(_rows(broker, path))
    finally:
        broker.close()


def _rows(broker: SqliteBroker, path: Path) -> Iterator[tuple[str, str, str]]:
    _fill(broker)
    full = _sizes(path)
    yield f"file and log, {BACKLOG:,} messages wait", _text(full), "<= 450 bytes a message"
    _drain(broker)
    yield "file and log, all are done", _text(_sizes(path)), "the log <= 64 MB"
    _fill(broker)
    yield "file and log, as many wait again", _text(_sizes(path)), "no larger than before"
    with _reader(path):
        _drain(broker)
        yield "file and log, all are done, beside a transaction that reads", _text(_sizes(path)), "the log grows until it ends"
    _fill(broker)
    yield "file and log, after that transaction", _text(_sizes(path)), "the log <= 64 MB"


@contextmanager
def _reader(path: Path) -> Iterator[None]:
    """Keep a transaction open that reads the file as it is now."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM queues").fetchone()
    try:
        yield
    finally:
        connection.close()


def _fill(broker: SqliteBroker) -> None:
    for first in range(0, BACKLOG, 1_000):
        broker.enqueue([EnqueueOp(f"message-{number:028}", "q", "noop", 0, 0, BODY) for number in range(first, first + 1_000)])


def _drain(broker: SqliteBroker) -> None:
    commits: list[Commit] = []
    while claimed := broker.turn(commits, ClaimRequest("w", ("q",), 500)).deliveries:
        commits = [Commit(each.message_id, "q", each.token, ACK) for each in claimed]


def _sizes(path: Path) -> tuple[int, int]:
    return path.stat().st_size, Path(f"{path}-wal").stat().st_size


def _text(sizes: tuple[int, int]) -> str:
    return " and ".join(f"{size / MEGABYTE:.1f} MB" for size in sizes)
