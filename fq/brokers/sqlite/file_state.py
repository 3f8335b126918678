"""
One row that a file keeps about itself: its id, how far its main file is behind its log, and the time.

The functions here take the connection of a `Database`. The schema version does not count this table: an fq that does not know it works all the same.
"""

import sqlite3

from attrs import frozen

from fq.brokers.clock import Clock, SystemClock
from fq.brokers.steady_time import Course

TABLE = (
    """
    CREATE TABLE IF NOT EXISTS meta (
        row    INTEGER PRIMARY KEY CHECK (row = 1),
        id     TEXT NOT NULL,
        marks  INTEGER NOT NULL DEFAULT 0,
        behind INTEGER NOT NULL DEFAULT 0,
        boot   TEXT NOT NULL DEFAULT '',
        base   INTEGER NOT NULL DEFAULT 0,
        offset INTEGER NOT NULL DEFAULT 0,
        since  INTEGER NOT NULL DEFAULT 0,
        latest INTEGER NOT NULL DEFAULT 0
    )
    """,
    "INSERT OR IGNORE INTO meta (row, id) VALUES (1, lower(hex(randomblob(16))))",
)
"""`marks` grows with each mark, `behind` is how many the main file had then; the others are the clock: a `Course`, and the latest time."""

READ_MARKS = "SELECT id, marks, behind FROM meta"

READ_CLOCK = "SELECT boot, base, offset, since, latest FROM meta"

MARK = "UPDATE meta SET marks = marks + 1, behind = max(behind, ?)"

STORE_CLOCK = "UPDATE meta SET boot = ?, base = ?, offset = ?, since = ?, latest = max(latest, ?)"

NEW_IDENTITY = (
    "UPDATE meta SET id = lower(hex(randomblob(16)))",
    "UPDATE tokens SET latest = latest + 1 + (random() & 0xFFFFFFFFFF)",
)
"""Make a copy another database than its original."""


@frozen
class Marks:
    """The id of the database, how many marks were written to it, and how many of them the main file had at the latest one."""

    id: str
    marks: int
    behind: int


def read_marks(connection: sqlite3.Connection) -> Marks:
    """Return the marks that *connection* sees."""
    return Marks(*connection.execute(READ_MARKS).fetchone())


def add_mark(connection: sqlite3.Connection, in_main_file: int) -> None:
    """Write one more mark; the main file has *in_main_file* of them by now."""
    connection.execute(MARK, (in_main_file,))


def read_clock(connection: sqlite3.Connection, clock: Clock) -> None:
    """Let *clock* follow the course that all processes follow."""
    if isinstance(clock, SystemClock):
        clock.share(*_kept(connection))


def store_clock(connection: sqlite3.Connection, clock: Clock) -> None:
    """Do the same, and store what *clock* has found out about the host; inside a transaction that writes."""
    if isinstance(clock, SystemClock):
        course = clock.share(*_kept(connection))
        connection.execute(STORE_CLOCK, (course.boot, course.base, course.offset, course.since, clock.unadvanced))


def assign_new_identity(connection: sqlite3.Connection) -> None:
    """Make this another database: no claim of the original is current in it."""
    for statement in NEW_IDENTITY:
        connection.execute(statement)


def fence(connection: sqlite3.Connection) -> None:
    """Let no future claim have the token of a claim in another file at the same path."""
    connection.execute(NEW_IDENTITY[1])


def _kept(connection: sqlite3.Connection) -> tuple[Course | None, int]:
    boot, base, offset, since, latest = connection.execute(READ_CLOCK).fetchone()
    return Course(boot, base, offset, since) if boot else None, latest
