"""Middleware that keeps a database connection for a message: Django's, with its ORM sync and async, and SQLAlchemy's scoped session."""

import asyncio
import subprocess
import sys
from typing import Any

import pytest

from fq.class_style import to_hook_thread
from tests.packages.beside import FqSide, Side, on_both

DJANGO = """
import logging, os, sys, tempfile, threading
logging.disable(logging.CRITICAL)
import django, dramatiq
from django.conf import settings
from dramatiq.brokers.stub import StubBroker

database = {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[2], "OPTIONS": {"timeout": 30}}
settings.configure(
    DATABASES={"default": database}, INSTALLED_APPS=["django_dramatiq"], USE_TZ=True, DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    DRAMATIQ_BROKER={"BROKER": "dramatiq.brokers.stub.StubBroker", "OPTIONS": {}, "MIDDLEWARE": []},
)
django.setup()
from django.core.management import call_command
from django.db import connection, connections
from django.db.backends.signals import connection_created
from django_dramatiq.middleware import AdminMiddleware, DbConnectionsMiddleware
from django_dramatiq.models import Task
from tests.packages.beside import on_both

call_command("migrate", verbosity=0)
connection.close()
colour = sys.argv[1]
opened = []
connection_created.connect(lambda connection, **_: opened.append(connection), weak=False)


def scenario(side, _):
    Task.tasks.all().delete()
    connection.close()
    opened.clear()
    threads = []

    def task(fails):
        threads.append(threading.get_ident())
        assert Task.tasks.filter(status=Task.STATUS_RUNNING).exists()
        if fails:
            raise ValueError("boom")

    async def atask(fails):
        assert await Task.tasks.filter(status=Task.STATUS_RUNNING).aexists()
        if fails:
            raise ValueError("boom")

    fn = task if colour == "sync" else atask
    fn.__name__ = "task"
    side.actor(fn)
    for fails in (False, True):
        side.send("task", fails)
        connection.close()
        side.run()
    statuses = sorted(Task.tasks.values_list("status", flat=True))
    (failed,) = Task.tasks.filter(status=Task.STATUS_FAILED)
    connection.close()
    open_still = {id(each) for each in opened if each.connection is not None}
    return statuses, "ValueError: boom" in failed.message.options["traceback"], len(open_still)


theirs, ours = on_both(lambda: [AdminMiddleware(), DbConnectionsMiddleware()], scenario, colour)
print(theirs)
print(ours)
"""


def test_django_dramatiq(colour: str, tmp_path: Any) -> None:
    pytest.importorskip("django_dramatiq", reason="django-dramatiq is not installed: make test installs it")
    script = tmp_path / "project.py"
    script.write_text(DJANGO)

    ran = subprocess.run(
        [sys.executable, "-W", "ignore", script, colour, tmp_path / "db.sqlite3"],
        capture_output=True, text=True, timeout=100, check=False, env={"PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip

    assert ran.returncode == 0, ran.stderr
    theirs, ours = ran.stdout.splitlines()
    assert ours == "(['done', 'failed'], True, 0)", ran.stderr
    # In Dramatiq, the ORM of a coroutine runs in a thread of asgiref's, whose connection no hook closes.
    assert theirs == (ours if colour == "sync" else ours.replace("0", "1")), ran.stderr


class ScopedSessions:
    """As it is written for Dramatiq: a session of SQLAlchemy for each thread, committed or rolled back with the message, and removed."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.removed = 0

    def after_process_message(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None:
        if exception is None:
            self.session.commit()
        else:
            self.session.rollback()
        self.session.remove()
        self.removed += 1


def test_sqlalchemy(colour: str, tmp_path: Any) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed: make test installs it")
    from dramatiq import Middleware
    from sqlalchemy.orm import scoped_session, sessionmaker

    class Sessions(ScopedSessions, Middleware):
        pass

    session = scoped_session(sessionmaker())

    def insert(name: str) -> None:
        session.execute(sqlalchemy.text("insert into orders values (:name)"), {"name": name})
        if name == "fails":
            raise ValueError("boom")

    async def ainsert(name: str) -> None:
        await asyncio.sleep(0)
        await to_hook_thread(insert, name)

    def scenario(side: Side, middleware: list[Any]) -> list[Any]:
        is_fq = isinstance(side, FqSide)
        engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path}/{is_fq}.db", connect_args={"timeout": 30})
        session.configure(bind=engine)
        with engine.begin() as connection:
            connection.exec_driver_sql("create table orders (name text)")
        fn = ainsert if colour == "async" and is_fq else insert
        fn.__name__ = "insert"
        side.actor(fn)
        for name in ("a", "b", "fails", "c"):
            side.send("insert", name)
        side.run()
        with engine.begin() as connection:
            rows = connection.exec_driver_sql("select name from orders order by name").scalars().all()
        engine.dispose()
        return [*rows, middleware[0].removed]

    theirs, ours = on_both(lambda: [Sessions(session)], scenario, colour)

    assert ours == ["a", "b", "c", 4]
    # A coroutine of Dramatiq runs in another thread than its hooks, whose session is empty: nothing is committed.
    assert theirs == (ours if colour == "sync" else [4])
