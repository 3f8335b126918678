"""The databases that an outbox can be in: a file of SQLite, and a PostgreSQL server that these tests start."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from attrs import frozen

from fq import App, Outbox
from fq.brokers import MemoryBroker
from fq.outbox.connections import SqlConnection, join
from tests.postgres_server import postgres_url


@frozen
class Database:
    """A database with an empty table for an outbox, and one of the user's own."""

    url: str
    connect: Callable[[], SqlConnection]

    def users(self) -> list[object]:
        """Return what the user's own table has, by a connection of its own."""
        connection = self.connect()
        found = join(connection).run("SELECT name FROM users ORDER BY name", {}).fetchall()
        connection.close()
        return [name for (name,) in found]

    def rows(self) -> int:
        """Return how many rows the outbox has."""
        connection = self.connect()
        ((count,),) = join(connection).run("SELECT count(*) FROM fq_outbox", {}).fetchall()
        connection.close()
        return int(str(count))

    def execute(self, sql: str) -> None:
        """Run *sql* in a transaction of its own."""
        connection = self.connect()
        join(connection).run(sql, {})
        connection.commit()
        connection.close()


@pytest.fixture
def sqlite(tmp_path: Path) -> Database:
    url = f"sqlite:///{tmp_path}/shop.db"
    database = Database(url, lambda: sqlite3.connect(tmp_path / "shop.db", timeout=10))
    Outbox(url).create_table()
    database.execute("CREATE TABLE users (name text)")
    return database


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Database]:
    server = postgres_url()
    schema = f"t{abs(hash(tmp_path)):x}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    url = f"{server}&options=-csearch_path%3D{schema}"
    database = Database(url, lambda: psycopg.connect(url))
    Outbox(url).create_table()
    database.execute("CREATE TABLE users (name text)")
    yield database
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.xdist_group("postgres"))])
def database(request: pytest.FixtureRequest) -> Database:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Database)
    return found


@pytest.fixture
def app(database: Database) -> App:
    return App(broker=MemoryBroker(), outbox=Outbox(database.connect, poll=20))


@pytest.fixture
def welcomed(app: App) -> list[str]:
    """The arguments with which the actor ``welcome`` of *app* has run."""
    seen: list[str] = []

    @app.actor
    def welcome(name: str) -> None:
        seen.append(name)

    return seen
