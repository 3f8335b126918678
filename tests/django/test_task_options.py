"""Tasks and the options of fq: `@task(...)`, ``OPTIONS`` and ``QUEUES`` of the backend; and what the signals of Django tell."""

import logging
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from fq import App, Retries, TimeLimit
from fq.brokers.memory import MemoryBroker
from fq.django import FqBackend
from fq.django.task import FqTask, declare
from fq.django.task_runs import TaskRuns
from fq.django.tasks_api import InvalidTask, TaskResultDoesNotExist, TaskResultStatus, task_enqueued, task_finished, task_started
from fq.layers import Keep, Results
from tests.django import sample_tasks as tasks


@pytest.fixture
def told() -> Iterator[list[tuple[str, str, int]]]:
    """The name of each signal, and the status and the attempts that it told."""
    found: list[tuple[str, str, int]] = []

    def hear(name: str):
        def receive(sender: object, task_result, **_: object) -> None:
            found.append((name, task_result.status.value, task_result.attempts))

        return receive

    receivers = {task_enqueued: hear("enqueued"), task_started: hear("started"), task_finished: hear("finished")}
    for signal, receiver in receivers.items():
        signal.connect(receiver)
    yield found
    for signal, receiver in receivers.items():
        signal.disconnect(receiver)


@pytest.mark.parametrize("task", [tasks.double, tasks.adouble])
def test_signals_tell_the_life_of_a_task(app: App, told: list, task) -> None:
    task.enqueue(1)
    app.run_until_idle()

    assert told == [("enqueued", "READY", 0), ("started", "RUNNING", 1), ("finished", "SUCCESSFUL", 1)]


def test_the_worker_that_a_signal_names_is_that_of_the_result(app: App) -> None:
    named: list[str] = []

    def receive(sender: object, task_result, **_: object) -> None:
        named.extend(task_result.worker_ids)

    task_started.connect(receive)
    try:
        sent = tasks.double.enqueue(1)
        app.run_until_idle()
    finally:
        task_started.disconnect(receive)
    sent.refresh()

    assert named == sent.worker_ids != [""]


def test_each_attempt_starts_and_the_last_one_finishes(app: App, told: list) -> None:
    tasks.ran.clear()
    tasks.fail_twice.enqueue([])
    app.run_until_idle()

    assert told == [
        ("enqueued", "READY", 0),
        ("started", "RUNNING", 1),
        ("started", "RUNNING", 2),
        ("started", "RUNNING", 3),
        ("finished", "SUCCESSFUL", 3),
    ]


@pytest.mark.parametrize("task", [tasks.refuse, tasks.arefuse])
def test_the_receiver_of_a_failure_finds_the_error_and_the_traceback_is_as_it_was(
    app: App, task, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []

    def receive(sender: type, task_result, **_: object) -> None:
        found.append((sender, task_result.errors[0].exception_class, task_result.return_value if task_result.errors == [] else None))

    task_finished.connect(receive)
    try:
        with caplog.at_level(logging.ERROR):
            sent = task.enqueue("no money")
            app.run_until_idle()
    finally:
        task_finished.disconnect(receive)
    sent.refresh()
    (record,) = [record for record in caplog.records if record.name.startswith("django") and record.levelno == logging.ERROR]

    assert found == [(FqBackend, tasks.Refused, None)]
    assert record.exc_info is not None and record.exc_info[0] is tasks.Refused
    assert "task_runs" not in sent.errors[0].traceback


def test_a_receiver_that_raises_changes_nothing(app: App, caplog: pytest.LogCaptureFixture) -> None:
    def receive(sender: object, **_: object) -> None:
        raise ZeroDivisionError

    for signal in (task_started, task_finished):
        signal.connect(receive)
    try:
        sent, asent = tasks.double.enqueue(2), tasks.adouble.enqueue(2)
        app.run_until_idle()
    finally:
        for signal in (task_started, task_finished):
            signal.disconnect(receive)
    sent.refresh()
    asent.refresh()

    assert (sent.return_value, asent.return_value) == (4, 4)
    assert sum(record.name == "django.dispatch" for record in caplog.records) == 4


def test_options_of_a_task_are_those_of_its_actor(app: App) -> None:
    stack = app.stack_of(app.get_actor("tests.django.sample_tasks.fail_twice"))
    plain = app.stack_of(app.get_actor("tests.django.sample_tasks.double"))

    assert (stack.get(Retries).max_retries, stack.get(Retries).min_backoff, stack.get(Retries).max_backoff) == (3, 1_000, 2_000)
    assert plain.get(Retries).max_retries == 0
    assert (plain.get(Keep).ttl, plain.get(Results).result_ttl, plain.get(Keep).count) == (86_400_000, 86_400_000, 0)
    assert TaskRuns in plain


def test_options_of_the_backend_are_for_all_tasks_and_a_task_overrides_them() -> None:
    app = App("memory://")
    task = FqTask(func=tasks.double.func, max_retries=1, tags=("sums",))
    actor = declare(app, task, FqBackend, {"max_retries": 7, "time_limit": timedelta(seconds=9)}, keep_for=60_000)
    stack = app.stack_of(actor)

    assert (stack.get(Retries).max_retries, stack.get(TimeLimit).time_limit, stack.get(Keep).ttl) == (1, 9_000, 60_000)
    assert declare(app, task.using(priority=3), FqBackend, {}, 1) is actor
    assert [*actor.call(1).send().history().tags] == ["sums"]


def test_an_option_that_is_misspelt_is_named() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"TASKS\['slow'\]\['OPTIONS'\]: found 'max_retry': did you mean 'max_retries'\?"):
        FqBackend("slow", {"OPTIONS": {"max_retry": 3}})
    with pytest.raises(ImproperlyConfigured, match="found 'colour': the options are on_commit, outbox, keep_for"):
        FqBackend("slow", {"OPTIONS": {"colour": 3}})
    with pytest.raises(ImproperlyConfigured, match=r"TASKS\['slow'\]\['QUEUES'\]: .*'no spaces'"):
        FqBackend("slow", {"QUEUES": ["no spaces"]})


def test_a_value_that_an_option_cannot_take_makes_the_task_invalid(app: App) -> None:
    with pytest.raises(InvalidTask, match="time_limit: found 'soon'"):
        FqTask(func=unsent, time_limit="soon")


def unsent() -> None:
    """A function of which no task is declared."""


def test_queues_of_the_backend_are_queues_of_the_app(app: App) -> None:
    FqBackend("other", {"QUEUES": ["night-shift"]})

    assert "night-shift" in app.queues


def test_a_backend_without_queues_takes_any_name_that_fq_takes(app: App) -> None:
    backend = FqBackend("default", {"QUEUES": []})
    backend.validate_task(_with_queue("video"))

    with pytest.raises(InvalidTask, match="bad name"):
        backend.validate_task(_with_queue("bad name"))


def _with_queue(name: str) -> FqTask:
    task = FqTask(func=tasks.double.func)
    object.__setattr__(task, "queue_name", name)
    return task


def test_a_task_in_a_transaction_is_sent_at_once_by_default(app: App, database: None) -> None:
    with transaction.atomic():
        sent = tasks.double.enqueue(1)

        assert tasks.double.get_result(sent.id).status == TaskResultStatus.READY


def test_with_on_commit_a_task_is_sent_at_the_commit_or_never(app: App, database: None, told: list) -> None:
    backend = FqBackend("default", {"OPTIONS": {"on_commit": True}})
    with transaction.atomic():
        sent = backend.enqueue(tasks.double, (1,), {})
        with pytest.raises(TaskResultDoesNotExist):
            backend.get_result(sent.id)
        assert (sent.enqueued_at, told) == (None, [])
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        lost = backend.enqueue(tasks.double, (1,), {})
        raise ZeroDivisionError

    assert backend.get_result(sent.id) == sent
    assert told == [("enqueued", "READY", 0)]
    with pytest.raises(TaskResultDoesNotExist):
        backend.get_result(lost.id)


def test_the_times_of_a_project_without_time_zones_have_none(app: App, broker: MemoryBroker, settings_without_zones: None) -> None:
    sent = tasks.double.enqueue(1)
    app.run_until_idle()
    sent.refresh()

    assert sent.enqueued_at.tzinfo is None
    assert sent.finished_at >= sent.enqueued_at


@pytest.fixture
def settings_without_zones() -> Iterator[None]:
    from django.test import override_settings

    with override_settings(USE_TZ=False):
        yield


def test_arguments_that_the_function_does_not_take_are_refused(app: App) -> None:
    for args, kwargs in (((), {}), ((1, 2), {}), ((1,), {"m": 2})):
        with pytest.raises(TypeError, match="double"):
            tasks.double.enqueue(*args, **kwargs)
    assert len(app.messages()) == 0
    tasks.double.enqueue("a text, since annotations mean nothing to Django")


def test_parameters_have_their_names_where_messages_are_shown(app: App) -> None:
    actor = app.get_actor("tests.django.sample_tasks.own_result")

    assert actor.signature.positional_names == ("word",)
    assert "TaskRuns(task='tests.django.sample_tasks.own_result')" in repr(app.stack_of(actor))
