"""An outbox beside what else happens to a process: a fork, other writers, a database that hangs."""

import os
import sqlite3
import threading
from collections.abc import Callable, Sequence

import pytest
from sqlalchemy import Connection, create_engine, event

from fq import App, Outbox
from fq.brokers import MemoryBroker
from fq.brokers.operations import SetMarkOp
from tests.outbox.conftest import Database


def in_fork(fn: Callable[[], object]) -> str:
    """Return what *fn* returns in a fork of this process, as text."""
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.write(write, str(fn()).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return text


@pytest.mark.xdist_group("postgres")
def test_a_fork_does_not_use_the_connections_of_the_pool_of_its_parent(postgres: Database) -> None:
    engine = create_engine(postgres.url.replace("postgresql://", "postgresql+psycopg://"))
    outbox = Outbox(engine)

    def server_process() -> str:
        connection, joined = outbox.connect()
        ((number,),) = joined.run("SELECT pg_backend_pid()", {}).fetchall()
        connection.close()
        return str(number)

    mine = server_process()  # its connection waits in the pool

    assert in_fork(server_process) not in ("", mine)
    assert server_process() == mine
    engine.dispose()


@pytest.mark.parametrize("begin", ["BEGIN", "BEGIN IMMEDIATE"])
def test_others_may_write_while_the_broker_is_asked(sqlite: Database, begin: str) -> None:
    path = sqlite.url.removeprefix("sqlite:///")
    sqlite.execute("PRAGMA journal_mode = WAL")

    class BesideOthers(MemoryBroker):
        def set_marks(self, ops: Sequence[SetMarkOp]) -> tuple[bool, ...]:
            other = sqlite3.connect(path, timeout=0.1)
            with other:
                other.execute("INSERT INTO users VALUES ('bob')")
            other.close()
            return super().set_marks(ops)

    engine = create_engine(sqlite.url)

    @event.listens_for(engine, "connect")
    def leave_transactions_to_sqlalchemy(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin_it(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    app, seen = App(broker=BesideOthers(), outbox=Outbox(engine)), list[str]()

    @app.actor
    def welcome(name: str) -> None:
        seen.append(name)

    with engine.begin() as connection:
        welcome.call("ada").send(on=connection)
    app.run_until_idle()

    engine.dispose()

    assert (seen, sqlite.rows(), sqlite.users()) == (["ada"], 0, ["bob"])


def test_a_database_that_hangs_does_not_hold_up_the_end_of_a_worker() -> None:
    entered, released = threading.Event(), threading.Event()

    def connect() -> object:
        entered.set()
        released.wait()
        raise OSError("too late")

    worker = App(broker=MemoryBroker(), outbox=Outbox(connect)).worker(threads=1)
    worker.start()
    assert entered.wait(60)
    stopping = threading.Thread(target=worker.stop)
    stopping.start()
    stopping.join(15)
    ended = not stopping.is_alive()
    released.set()
    stopping.join()

    assert ended
