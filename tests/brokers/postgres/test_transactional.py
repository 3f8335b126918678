"""`send(on=connection)` without an outbox: the message is in the broker if the user's transaction commits, and not otherwise."""

import asyncio
import sqlite3
import subprocess
import sys
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from sqlalchemy import NullPool, create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from fq import App, ConfigError, OptionError
from fq.brokers.postgres import PostgresBroker
from fq.brokers.postgres.transaction import Transaction
from tests.postgres_server import postgres_url


@pytest.fixture
def app(broker: PostgresBroker) -> App:
    return App(broker=broker)


@pytest.fixture
def welcomed(app: App) -> list[str]:
    seen: list[str] = []

    @app.actor
    def welcome(name: str) -> None:
        seen.append(name)

    return seen


@pytest.mark.parametrize("commits", [True, False])
def test_a_message_is_sent_with_the_transaction(app: App, welcomed: list[str], commits: bool) -> None:
    with psycopg.connect(postgres_url()) as connection:
        app.get_actor("welcome").call("ada").send(on=connection)
        assert app.run_until_idle() == 0
        connection.commit() if commits else connection.rollback()
    app.run_until_idle()

    assert welcomed == (["ada"] if commits else [])


def test_a_message_is_sent_with_a_transaction_of_sqlalchemy(app: App, welcomed: list[str]) -> None:
    url = postgres_url().replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        app.get_actor("welcome").call("ada").send(on=connection)
    app.run_until_idle()

    async def send() -> None:
        async with create_async_engine(url, poolclass=NullPool).begin() as connection:
            await app.get_actor("welcome").call("bob").asend(on=connection)

    asyncio.run(send())
    app.run_until_idle()

    assert welcomed == ["ada", "bob"]


def test_a_unique_key_counts_from_the_commit(app: App, welcomed: list[str]) -> None:
    call = app.get_actor("welcome").call("ada").unique("greeting")
    with psycopg.connect(postgres_url()) as connection:
        call.send(on=connection)
        call.send(on=connection)
    app.run_until_idle()

    assert welcomed == ["ada"]


def test_a_conflict_that_only_the_caller_could_see_is_refused(app: App, welcomed: list[str]) -> None:
    with psycopg.connect(postgres_url()) as connection, pytest.raises(OptionError, match="known only after the transaction"):
        app.get_actor("welcome").call("ada").unique("greeting", on_conflict="raise").send(on=connection)


def test_a_connection_to_another_kind_of_database_is_refused(app: App, welcomed: list[str]) -> None:
    with pytest.raises(ConfigError, match="PostgreSQL of the broker"):
        app.get_actor("welcome").call("ada").send(on=sqlite3.connect(":memory:"))


def test_an_open_transaction_keeps_no_other_send_waiting(app: App, welcomed: list[str]) -> None:
    with psycopg.connect(postgres_url()) as connection:
        app.get_actor("welcome").call("ada").send(on=connection)
        app.get_actor("welcome").call("ada").unique("greeting").send(on=connection)
        app.get_actor("welcome").call("bob").unique("greeting").send()
        app.run_until_idle()
        assert welcomed == ["bob"]

        connection.commit()
    app.run_until_idle()
    assert welcomed == ["bob", "ada", "ada"]


DJANGO = """
import sys
import django
from django.conf import settings
from django.db import connection, transaction
from fq import App

database = {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": "postgres", "HOST": sys.argv[2]}
settings.configure(DATABASES={"default": database})
django.setup()
app = App(sys.argv[1])


@app.actor
def welcome(name):
    print("welcome", name)


class Undo(Exception):
    pass


with transaction.atomic():
    welcome.call("ada").send(on=connection)
    assert app.run_until_idle() == 0
try:
    with transaction.atomic():
        welcome.call("bob").send(on=connection)
        raise Undo
except Undo:
    pass
app.run_until_idle()
"""


def test_a_message_is_sent_with_a_transaction_of_django(url: str) -> None:
    host = parse_qs(urlsplit(postgres_url()).query)["host"][0]
    done = subprocess.run([sys.executable, "-c", DJANGO, url, host], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "welcome ada\n"), done.stderr


def test_a_send_adds_one_statement_to_the_transaction(app: App, welcomed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    app.get_actor("welcome").send("first")  # the broker has a connection
    monkeypatch.setattr(Transaction, "ask", None)
    with psycopg.connect(postgres_url()) as connection:
        app.get_actor("welcome").call("ada").send(on=connection)
        connection.rollback()
