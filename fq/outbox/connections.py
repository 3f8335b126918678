"""The connections that an outbox can use, each as a function that runs SQL. It imports none of their packages: a connection is there only if its package is."""

import re
import sqlite3
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeAlias, cast

from attrs import frozen

from fq.errors import ConfigError
from fq.outbox.table import Dialect, to_dialect

Parameters: TypeAlias = Mapping[str, object]
EXPECTED = (
    "a connection, cursor or session of sqlite3, psycopg, SQLAlchemy or Django, in whose transaction the message is written; "
    "with asend, also one of aiosqlite, or an async one of psycopg or SQLAlchemy"
)

_PARAMETER = re.compile(r":(\w+)")


class Rows(Protocol):
    """The result of a statement."""

    def fetchall(self) -> Sequence[Sequence[object]]:
        """Return all rows."""
        ...


class SqlConnection(Protocol):
    """What all connections have: those of sqlite3, psycopg and SQLAlchemy, and those of Django but for `execute`."""

    def commit(self) -> None:
        """End the transaction."""

    def rollback(self) -> None:
        """Undo the transaction."""

    def close(self) -> None:
        """Close the connection."""


class _Runner(Protocol):
    def execute(self, sql: object, parameters: Parameters, /) -> Rows: ...


class _AsyncRunner(Protocol):
    def execute(self, sql: object, parameters: Parameters, /) -> Awaitable[object]: ...


class _Session(Protocol):
    def connection(self) -> object: ...


class _AsyncSession(Protocol):
    async def connection(self) -> object: ...


class _Django(Protocol):
    vendor: str

    def cursor(self) -> _Runner: ...


@frozen
class Joined:
    """A connection that is in a transaction, as the outbox uses it: *run* takes SQL with parameters as ``:name``."""

    dialect: Dialect
    run: Callable[[str, Parameters], Rows]


@frozen
class AsyncJoined:
    """`Joined`, for the connections of async code."""

    dialect: Dialect
    run: Callable[[str, Parameters], Awaitable[object]]


def join(on: object) -> Joined:
    """
    Return *on*, a connection, as the outbox uses it.

    Raises:
        ConfigError: it is none that an outbox can use, or one for async code.
    """
    for module, names, adapt in _KINDS:
        if _is_one(on, module, names):
            return adapt(on)
    if any(_is_one(on, module, names) for module, names, _ in _ASYNC_KINDS):
        raise ConfigError(f"found {_name(on)} in send(on=...), expected asend(on=...): it is for async code")
    raise ConfigError(f"found {_name(on)}, expected {EXPECTED}")


async def ajoin(on: object) -> AsyncJoined:
    """`join`, which also takes the connections of async code."""
    for module, names, adapt in _ASYNC_KINDS:
        if _is_one(on, module, names):
            return await adapt(on)
    joined = join(on)

    async def run(sql: str, parameters: Parameters) -> object:
        return joined.run(sql, parameters)

    return AsyncJoined(joined.dialect, run)


def _is_one(value: object, module: str, names: Sequence[str]) -> bool:
    found = sys.modules.get(module)
    return found is not None and isinstance(value, tuple(getattr(found, name) for name in names))


def _name(value: object) -> str:
    return f"a {type(value).__module__}.{type(value).__qualname__}"


def _percent(sql: str) -> str:
    return _PARAMETER.sub(r"%(\1)s", sql)


def _text(sql: str) -> object:
    from sqlalchemy import text  # noqa: PLC0415  # the connection is one of SQLAlchemy's, so it is there

    return text(sql)


def _of_cursor(on: object) -> object:
    """Return the connection of *on*, if that is a cursor. Its owner may still read its rows, so it runs nothing of the outbox."""
    return getattr(on, "connection", on)


def _sqlite(on: object) -> Joined:
    def run(sql: str, parameters: Parameters) -> Rows:
        cursor = sqlite3.Cursor(cast(sqlite3.Connection, _of_cursor(on)))
        cursor.row_factory = None  # rows are tuples, whatever the connection makes of them
        return cursor.execute(sql, parameters)

    return Joined("sqlite", run)


def _psycopg(on: object) -> Joined:
    from psycopg import Connection, Cursor, rows  # noqa: PLC0415  # the connection is one of psycopg's, so it is there

    def run(sql: str, parameters: Parameters) -> Rows:
        return cast(_Runner, Cursor(cast(Connection, _of_cursor(on)), row_factory=rows.tuple_row)).execute(_percent(sql), parameters)

    return Joined("postgresql", run)


def _sqlalchemy(on: object) -> Joined:
    connection = cast(_Session, on).connection() if hasattr(on, "get_bind") else on
    return Joined(_dialect(connection), lambda sql, parameters: cast(_Runner, on).execute(_text(sql), parameters))


def _django(on: object) -> Joined:
    connection = cast(_Django, on)

    def run(sql: str, parameters: Parameters) -> Rows:
        cursor = connection.cursor()
        cursor.execute(_percent(sql), parameters)
        return cast(Rows, cursor)

    return Joined(to_dialect(connection.vendor), run)


async def _aiosqlite(on: object) -> AsyncJoined:
    return AsyncJoined("sqlite", cast(_AsyncRunner, on).execute)


async def _apsycopg(on: object) -> AsyncJoined:
    from psycopg import AsyncConnection, AsyncCursor  # noqa: PLC0415  # the connection is one of psycopg's, so it is there

    def run(sql: str, parameters: Parameters) -> Awaitable[object]:
        return cast(_AsyncRunner, AsyncCursor(cast(AsyncConnection, _of_cursor(on)))).execute(_percent(sql), parameters)

    return AsyncJoined("postgresql", run)


async def _asqlalchemy(on: object) -> AsyncJoined:
    connection = await cast(_AsyncSession, on).connection() if hasattr(on, "get_bind") else on
    return AsyncJoined(_dialect(connection), lambda sql, parameters: cast(_AsyncRunner, on).execute(_text(sql), parameters))


def _dialect(connection: object) -> Dialect:
    return to_dialect(str(getattr(getattr(connection, "dialect", None), "name", "an unknown kind")))


_KINDS: tuple[tuple[str, Sequence[str], Callable[[object], Joined]], ...] = (
    ("sqlite3", ("Connection", "Cursor"), _sqlite),
    ("psycopg", ("Connection", "Cursor"), _psycopg),
    ("sqlalchemy", ("Connection",), _sqlalchemy),
    ("sqlalchemy.orm", ("Session", "scoped_session"), _sqlalchemy),
    ("django.db.backends.base.base", ("BaseDatabaseWrapper",), _django),
    ("django.utils.connection", ("ConnectionProxy",), _django),
)

_ASYNC_KINDS: tuple[tuple[str, Sequence[str], Callable[[object], Awaitable[AsyncJoined]]], ...] = (
    ("aiosqlite", ("Connection",), _aiosqlite),
    ("psycopg", ("AsyncConnection", "AsyncCursor"), _apsycopg),
    ("sqlalchemy.ext.asyncio", ("AsyncConnection", "AsyncSession", "async_scoped_session"), _asqlalchemy),
)
