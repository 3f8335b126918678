"""The tables of a SQLite broker, and the requirements on a file."""

import sqlite3
from collections.abc import Sequence

from fq.brokers.planning.states import DELAYED, READY, RUNNING
from fq.brokers.sqlite import file_state
from fq.errors import ConfigError

OLDEST_SQLITE = (3, 35, 0)
"""The first release of SQLite that has RETURNING."""

APPLICATION_ID = 0x66710001
"""The mark of fq in the header of a file."""

SCHEMA_VERSION = 5
"""The version of these tables; the file has it in ``user_version``."""

WORKFLOWS = (
    "CREATE INDEX results_held ON results (hold) WHERE hold <> ''",
    # What follows a group: enqueues, with their bodies, which are cut where the values go, and where the time goes.
    """
    CREATE TABLE followups (
        group_name TEXT NOT NULL, number INTEGER NOT NULL, message_id TEXT NOT NULL, queue TEXT NOT NULL, actor TEXT NOT NULL, priority INTEGER NOT NULL,
        delay INTEGER NOT NULL, head INTEGER NOT NULL, tail INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (group_name, number)
    ) WITHOUT ROWID
    """,
)

_ONE_MORE = "INSERT INTO mark_counts VALUES (new.list, 1) ON CONFLICT (list) DO UPDATE SET count = count + 1;"

_ONE_LESS = "UPDATE mark_counts SET count = count - 1 WHERE list = old.list; DELETE FROM mark_counts WHERE list = old.list AND count = 0;"
RETRYING = (f"CREATE INDEX messages_retrying ON messages (due, queue) WHERE state = {DELAYED} AND fault IS NOT NULL",)

DEAD = (
    # Many letters may die at one moment, and their order is that of their seq. The queue is there to be counted.
    "CREATE INDEX dead_in_order ON dead (died_at, seq, queue)",
    # Letters of the same kind are side by side: `fq.brokers.sqlite.dead_kinds` skips from one kind to the next.
    "CREATE INDEX dead_by_kind ON dead (queue, actor, error, died_at)",
)

SMALL_RECORDS = (
    # A mark; `until` is 0 if it never ends. Its place in the index `list` is (place, key).
    """
    CREATE TABLE marks (
        key TEXT PRIMARY KEY, until INTEGER NOT NULL, list TEXT NOT NULL, place INTEGER NOT NULL, body BLOB NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE INDEX marks_listed ON marks (list, place, key, until) WHERE list <> ''",
    "CREATE INDEX marks_until ON marks (until) WHERE until > 0",
    # How many marks an index lists. To count them at each mark that is set would cost more than the mark.
    "CREATE TABLE mark_counts (list TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID",
    f"CREATE TRIGGER mark_added AFTER INSERT ON marks WHEN new.list <> '' BEGIN {_ONE_MORE} END",
    f"CREATE TRIGGER mark_deleted AFTER DELETE ON marks WHEN old.list <> '' BEGIN {_ONE_LESS} END",
    f"CREATE TRIGGER mark_came AFTER UPDATE OF list ON marks WHEN new.list <> old.list AND new.list <> '' BEGIN {_ONE_MORE} END",
    f"CREATE TRIGGER mark_left AFTER UPDATE OF list ON marks WHEN new.list <> old.list AND old.list <> '' BEGIN {_ONE_LESS} END",
    # A unique key, while it is `held`, and until its window ends. `at_start` says whether the claim of the holder frees it, `aside_at_start` the same of the
    # message that is put aside. The holder of a held key may be gone: an older fq ends messages without freeing their keys.
    """
    CREATE TABLE unique_keys (
        key            TEXT PRIMARY KEY,
        holder         TEXT NOT NULL,
        since          INTEGER NOT NULL,
        until          INTEGER NOT NULL,
        held           INTEGER NOT NULL,
        at_start       INTEGER NOT NULL,
        aside          TEXT NOT NULL,
        aside_at_start INTEGER NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE INDEX unique_keys_by_holder ON unique_keys (holder) WHERE held",
    "CREATE INDEX unique_keys_by_aside ON unique_keys (aside) WHERE aside <> ''",
    "CREATE INDEX unique_keys_until ON unique_keys (until) WHERE NOT held",
    """
    CREATE TABLE counters (
        bucket TEXT NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (bucket, name)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX counters_until ON counters (until)",
)

TABLES = (
    # A message that waits or runs. Its place in the order is (due, seq). There is a partial index for each state: a change of state costs two index
    # entries, and nothing has to be searched for. `token` is 0 unless it runs.
    """
    CREATE TABLE messages (
        seq         INTEGER PRIMARY KEY,
        message_id  TEXT NOT NULL,
        queue       TEXT NOT NULL,
        actor       TEXT NOT NULL,
        priority    INTEGER NOT NULL,
        state       INTEGER NOT NULL,
        due         INTEGER NOT NULL,
        token       INTEGER NOT NULL DEFAULT 0,
        worker      TEXT NOT NULL DEFAULT '',
        deliveries  INTEGER NOT NULL DEFAULT 0,
        claimed     INTEGER NOT NULL DEFAULT 0,
        interrupted TEXT NOT NULL DEFAULT '',
        fault       TEXT,
        body        BLOB NOT NULL
    )
    """,
    "CREATE UNIQUE INDEX messages_by_id ON messages (message_id)",
    f"CREATE INDEX messages_delayed ON messages (due, queue) WHERE state = {DELAYED}",
    f"CREATE INDEX messages_ready ON messages (queue, priority, due) WHERE state = {READY}",
    f"CREATE INDEX messages_running ON messages (worker, token) WHERE state = {RUNNING}",
    "CREATE TABLE queues (name TEXT PRIMARY KEY, paused INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID",
    # `queues` are those that the worker has asked for, as JSON, distinct and sorted.
    """
    CREATE TABLE workers (
        name        TEXT PRIMARY KEY,
        lease_until INTEGER NOT NULL,
        turns       INTEGER NOT NULL DEFAULT 0,
        queues      TEXT NOT NULL DEFAULT '[]'
    ) WITHOUT ROWID
    """,
    # Marks of cancelled messages, until they end; `told` is the token of the claim whose worker knows.
    "CREATE TABLE cancelled (message_id TEXT PRIMARY KEY, told INTEGER NOT NULL) WITHOUT ROWID",
    # The latest token; one row.
    "CREATE TABLE tokens (latest INTEGER NOT NULL)",
    "INSERT INTO tokens VALUES (0)",
    # A result that waits for the end of its workflow is kept for `ttl` ms after the group `hold` is complete.
    """
    CREATE TABLE results (
        message_id TEXT PRIMARY KEY, until INTEGER NOT NULL, body BLOB NOT NULL, hold TEXT NOT NULL DEFAULT '', ttl INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID
    """,
    *WORKFLOWS,
    "CREATE INDEX results_until ON results (until)",
    "CREATE TABLE groups (name TEXT PRIMARY KEY, arrived INTEGER NOT NULL, complete INTEGER NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX groups_until ON groups (until)",
    "CREATE TABLE members (group_name TEXT NOT NULL, member INTEGER NOT NULL, value BLOB NOT NULL, PRIMARY KEY (group_name, member)) WITHOUT ROWID",
    # `error` is the type of the fault, for searches; `fault` is all of it, as JSON.
    """
    CREATE TABLE dead (
        seq         INTEGER PRIMARY KEY AUTOINCREMENT,
        message_id  TEXT NOT NULL UNIQUE,
        queue       TEXT NOT NULL,
        actor       TEXT NOT NULL,
        priority    INTEGER NOT NULL,
        error       TEXT NOT NULL,
        fault       TEXT NOT NULL,
        died_at     INTEGER NOT NULL,
        body        BLOB NOT NULL
    )
    """,
    *DEAD,
    *RETRYING,
    *SMALL_RECORDS,
)

UPGRADES = {
    1: ("ALTER TABLE workers ADD COLUMN queues TEXT NOT NULL DEFAULT '[]'",),
    2: (
        "ALTER TABLE results ADD COLUMN hold TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE results ADD COLUMN ttl INTEGER NOT NULL DEFAULT 0",
        *WORKFLOWS,
    ),
    3: (*RETRYING, *SMALL_RECORDS),
    4: ("DROP INDEX dead_by_time", *DEAD),
}
"""By version, the statements that upgrade its tables to the next. An older fq that has the file open must go on working."""


def check_library() -> None:
    """
    Accept the SQLite library if it is new enough.

    Raises:
        ConfigError: it is not.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        expected = ".".join(map(str, OLDEST_SQLITE))
        raise ConfigError(
            f"found SQLite {sqlite3.sqlite_version}, expected {expected} or newer; use a newer Python, or another broker: redis://"
        )


def prepare(connection: sqlite3.Connection, path: str) -> None:
    """
    Create the tables if there are none, and upgrade older ones.

    Raises:
        ConfigError: the file belongs to another application, or to a newer fq.
    """
    if _version(connection, path) == SCHEMA_VERSION and _has_meta(connection):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in (*_missing(_version(connection, path)), *file_state.TABLE):  # none if another process was faster
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _missing(version: int) -> Sequence[str]:
    """Return the statements that upgrade tables of *version*, 0 for none, to those of today."""
    return [statement for old in range(version, SCHEMA_VERSION) for statement in UPGRADES[old]] if version else TABLES


def _has_meta(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone() is not None


def _version(connection: sqlite3.Connection, path: str) -> int:
    """Return the version of the tables in the file, 0 for an empty file."""
    application, version, tables = connection.execute(
        "SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_master)"
    ).fetchone()
    if application != APPLICATION_ID and (application or tables):
        raise ConfigError(
            f"SQLite database {path}: found tables of another application, expected a database of fq's or none; give fq a file of its own"
        )
    if version > SCHEMA_VERSION:
        raise ConfigError(
            f"SQLite database {path}: found version {version} of fq's tables, expected at most {SCHEMA_VERSION}; "
            "it was made by a newer fq: pip install --upgrade fq"
        )
    return int(version)
