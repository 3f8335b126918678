"""Actors run in an application context of the site."""

import asyncio
import time
from collections.abc import Iterator

import pytest
from flask import Flask, current_app, g, has_app_context
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import orm, pool, text

from fq import App, Retries, default_middleware
from fq.events import ProcessBooted
from fq.flask import Fq
from fq.flask.context import SiteContext
from tests.brokers.harness import Harness
from tests.every_broker import harness, kind

__all__ = ["harness", "kind"]


@pytest.fixture
def site() -> Flask:
    site = Flask("site")
    site.config.update(FQ_URL="memory://", NAME="site")
    return site


@pytest.fixture
def queue(site: Flask) -> Fq:
    return Fq(site)


@pytest.fixture
def torn_down(site: Flask) -> Iterator[list[str]]:
    """What the contexts of the site have ended with."""
    ended: list[str] = []
    site.teardown_appcontext(lambda error: ended.append(type(error).__name__))
    return ended


def declare(queue: App):
    """Declare a sync and an async actor that use the site."""

    @queue.actor
    def name() -> str:
        return current_app.config["NAME"]

    @queue.actor
    async def aname() -> str:
        return current_app.config["NAME"]

    return name, aname


def test_actors_of_both_colours_see_the_site_on_every_broker(queue: Fq, harness: Harness) -> None:
    actors = declare(queue)
    with queue.using_broker(harness.broker()), queue.worker(threads=1):
        results = [actor.send().get_result(block=True, timeout=60_000) for actor in actors]

    assert results == ["site", "site"]


def test_each_attempt_has_a_context_of_its_own_that_ends_with_its_error(queue: Fq, torn_down: list[str], silent: None) -> None:
    seen = []

    @queue.actor(max_retries=2, min_backoff=0)
    def work() -> int:
        seen.append("count" in g)
        g.count = 1
        if len(seen) < 3:
            raise ConnectionError("once more")
        return 1

    work.send()
    queue.run_until_idle()

    assert seen == [False] * 3
    assert torn_down == ["ConnectionError", "ConnectionError", "NoneType"]


def test_the_context_of_an_async_actor_ends_with_its_error_too(queue: Fq, torn_down: list[str], silent: None) -> None:
    @queue.actor(max_retries=0)
    async def work() -> int:
        raise ConnectionError("no")

    work.send()
    queue.run_until_idle()

    assert torn_down == ["ConnectionError"]


def test_many_async_actors_do_not_share_a_context(queue: Fq, torn_down: list[str]) -> None:
    @queue.actor
    async def work(n: int) -> int:
        g.n = n
        await asyncio.sleep(0)
        return g.n

    with queue.worker(threads=1):
        handles = queue.send_many(work.call(n) for n in range(50))
        results = [handle.get_result(block=True, timeout=60_000) for handle in handles]

    assert results == list(range(50))
    assert torn_down == ["NoneType"] * 50


def test_nothing_is_left_behind_outside_of_actors(queue: Fq) -> None:
    name, _ = declare(queue)
    name.send()
    queue.run_until_idle()

    assert not has_app_context()


def test_a_time_limit_ends_the_context_with_the_interrupt(queue: Fq, torn_down: list[str], silent: None) -> None:
    @queue.actor(max_retries=0, time_limit=50)
    def work() -> int:
        while True:
            time.sleep(0.01)

    with queue.worker(threads=1):
        work.send().wait(60_000)

    assert torn_down == ["TimeLimitExceeded"]


def test_a_teardown_that_fails_is_a_failure_of_the_attempt_and_is_retried(site: Flask, queue: Fq, silent: None) -> None:
    attempts = []

    @site.teardown_appcontext
    def tear_down(_: BaseException | None) -> None:
        attempts.append(1)
        if len(attempts) < 2:
            raise OSError("no disk")

    @queue.actor(min_backoff=0)
    def work() -> int:
        return 7

    handle = work.send()
    queue.run_until_idle()

    assert (len(attempts), handle.get_result()) == (2, 7)


def test_the_context_is_just_inside_of_retries() -> None:
    kinds = [type(layer) for layer in Fq().stack]

    assert kinds[kinds.index(Retries) + 1] is SiteContext


def test_without_retries_the_context_is_outermost() -> None:
    assert type(next(iter(Fq(middleware=default_middleware.without(Retries)).stack))) is SiteContext


# Flask-SQLAlchemy.


class Base(orm.DeclarativeBase):
    pass


class Row(Base):
    __tablename__ = "row"

    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)


@pytest.fixture
def database(site: Flask, tmp_path) -> SQLAlchemy:
    site.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path / 'site.db'}"
    database = SQLAlchemy(site, model_class=Base)
    with site.app_context():
        Base.metadata.create_all(database.engine)
    yield database
    with site.app_context():
        database.engine.dispose()


def test_each_task_has_a_session_of_its_own_that_is_removed(queue: Fq, database: SQLAlchemy, site: Flask) -> None:
    sessions = []

    @queue.actor
    def add() -> None:
        sessions.append(database.session())
        database.session.add(Row())
        database.session.flush()  # not committed

    @queue.actor
    async def count() -> int:
        sessions.append(database.session())
        return database.session.query(Row).count()

    with queue.worker(threads=1):
        add.send()
        add.send()
        handle = count.send()
        assert handle.get_result(block=True, timeout=60_000) == 0
    with site.app_context():
        engine = database.engine

    assert len(set(map(id, sessions))) == 3
    assert not any(session.in_transaction() for session in sessions)
    assert engine.pool.checkedout() == 0


def test_a_session_sends_with_its_transaction_by_the_outbox_of_the_site(tmp_path) -> None:
    queue, site, url, seen = Fq(), Flask("site"), f"sqlite:///{tmp_path / 'site.db'}", []
    site.config.update(FQ_URL="memory://", FQ_OUTBOX=url, SQLALCHEMY_DATABASE_URI=url)
    queue.init_app(site)
    database = SQLAlchemy(site, model_class=Base)

    @queue.actor
    def welcome(name: str) -> None:
        seen.append(name)

    queue.outbox.create_table()
    with site.app_context():
        welcome.call("bob").send(on=database.session)
        database.session.rollback()
        welcome.call("ada").send(on=database.session)
        database.session.commit()
        database.engine.dispose()
    queue.run_until_idle()

    assert seen == ["ada"]


def test_a_new_process_does_not_use_the_connections_of_its_parent(queue: Fq, database: SQLAlchemy, site: Flask) -> None:
    with site.app_context():
        with database.engine.connect() as connection:
            connection.execute(text("select 1"))
        before = database.engine.pool
        queue.registry.emit(ProcessBooted())

        assert isinstance(before, pool.QueuePool)
        assert before.checkedin() == 1, "the connection of the parent stays open"
        assert database.engine.pool is not before
    before.dispose()
