"""Connections to the database: closed around tasks as ``CONN_MAX_AGE`` says, of each thread its own, and none that a fork has inherited."""

import os
import threading
from collections.abc import Iterator

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.test.utils import CaptureQueriesContext
from shop.models import Order

from fq import App, Message, Outcome, default_middleware
from fq.core.events import ProcessBooted
from fq.django import DatabaseConnections, application
from fq.django import connections as module
from fq.execution.actor_plan import ActorPlan
from fq.layers import Retries
from fq.middleware.stack import compose
from fq.testing import memory, message
from tests.wait_until import wait_until

LAYER = DatabaseConnections()


@pytest.fixture
def database_app(silent: None, database: None) -> Iterator[App]:
    """An app with the stack of a project, and a worker's threads to run in."""
    app = application.make_app(application.FqSettings("memory://"))
    with memory(app):
        yield app


@pytest.fixture
def max_age() -> Iterator[None]:
    """Connections may stay open."""
    databases = connections.settings["default"]
    before, databases["CONN_MAX_AGE"] = databases["CONN_MAX_AGE"], None
    yield
    databases["CONN_MAX_AGE"] = before


def open_connections(app: App, actor, calls: int = 1) -> list[object]:
    """Run *actor*, which returns nothing, in a worker with one thread; return the raw connection that its thread has after each run."""
    found: list[object] = []

    @app.actor(stack=lambda stack: compose(LookAfter(found), stack))
    def look() -> None:
        actor()

    with app.worker(threads=1):
        for _ in range(calls):
            look.send()
        wait_until(lambda: len(found) == calls, what="the runs")
    return found


class LookAfter(DatabaseConnections):
    """Notes the connection of the thread when the layers inside have ended."""

    def __init__(self, found: list[object]) -> None:
        object.__setattr__(self, "found", found)

    def wrap(self, next):
        def handler(given):
            outcome = next(given)
            self.found.append(connection.connection)
            return outcome

        return handler


def count() -> None:
    Order.objects.count()


def test_a_connection_is_closed_after_a_task(database_app: App) -> None:
    assert open_connections(database_app, count) == [None]


def test_with_conn_max_age_a_thread_keeps_its_connection_until_it_ends(database_app: App, max_age: None) -> None:
    first, second = open_connections(database_app, count, 2)

    assert first is second is not None
    with pytest.raises(Exception, match="closed"):
        first.execute("SELECT 1")


def test_a_connection_that_is_broken_is_not_used_again(database_app: App, max_age: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DatabaseWrapper, "is_usable", lambda self: False)  # SQLite's is always

    def break_it() -> None:
        count()
        with pytest.raises(OperationalError):
            connection.cursor().execute("SELECT * FROM no_table")

    assert open_connections(database_app, break_it, 2) == [None, None]


def test_a_transaction_that_an_actor_leaves_open_ends_with_its_connection(database_app: App, max_age: None) -> None:
    def leave_open() -> None:
        transaction.atomic().__enter__()
        Order.objects.create(email="ann@example.com", total=1)

    assert open_connections(database_app, leave_open, 2) == [None, None]
    assert Order.objects.count() == 0


def test_the_transaction_of_a_caller_is_left_alone(database_app: App) -> None:
    @database_app.actor
    def create() -> None:
        Order.objects.create(email="ann@example.com", total=1)

    with transaction.atomic():
        create.send()
        database_app.run_until_idle()
        assert Order.objects.count() == 1
        transaction.set_rollback(True)

    assert Order.objects.count() == 0


def test_an_async_actor_uses_the_orm_and_its_connection_is_closed(database_app: App) -> None:
    found: list[object] = []

    @database_app.actor
    async def acount() -> int:
        found.append(threading.get_ident())
        return await Order.objects.acount()

    with database_app.worker():
        values = [acount.send().get_result(block=True) for _ in range(3)]

    assert values == [0, 0, 0]
    assert module._async_actors_use_orm.is_set()


def test_before_the_orm_is_used_an_async_actor_pays_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_async_actors_use_orm", threading.Event())

    def refuse(_: object) -> None:
        raise AssertionError("a thread was asked")

    monkeypatch.setattr(module, "sync_to_async", refuse)
    app = App("memory://", middleware=default_middleware.inside(Retries, LAYER))

    @app.actor
    async def nothing() -> int:
        return 1

    handle = nothing.send()
    app.run_until_idle()

    assert handle.get_result() == 1


def test_with_debug_the_queries_of_one_task_do_not_add_up(database: None) -> None:
    def handler(_: Message) -> Outcome:
        count()
        return Outcome.success(len(connection.queries_log))

    with CaptureQueriesContext(connection):
        handle = LAYER.wrap(handler)
        lengths = [handle(message("count")).result.unwrap() for _ in range(2)]

    assert lengths[0] == lengths[1] > 0


def test_a_process_that_was_forked_uses_no_connection_of_its_parent(monkeypatch: pytest.MonkeyPatch, database: None) -> None:
    count()
    wrapper, raw = connections["default"], connection.connection
    monkeypatch.setattr(module, "LOADED_IN", os.getpid() + 1)
    LAYER.on_event(ProcessBooted())
    try:
        assert connections["default"] is not wrapper
        assert connection.connection is None
        assert raw.execute("SELECT 1").fetchone() == (1,)  # not closed: the parent uses it
        count()
        assert connection.connection is not raw
    finally:
        connections.close_all()
        connections["default"] = wrapper


def test_a_process_of_its_own_closes_what_imports_have_opened(database: None) -> None:
    count()
    LAYER.on_event(ProcessBooted())

    assert connection.connection is None


def test_the_connections_of_the_supervisor_are_closed_before_it_forks(database: None) -> None:
    count()
    module.close_before_fork()

    assert connection.connection is None


def test_messages_make_no_events_for_the_layer() -> None:
    stack = compose(LAYER)
    app = App("memory://", middleware=stack)

    @app.actor
    def nothing() -> None: ...

    assert not app.registry.plan("nothing").has_event_layers
    assert ActorPlan.of(stack).has_event_layers
