"""The outbox in a database of Django: its migration, its setting, and transactions of Django."""

import unittest
from collections.abc import Iterator
from importlib import import_module

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction
from django.test import TestCase, override_settings

from fq import App, Outbox
from fq.django import FqBackend
from fq.django.application import make_app
from fq.django.settings import read_settings
from tests.django import sample_tasks as tasks

MIGRATION = import_module("fq.django.outbox.migrations.0001_table")


@pytest.fixture
def table() -> Iterator[None]:
    with connection.schema_editor() as editor:
        MIGRATION.make_table(None, editor)
    yield
    with connection.schema_editor() as editor:
        MIGRATION.drop_table(None, editor)


@pytest.fixture
def welcomed(table: None) -> tuple[App, list[str]]:
    app, seen = App("memory://", outbox=Outbox("django:default")), list[str]()

    @app.actor
    def welcome(name: str) -> None:
        seen.append(name)

    return app, seen


def test_a_block_that_succeeds_sends(welcomed: tuple[App, list[str]]) -> None:
    app, seen = welcomed
    with transaction.atomic():
        app.get_actor("welcome").call("ada").send(on=connection)
        assert app.run_until_idle() == 0
    app.run_until_idle()

    assert seen == ["ada"]


def test_a_block_that_fails_sends_nothing(welcomed: tuple[App, list[str]]) -> None:
    app, seen = welcomed
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        app.get_actor("welcome").call("ada").send(on=connection)
        raise ZeroDivisionError
    app.run_until_idle()

    assert seen == []


def test_a_savepoint_that_is_undone_sends_nothing(welcomed: tuple[App, list[str]]) -> None:
    app, seen = welcomed
    with transaction.atomic():
        app.get_actor("welcome").call("ada").send(on=connection)
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            app.get_actor("welcome").call("bob").send(on=connection)
            raise ZeroDivisionError
    app.run_until_idle()

    assert seen == ["ada"]


def test_the_setting_names_a_database() -> None:
    with override_settings(FQ={"URL": "memory://", "OUTBOX": "default"}):
        assert make_app(read_settings()).outbox == Outbox("django:default")
    with (
        override_settings(FQ={"URL": "memory://", "OUTBOX": "elsewhere"}),
        pytest.raises(ImproperlyConfigured, match="expected one of default"),
    ):
        read_settings()


@pytest.fixture
def project(table: None, app: App, monkeypatch: pytest.MonkeyPatch) -> App:
    """The app of the project, with an outbox."""
    monkeypatch.setattr(app, "_outbox", Outbox("django:default"))
    monkeypatch.setattr(app.registry, "source", Outbox("django:default"))
    return app


def backend(**options: object) -> FqBackend:
    with override_settings(FQ={"URL": "memory://", "OUTBOX": "default"}):
        return FqBackend("default", {"QUEUES": [], "OPTIONS": {"outbox": True, **options}})


def test_a_task_that_is_enqueued_in_a_transaction_is_sent_with_it(project: App) -> None:
    with transaction.atomic():
        sent = backend().enqueue(tasks.double, [4], {})
        assert sent.enqueued_at is not None
        assert project.outbox.state().waiting == 0  # another connection does not see it yet
    assert project.message(sent.id) is None
    project.run_until_idle()

    assert backend().get_result(sent.id).return_value == 8


def test_a_task_of_a_transaction_that_is_rolled_back_is_not_sent(project: App) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        backend().enqueue(tasks.double, [4], {})
        raise ZeroDivisionError

    assert project.run_until_idle() == 0


def test_without_a_transaction_a_task_is_sent_at_once(project: App) -> None:
    sent = backend().enqueue(tasks.double, [4], {})

    assert project.message(sent.id) is not None


def test_the_option_outbox_needs_a_database_and_excludes_on_commit() -> None:
    with pytest.raises(ImproperlyConfigured, match="expected one of them"):
        backend(on_commit=True)
    with pytest.raises(ImproperlyConfigured, match=r"in FQ\['OUTBOX'\]"):
        FqBackend("default", {"QUEUES": [], "OPTIONS": {"outbox": True}})


def test_in_a_test_case_rows_are_moved_though_nothing_is_committed(project: App) -> None:
    outcome: list[object] = []

    class Case(TestCase):
        def test_rows(self) -> None:
            with transaction.atomic():
                sent = backend().enqueue(tasks.double, [4], {})
                outcome.append(project.message(sent.id))
            outcome.append(project.outbox.state().waiting)
            project.run_until_idle()
            outcome.append(backend().get_result(sent.id).return_value)

    result = unittest.TestResult()
    Case("test_rows").run(result)

    assert (result.errors, result.failures) == ([], [])
    assert outcome == [None, 1, 8]
    assert project.outbox.state().waiting == 0  # rolled back with the test
