"""Errors of PostgreSQL as errors of fq, which say what to do: which database, what was found, what was expected."""

from typing import Any

import psycopg

from fq.errors import BrokerError, BrokerUnavailable, ConfigError, FqError

RETRIED = frozenset({"40001", "40P01"})
"""A serialization failure, and a deadlock: PostgreSQL has undone the transaction, which may be repeated."""

NOT_PLAIN = "FQ001"
"""``fq.plain_turn`` has found that the turn must be taken alone."""

SHUT_DOWN = frozenset({"57P01", "57P02", "57P03", "25006"})
"""The server shuts down, starts, or has become one that is only read, after a failover."""

LOST = "08"
"""The class of the errors about connections."""

FULL = "53"
"""The class of the errors about resources: disk, memory, connections."""

REFUSED = frozenset({"28P01", "28000", "3D000", "42501", "3F000"})
"""A wrong password, an unknown user, database or schema, or a missing right."""


NOT_PREPARED = frozenset({"26000", "42P05"})
"""A prepared statement is not there, or is there already: the connection of the transaction is another one than before."""


def is_lost(error: psycopg.Error, connection: "psycopg.Connection[Any]") -> bool:
    """Must the connection be opened again after *error*?"""
    state = error.sqlstate or ""
    return connection.closed or connection.broken or state in SHUT_DOWN or state.startswith(LOST)


def translate(error: psycopg.Error, name: str, lock_timeout: int) -> FqError:
    """Return *error* of the database called *name* as an error of fq."""
    where, state, text = f"PostgreSQL at {name}", error.sqlstate or "", " ".join(str(error).split())
    if state == "55P03":
        return BrokerUnavailable(
            f"{where}: found a lock held for longer than lock_timeout={lock_timeout} ms; "
            "end the transaction that keeps it: see pg_stat_activity, or type: fq doctor APP"
        )
    if state.startswith(FULL):
        return BrokerUnavailable(
            f"{where}: {text}, nothing of this call was applied; give the server more room or connections, and try again"
        )
    if state in NOT_PREPARED:
        return ConfigError(
            f"{where}: {text}; a pool such as PgBouncer gives each transaction another connection; add to the URL: listen=false"
        )
    if state in REFUSED or "password authentication failed" in text or "does not exist" in text:
        return ConfigError(f"{where}: {text}; check the URL, and what the role may do")
    if state in {"54000", "22P05"}:
        return BrokerError(f"{where}: {text}; store large data elsewhere and send its address")
    if not state or state in SHUT_DOWN or state.startswith(LOST) or state in RETRIED or state == "57014":
        return BrokerUnavailable(f"{where}: {text or type(error).__name__}; check that the server runs and can be reached")
    return BrokerError(f"{where}: {type(error).__name__}: {text}; nothing of this call was applied")
