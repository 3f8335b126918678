"""The relay: each row is sent once, whatever stops it in between, and nothing that is in the table is lost."""

import logging
from collections.abc import Callable

import pytest
from attrs import evolve, frozen

from fq import App, BrokerUnavailable, Middleware, Outbox, default_middleware
from fq.brokers import MemoryBroker
from fq.brokers.operations import SetMarkOp
from fq.core.events import Enqueued, Event
from fq.errors import BrokerError
from fq.execution.message_source import Mover, SourceState
from fq.outbox.connections import Joined, Parameters, Rows, SqlConnection, join
from fq.outbox.relay import Relay
from tests.outbox.conftest import Database
from tests.wait_until import wait_until


def send(app: App, database: Database, *names: str) -> None:
    connection = database.connect()
    app.send_many([app.get_actor("welcome").call(name) for name in names], on=connection)
    connection.commit()
    connection.close()


def run_without_relay(app: App) -> int:
    """Run what the broker has, and leave the rows where they are."""
    app.registry.source = None
    ran = app.run_until_idle()
    app.registry.source = app.outbox
    return ran


class Killed(BaseException):
    """Ends a relay where it stands, as a signal does."""


def relay(app: App, connect: Callable[[], tuple[SqlConnection, Joined]] | None = None) -> Relay:
    return Relay(connect or app.outbox.connect, "fq_outbox", 20, 60_000, app.broker, app.registry.emit_enqueued)


def killed_at(app: App, word: str) -> Relay:
    """Return a relay that is killed before its first statement with *word*."""

    def connect() -> tuple[SqlConnection, Joined]:
        connection, joined = app.outbox.connect()

        def run(sql: str, parameters: Parameters) -> Rows:
            if word in sql:
                raise Killed
            return joined.run(sql, parameters)

        return connection, evolve(joined, run=run)

    return relay(app, connect)


def test_a_relay_that_dies_before_it_deletes_a_row_has_sent_it_once(app: App, database: Database, welcomed: list[str]) -> None:
    send(app, database, "ada")
    with pytest.raises(Killed):
        killed_at(app, "DELETE").step()

    assert database.rows() == 1
    assert run_without_relay(app) == 1  # the message has ended before the next relay finds its row
    assert app.run_until_idle() == 0
    assert (welcomed, database.rows()) == (["ada"], 0)


def test_two_relays_that_have_read_the_same_row_send_it_once(sqlite: Database) -> None:
    app, welcomed = App(broker=MemoryBroker(), outbox=Outbox(sqlite.connect)), list[str]()

    @app.actor
    def welcome(name: str) -> None:
        welcomed.append(name)

    send(app, sqlite, "ada")
    second = relay(app)

    def connect() -> tuple[SqlConnection, Joined]:
        connection, joined = app.outbox.connect()

        def run(sql: str, parameters: Parameters) -> Rows:
            if sql.startswith("DELETE"):
                second.move_all()
            return joined.run(sql, parameters)

        return connection, evolve(joined, run=run)

    relay(app, connect).move_all()

    assert run_without_relay(app) == 1
    assert (welcomed, sqlite.rows()) == (["ada"], 0)


@pytest.mark.xdist_group("postgres")
def test_on_postgresql_a_second_relay_leaves_out_the_rows_of_the_first(postgres: Database) -> None:
    app = App(broker=MemoryBroker(), outbox=Outbox(postgres.connect))

    @app.actor
    def welcome(name: str) -> None: ...

    send(app, postgres, "ada")
    seen: list[int] = []

    def connect() -> tuple[SqlConnection, Joined]:
        connection, joined = app.outbox.connect()

        def run(sql: str, parameters: Parameters) -> Rows:
            if sql.startswith("DELETE"):
                seen.append(relay(app).move_all())
            return joined.run(sql, parameters)

        return connection, evolve(joined, run=run)

    relay(app, connect).move_all()

    assert (seen, postgres.rows()) == ([0], 0)


def test_rows_are_sent_in_their_order(app: App, database: Database, welcomed: list[str]) -> None:
    names = [f"n{number}" for number in range(250)]  # more than one step takes
    send(app, database, *names)

    assert app.run_until_idle() == 250
    assert welcomed == names


def test_a_row_that_cannot_be_read_is_put_aside_and_keeps_none_back(
    app: App, database: Database, welcomed: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    database.execute("INSERT INTO fq_outbox (id, post, made) VALUES ('x', 'nonsense', 0)")
    send(app, database, "ada")
    with caplog.at_level(logging.ERROR, "fq.outbox"):
        assert app.run_until_idle() == 1

    state = app.outbox.state()
    assert (welcomed, database.rows(), state.waiting, state.failed) == (["ada"], 1, 0, 1)
    assert "nonsense" in state.error
    assert [record.getMessage().split(",")[0] for record in caplog.records if record.name == "fq.outbox"] == [
        "row 1 of fq_outbox cannot be sent"
    ]

    database.execute("UPDATE fq_outbox SET post = '[]'")
    app.outbox.retry()
    app.run_until_idle()
    assert app.outbox.state() == SourceState()


class Refusing(MemoryBroker):
    """A broker that is away, or that refuses the messages of some actors."""

    away = False
    refused = b"\x00"

    def set_marks(self, ops: object) -> tuple[bool, ...]:
        taken = list(ops)  # type: ignore[call-overload]  # a sequence of SetMarkOp
        if self.away:
            raise BrokerUnavailable("away")
        if any(isinstance(op, SetMarkOp) and self.refused in each.body for op in taken for each in op.then):
            raise BrokerError("too large")
        return super().set_marks(taken)


def test_what_a_broker_refuses_is_put_aside_alone(database: Database) -> None:
    broker = Refusing()
    broker.refused = b"bob"
    app, seen = App(broker=broker, outbox=Outbox(database.connect)), list[str]()

    @app.actor
    def welcome(name: str) -> None:
        seen.append(name)

    send(app, database, "ada", "bob", "eve")
    app.run_until_idle()

    assert seen == ["ada", "eve"]
    assert app.outbox.state().error == "too large"


def test_rows_wait_while_the_broker_is_away(database: Database) -> None:
    broker = Refusing()
    broker.away = True
    app, seen = App(broker=broker, outbox=Outbox(database.connect, poll=20)), list[str]()

    @app.actor
    def welcome(name: str) -> None:
        seen.append(name)

    send(app, database, "ada")
    with app.worker(threads=1):
        assert app.outbox.state().waiting == 1
        broker.away = False
        wait_until(lambda: seen == ["ada"], what="the message")
    assert database.rows() == 0


def test_a_worker_moves_rows_as_they_come(app: App, database: Database, welcomed: list[str]) -> None:
    with app.worker(threads=1):
        for name in ("ada", "bob"):
            send(app, database, name)
            wait_until(lambda name=name: name in welcomed, what=name)  # type: ignore[misc]  # mypy cannot infer a lambda with a default


def test_a_delay_counts_from_the_write(app: App, database: Database, welcomed: list[str]) -> None:
    connection = database.connect()
    app.get_actor("welcome").call("ada").delay(60_000).send(on=connection)
    connection.commit()
    join(connection).run("UPDATE fq_outbox SET made = made - 50000", {})
    connection.commit()
    connection.close()

    mover: Mover = app.outbox.relay(app.broker, app.registry.emit_enqueued)
    assert mover.move_all() == 1
    assert isinstance(app.broker, MemoryBroker)
    assert 0 < app.broker.until_due("w") <= 10_000


def test_the_age_of_the_oldest_row_is_known(app: App, database: Database, welcomed: list[str]) -> None:
    assert app.outbox.state() == SourceState()
    send(app, database, "ada", "bob")
    database.execute("UPDATE fq_outbox SET made = made - 5000 WHERE seq = 1")

    state = app.outbox.state()
    assert (state.waiting, state.failed) == (2, 0)
    assert 5_000 <= state.oldest_age < 60_000


@frozen
class Noting(Middleware):
    """Notes the events of messages that are on their queues."""

    seen: list[str]

    def on_event(self, event: Event) -> None:
        if isinstance(event, Enqueued):
            self.seen.append(event.message.args[0])  # type: ignore[arg-type]  # the name


def test_layers_are_told_when_the_broker_has_the_message(sqlite: Database) -> None:
    layer = Noting([])
    app = App(broker=MemoryBroker(), middleware=default_middleware.add(layer), outbox=Outbox(sqlite.connect))

    @app.actor
    def welcome(name: str) -> None: ...

    send(app, sqlite, "ada")
    assert layer.seen == []
    app.run_until_idle()
    assert layer.seen == ["ada"]


def test_a_unique_key_that_is_held_drops_the_row(app: App, database: Database, welcomed: list[str]) -> None:
    welcome = app.get_actor("welcome")
    welcome.call("first").unique("one").send()
    connection = database.connect()
    welcome.call("second").unique("one").send(on=connection)
    connection.commit()
    connection.close()
    app.outbox.relay(app.broker, app.registry.emit_enqueued).move_all()
    app.run_until_idle()

    assert (welcomed, database.rows()) == (["first"], 0)


def test_a_table_of_another_name(sqlite: Database) -> None:
    outbox = Outbox(sqlite.connect, table="messages_to_send")
    outbox.create_table()
    app, seen = App("memory://", outbox=outbox), list[str]()

    @app.actor
    def welcome(name: str) -> None:
        seen.append(name)

    send(app, sqlite, "ada")
    app.run_until_idle()
    assert (seen, sqlite.rows()) == (["ada"], 0)
