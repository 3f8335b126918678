"""`Outbox`: the value that says where the table is, and how to reach it."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, Protocol, cast, runtime_checkable

from attrs import Factory, define, field, frozen, validators

from fq.brokers.protocol import Broker
from fq.brokers.redaction import without_password
from fq.core.duration import to_ms
from fq.core.outcome import Enqueue
from fq.errors import ConfigError
from fq.execution.message_source import SourceState
from fq.outbox.connections import Joined, SqlConnection, ajoin, join
from fq.outbox.django_database import connect_django
from fq.outbox.relay import Relay, read_state
from fq.outbox.rows import to_post
from fq.outbox.table import DEFAULT_TABLE, check_name, create_statements, insert_sql, retry_sql
from fq.runtime.fresh_ids import fresh_id
from fq.runtime.process_id import pid

DEFAULT_REMEMBER_MS = 86_400_000
DEFAULT_POLL_MS = 1_000


@runtime_checkable
class Engine(Protocol):
    """An engine of SQLAlchemy."""

    def connect(self) -> SqlConnection:
        """Return a connection."""
        ...

    def dispose(self, close: bool = True) -> None:
        """Begin with an empty pool; without *close*, leave the connections as they are."""


@define(eq=False)
class _ForkedEngine:
    """Mutable: an engine, and the process that its pool belongs to. A fork has a copy of the pool, and must not talk through connections of its parent."""

    engine: Engine
    owner: int = field(factory=pid)

    def connect(self) -> SqlConnection:
        if self.owner != pid():
            self.engine.dispose(close=False)
            self.owner = pid()
        return self.engine.connect()


@frozen
class Outbox:
    """
    A table in your own database. ``call.send(on=connection)`` writes a message there, in your transaction; a worker moves it to the broker.

    A message is sent if the transaction commits, whatever happens to your process or to the broker after that, and not if it rolls back.

    >>> import sqlite3
    >>> from fq import App, Outbox
    >>> shop = sqlite3.connect("file:shop?mode=memory&cache=shared", uri=True)
    >>> app = App("memory://", outbox=Outbox(lambda: sqlite3.connect("file:shop?mode=memory&cache=shared", uri=True)))
    >>> @app.actor
    ... def welcome(user: str) -> None: ...
    >>> app.outbox.create_table(shop)
    >>> with shop:  # one transaction
    ...     handle = welcome.call("ada").send(on=shop)
    >>> app.run_until_idle()
    1

    Args:
        database: how the worker reaches the database: a function without arguments that returns a new connection of sqlite3 or psycopg; an engine of
            SQLAlchemy, not an async one; or a URL: ``sqlite:///shop.db``, ``postgresql://host/shop``, or ``django:default`` with the alias of a
            database of Django.

        table: the name of the table. Default: ``fq_outbox``.

        poll: how long a worker that finds no rows waits until it looks again, at most, ms. Default: 1 s.

        remember: how long the broker remembers a row that was moved, ms; a worker that was killed between the two databases must start again within
            that. Default: 1 day.

    Raises:
        ConfigError: a database or a name of a table that fq cannot use.
    """

    database: str | Callable[[], object] | Engine = field(repr=lambda database: repr(_shown(database)))
    table: str = field(default=DEFAULT_TABLE, kw_only=True, converter=check_name)
    poll: int = field(default=DEFAULT_POLL_MS, kw_only=True, converter=to_ms, validator=validators.gt(0))
    remember: int = field(default=DEFAULT_REMEMBER_MS, kw_only=True, converter=to_ms, validator=validators.gt(0))

    _engine: _ForkedEngine | None = field(
        init=False,
        eq=False,
        repr=False,
        default=Factory(lambda self: _ForkedEngine(self.database) if isinstance(self.database, Engine) else None, takes_self=True),
    )

    def __attrs_post_init__(self) -> None:
        if isinstance(self.database, str):
            scheme = self.database.partition(":")[0]
            if scheme not in ("sqlite", "postgresql", "postgres", "django"):
                raise ConfigError(f"found {scheme}: in an outbox, expected sqlite:///file, postgresql://host/name or django:alias")
        elif not isinstance(self.database, Engine) and not callable(self.database):
            raise ConfigError(
                f"found {self.database!r}, expected a URL, a function that connects, or an engine of SQLAlchemy as the database"
            )

    def connect(self) -> tuple[SqlConnection, Joined]:
        """Return a new connection; in a test case of Django that of the test."""
        if isinstance(self.database, str) and self.database.startswith("django:"):
            return connect_django(self.database.removeprefix("django:"))
        connection = _connection(cast(Any, self.database)) if self._engine is None else self._engine.connect()
        return cast(SqlConnection, connection), join(connection)

    def create_table(self, on: object | None = None) -> None:
        """Make the table, unless it is there; with *on*, in the transaction of that connection. A migration does the same: `create_statements`."""
        if on is not None:
            joined = join(on)
            for statement in create_statements(joined.dialect, self.table):
                joined.run(statement, {})
            return
        connection, _ = self.connect()
        with closing(connection):
            self.create_table(connection)
            connection.commit()

    def write(self, on: object, enqueues: Sequence[Enqueue], now: int) -> None:
        """Write *enqueues*, which start one call, in the transaction of *on*."""
        joined = join(on)
        try:
            joined.run(insert_sql(self.table, joined.dialect), self._row(enqueues, now))
        except Exception as error:
            error.add_note(self._hint())
            raise

    async def awrite(self, on: object, enqueues: Sequence[Enqueue], now: int) -> None:
        """`write`, for async code."""
        joined = await ajoin(on)
        try:
            await joined.run(insert_sql(self.table, joined.dialect), self._row(enqueues, now))
        except Exception as error:
            error.add_note(self._hint())
            raise

    def relay(self, broker: Broker, on_enqueued: Callable[[Enqueue], None]) -> Relay:
        """Return what moves the rows to *broker*. A worker has its own."""
        return Relay(self.connect, self.table, self.poll, self.remember, broker, on_enqueued)

    def state(self) -> SourceState:
        """Return how many messages wait in the table, and how long they have."""
        connection, joined = self.connect()
        with closing(connection):
            return read_state(joined, self.table)

    def retry(self) -> None:
        """Take back the rows that were put aside, since they could not be sent."""
        connection, joined = self.connect()
        with closing(connection):
            joined.run(retry_sql(self.table), {})
            connection.commit()

    def _row(self, enqueues: Sequence[Enqueue], now: int) -> dict[str, object]:
        return {"id": fresh_id(now), "post": to_post(enqueues)}

    def _hint(self) -> str:
        return f"fq writes to the table {self.table}: a migration makes it with fq.outbox.create_statements, or Outbox.create_table does"


def _shown(database: str | Callable[[], object] | Engine) -> object:
    return without_password(database) if isinstance(database, str) else database


def _connection(database: str | Callable[[], object]) -> object:
    if not isinstance(database, str):
        return database()
    scheme, _, rest = database.partition(":")
    if scheme == "sqlite":
        return sqlite3.connect(rest.removeprefix("///"), timeout=10.0)
    try:
        import psycopg  # noqa: PLC0415  # only where it is asked for
    except ImportError:
        raise ConfigError(f"found {scheme}: as the database of an outbox, but no psycopg: pip install 'fq[postgres]'") from None
    return psycopg.connect(database)
