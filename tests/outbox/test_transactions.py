"""A message is sent with the user's transaction, on each kind of connection, or not at all."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiosqlite
import psycopg
import pytest
from psycopg.rows import dict_row
from sqlalchemy import Engine, NullPool, create_engine, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from fq import App, ConfigError, OptionError, Outbox
from fq.brokers import MemoryBroker
from fq.outbox.connections import SqlConnection
from tests.outbox.conftest import Database

ADD_USER = "INSERT INTO users VALUES ('ada')"


def send_welcome(app: App, on: object) -> None:
    app.get_actor("welcome").call("ada").send(on=on)


def with_connection(app: App, database: Database, commit: bool, on_cursor: bool = False) -> None:
    connection = database.connect()
    cursor = connection.cursor()  # type: ignore[attr-defined]  # both packages have it
    cursor.execute(ADD_USER)
    send_welcome(app, cursor if on_cursor else connection)
    connection.commit() if commit else connection.rollback()
    connection.close()


def with_cursor(app: App, database: Database, commit: bool) -> None:
    with_connection(app, database, commit, on_cursor=True)


def engine_url(database: Database) -> str:
    return database.url.replace("postgresql://", "postgresql+psycopg://")


def engine_of(database: Database) -> Engine:
    return create_engine(engine_url(database), poolclass=NullPool)


def with_session(app: App, database: Database, commit: bool) -> None:
    with Session(engine_of(database)) as session:
        session.execute(text(ADD_USER))
        send_welcome(app, session)
        session.commit() if commit else session.rollback()


def with_scoped_session(app: App, database: Database, commit: bool) -> None:
    session = scoped_session(sessionmaker(engine_of(database)))
    session.execute(text(ADD_USER))
    send_welcome(app, session)
    session.commit() if commit else session.rollback()
    session.remove()


def with_engine_connection(app: App, database: Database, commit: bool) -> None:
    with engine_of(database).connect() as connection:
        connection.execute(text(ADD_USER))
        send_welcome(app, connection)
        connection.commit() if commit else connection.rollback()


WAYS = [with_connection, with_cursor, with_session, with_scoped_session, with_engine_connection]


@pytest.mark.parametrize("way", WAYS)
def test_a_committed_transaction_sends(
    app: App, database: Database, welcomed: list[str], way: Callable[[App, Database, bool], None]
) -> None:
    way(app, database, True)

    assert app.run_until_idle() == 1
    assert (welcomed, database.users(), database.rows()) == (["ada"], ["ada"], 0)


@pytest.mark.parametrize("way", WAYS)
def test_a_transaction_that_is_rolled_back_sends_nothing(
    app: App, database: Database, welcomed: list[str], way: Callable[[App, Database, bool], None]
) -> None:
    way(app, database, False)

    assert app.run_until_idle() == 0
    assert (welcomed, database.users(), database.rows()) == ([], [], 0)


async def with_async_session(app: App, database: Database, commit: bool) -> None:
    engine = create_async_engine(engine_url(database).replace("sqlite://", "sqlite+aiosqlite://"))
    async with AsyncSession(engine) as session:
        await session.execute(text(ADD_USER))
        await app.get_actor("welcome").call("ada").asend(on=session)
        await (session.commit() if commit else session.rollback())
    await engine.dispose()


async def with_async_connection(app: App, database: Database, commit: bool) -> None:
    if database.url.startswith("sqlite"):
        async with aiosqlite.connect(database.url.removeprefix("sqlite:///")) as connection:
            await connection.execute(ADD_USER)
            await app.get_actor("welcome").call("ada").asend(on=connection)
            await (connection.commit() if commit else connection.rollback())
    else:
        postgres = await psycopg.AsyncConnection.connect(database.url)
        await postgres.execute(ADD_USER)
        await app.get_actor("welcome").call("ada").asend(on=postgres)
        await (postgres.commit() if commit else postgres.rollback())
        await postgres.close()


async def with_sync_connection(app: App, database: Database, commit: bool) -> None:
    connection = database.connect()
    connection.cursor().execute(ADD_USER)  # type: ignore[attr-defined]  # both packages have it
    await app.get_actor("welcome").call("ada").asend(on=connection)
    connection.commit() if commit else connection.rollback()
    connection.close()


@pytest.mark.parametrize("commit", [True, False], ids=["committed", "rolled back"])
@pytest.mark.parametrize("way", [with_async_session, with_async_connection, with_sync_connection])
def test_async_code_sends_with_its_transaction(
    app: App, database: Database, welcomed: list[str], way: Callable[[App, Database, bool], Awaitable[None]], commit: bool
) -> None:
    async def main() -> None:
        await way(app, database, commit)

    asyncio.run(main())

    assert app.run_until_idle() == int(commit)
    assert (welcomed, database.users()) == ((["ada"], ["ada"]) if commit else ([], []))


def test_a_cursor_can_be_read_on_while_it_sends(app: App, database: Database, welcomed: list[str]) -> None:
    connection = database.connect()
    cursor = connection.cursor()  # type: ignore[attr-defined]  # both packages have it
    cursor.execute("SELECT 'ada' UNION SELECT 'bob' UNION SELECT 'eve' ORDER BY 1")
    for (name,) in cursor:
        app.get_actor("welcome").call(name).send(on=cursor)
    connection.commit()
    connection.close()

    app.run_until_idle()

    assert welcomed == ["ada", "bob", "eve"]


def test_a_cursor_of_sqlite_keeps_the_id_of_the_last_row_of_its_owner(app: App, sqlite: Database, welcomed: list[str]) -> None:
    connection = sqlite3.connect(sqlite.url.removeprefix("sqlite:///"))
    cursor = connection.execute("INSERT INTO users (rowid, name) VALUES (77, 'ada')")
    app.get_actor("welcome").call("ada").send(on=cursor)
    connection.close()

    assert cursor.lastrowid == 77


def test_an_async_cursor_can_be_read_on_while_it_sends(postgres: Database) -> None:
    app, seen = App(outbox=Outbox(postgres.url), broker=MemoryBroker()), list[str]()

    @app.actor
    def welcome(name: str) -> None:
        seen.append(name)

    async def main() -> None:
        async with await psycopg.AsyncConnection.connect(postgres.url) as connection:
            cursor = await connection.execute("SELECT 'ada' UNION SELECT 'bob' ORDER BY 1")
            async for (name,) in cursor:
                await welcome.call(name).asend(on=cursor)

    asyncio.run(main())
    app.run_until_idle()

    assert seen == ["ada", "bob"]


def rows_as_dicts(database: Database) -> SqlConnection:
    if database.url.startswith("postgresql"):
        return psycopg.connect(database.url, row_factory=dict_row, cursor_factory=psycopg.RawCursor)
    connection = sqlite3.connect(database.url.removeprefix("sqlite:///"))
    connection.row_factory = lambda cursor, row: {column[0]: value for column, value in zip(cursor.description, row, strict=True)}
    return connection


def test_rows_may_come_in_another_form(database: Database) -> None:
    app, seen = App(outbox=Outbox(lambda: rows_as_dicts(database)), broker=MemoryBroker()), list[str]()

    @app.actor
    def welcome(name: str) -> None:
        seen.append(name)

    connection = rows_as_dicts(database)
    welcome.call("ada").send(on=connection)
    connection.commit()
    connection.close()
    waiting = app.outbox.state().waiting
    app.run_until_idle()

    assert (waiting, seen) == (1, ["ada"])


def test_the_handle_is_that_of_the_message(app: App, database: Database) -> None:
    @app.actor(store_results=True)
    def double(n: int) -> int:
        return 2 * n

    connection = database.connect()
    handle = double.call(21).send(on=connection)
    connection.commit()
    connection.close()
    app.run_until_idle()

    assert handle.get_result() == 42


def test_a_workflow_is_one_row(app: App, database: Database) -> None:
    @app.actor(store_results=True)
    def double(n: int) -> int:
        return 2 * n

    @app.actor(store_results=True)
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    connection = database.connect()
    handle = (app.group([double.call(1), double.call(2)]) | total).send(on=connection)
    other = (double.call(1) | double).send(on=connection)
    connection.commit()
    connection.close()

    assert database.rows() == 2
    app.run_until_idle()
    assert (handle.get_result(), other.get_result()) == (6, 4)


def test_many_calls_are_sent_with_one_transaction(app: App, database: Database, welcomed: list[str]) -> None:
    connection = database.connect()
    app.send_many([app.get_actor("welcome").call(name) for name in ("ada", "bob", "eve")], on=connection)
    connection.commit()
    connection.close()
    app.run_until_idle()

    assert welcomed == ["ada", "bob", "eve"]


def test_a_connection_is_asked_for(app: App, welcomed: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"found a builtins\.NoneType, expected a connection, cursor or session"):
        send_welcome(app, None)
    with pytest.raises(ConfigError, match="found a builtins"):
        send_welcome(app, "shop.db")


def test_a_connection_of_async_code_needs_asend(app: App, sqlite: Database, welcomed: list[str]) -> None:
    async def main() -> None:
        async with aiosqlite.connect(sqlite.url.removeprefix("sqlite:///")) as connection:
            with pytest.raises(ConfigError, match=r"expected asend\(on=\.\.\.\)"):
                send_welcome(app, connection)

    asyncio.run(main())


def test_an_app_without_an_outbox_says_so() -> None:
    app = App("memory://")

    @app.actor
    def welcome(name: str) -> None: ...

    with pytest.raises(ConfigError, match=r"expected App\(\.\.\., outbox=Outbox\(database\)\)"):
        welcome.call("ada").send(on=sqlite3.connect(":memory:"))


def test_a_database_without_the_table_says_what_makes_it(app: App, welcomed: list[str]) -> None:
    with pytest.raises(sqlite3.OperationalError) as raised:
        send_welcome(app, sqlite3.connect(":memory:"))

    assert "create_table" in raised.value.__notes__[0]


@pytest.mark.parametrize("conflict", ["raise", "replace"])
def test_a_conflict_that_needs_the_broker_is_refused(app: App, database: Database, welcomed: list[str], conflict: str) -> None:
    connection = database.connect()
    call = app.get_actor("welcome").call("ada").unique("ada", on_conflict=conflict)  # type: ignore[arg-type]  # one of the two

    with pytest.raises(OptionError, match="expected 'keep' or 'after'"):
        call.send(on=connection)
    connection.rollback()
    connection.close()
    assert database.rows() == 0


def test_other_databases_are_refused() -> None:
    with pytest.raises(ConfigError, match="expected sqlite:///file"):
        Outbox("mysql://localhost/shop")
    with pytest.raises(ConfigError, match="expected a URL, a function that connects"):
        Outbox(3)  # type: ignore[arg-type]  # the test
    with pytest.raises(ConfigError, match="expected letters, digits and _"):
        Outbox("sqlite:///shop.db", table="a; drop table users")


def test_the_password_of_the_database_is_not_shown() -> None:
    assert "hunter2" not in repr(Outbox("postgresql://shop:hunter2@db/shop"))


def test_an_engine_is_a_database(tmp_path: Path) -> None:
    app = App("memory://", outbox=Outbox(create_engine(f"sqlite:///{tmp_path}/shop.db", poolclass=NullPool)))
    seen: list[str] = []

    @app.actor
    def welcome(name: str) -> None:
        seen.append(name)

    app.outbox.create_table()
    shop = sqlite3.connect(tmp_path / "shop.db")
    with shop:
        welcome.call("ada").send(on=shop)
    shop.close()
    app.run_until_idle()

    assert seen == ["ada"]
