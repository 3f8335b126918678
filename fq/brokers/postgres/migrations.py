"""The versions of fq's tables in PostgreSQL: made where there are none, upgraded by ``fq migrate``, refused if they are of another version."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import psycopg

from fq.errors import ConfigError

SCHEMA_VERSION = 4
"""The version of these tables and functions."""

OLDEST_SERVER = 140_000
"""PostgreSQL 14."""

UPGRADES: Mapping[int, Sequence[str]] = {
    1: (
        "ALTER TABLE fq.messages ADD COLUMN size integer NOT NULL DEFAULT 0",
        "UPDATE fq.messages m SET size = length(b.body) FROM fq.bodies b WHERE b.seq = m.seq",
    ),
    2: ("CREATE INDEX dead_by_kind ON fq.dead (queue, left(actor, 200), left(error, 200), died_at, seq)",),
    3: (),
}
"""By version, the statements that upgrade its tables to the next. The functions are made anew each time."""

META = "CREATE TABLE fq.meta (row integer PRIMARY KEY CHECK (row = 1), version integer NOT NULL)"

LOCK = "SELECT pg_advisory_xact_lock(18033)"
"""One migration at a time."""


def _script(name: str) -> str:
    return (files("fq.brokers.postgres") / "sql" / name).read_text()


def _for(statement: str, schema: str) -> bytes:
    return statement.replace("fq.", f'"{schema}".').encode()


def version(connection: "psycopg.Connection[Any]", schema: str) -> int:
    """Return the version of the tables in *schema*; 0 if there are none, -1 if there are those of another application."""
    row = connection.execute(
        "SELECT to_regclass(%s) IS NOT NULL, EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = %s)", (f'"{schema}".meta', schema)
    ).fetchone()
    has_meta, has_tables = row or (False, False)
    if not has_meta:
        return -1 if has_tables else 0
    found = connection.execute(_for("SELECT version FROM fq.meta", schema)).fetchone()
    return int(found[0]) if found else -1


def check_schema(found: int, schema: str, name: str) -> None:
    """
    Accept tables of version *found*.

    Raises:
        ConfigError: they are of another version, or not fq's.
    """
    if found == SCHEMA_VERSION:
        return
    where = f"PostgreSQL at {name}, schema {schema!r}"
    if found == -1:
        raise ConfigError(f"{where}: found tables of another application, expected fq's or none; give fq a schema of its own: ?schema=fq")
    if found > SCHEMA_VERSION:
        raise ConfigError(
            f"{where}: found version {found} of fq's tables, expected {SCHEMA_VERSION}; they were made by a newer fq: pip install --upgrade fq"
        )
    raise ConfigError(
        f"{where}: found version {found} of fq's tables, expected {SCHEMA_VERSION}; stop all workers, and type: fq migrate APP"
    )


def create_if_empty(connection: "psycopg.Connection[Any]", schema: str, name: str) -> None:
    """
    Make the tables if there are none.

    Raises:
        ConfigError: there are tables of another version, or of another application, or the server is too old.
    """
    if connection.info.server_version < OLDEST_SERVER:
        raise ConfigError(f"PostgreSQL at {name}: found version {connection.info.server_version // 10_000}, expected 14 or newer")
    found = version(connection, schema) or migrate(connection, schema, name)[1]
    check_schema(found, schema, name)


def migrate(connection: "psycopg.Connection[Any]", schema: str, name: str) -> tuple[int, int]:
    """
    Make the tables if there are none, upgrade older ones, and return the versions before and after.

    Raises:
        ConfigError: the tables are newer, or those of another application.
    """
    with connection.transaction():
        connection.execute(LOCK)
        before = version(connection, schema)
        if before == SCHEMA_VERSION:
            return before, before
        if before < 0 or before > SCHEMA_VERSION:
            check_schema(before, schema, name)
        if before == 0:
            if connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,)).fetchone() is None:
                connection.execute(f'CREATE SCHEMA "{schema}"'.encode())
            connection.execute(_for(META, schema))
            connection.execute(_for("INSERT INTO fq.meta VALUES (1, 0)", schema))
            connection.execute(_for(_script("tables.sql"), schema))
        for old in range(before or SCHEMA_VERSION, SCHEMA_VERSION):
            for statement in UPGRADES[old]:
                connection.execute(_for(statement, schema))
        connection.execute(_for(_script("functions.sql"), schema))
        connection.execute(_for("UPDATE fq.meta SET version = %s", schema), (SCHEMA_VERSION,))
    return before, SCHEMA_VERSION
