"""`FqBackend` on every broker: what Django asks of a backend for its tasks."""

import asyncio
import pickle
from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from shop.tasks import confirm

from fq import App
from fq.brokers.memory import MemoryBroker
from fq.django.tasks_api import InvalidTask, TaskResultDoesNotExist, TaskResultStatus, task_backends
from tests.brokers.harness import Harness
from tests.django import sample_tasks as tasks

READY, RUNNING = TaskResultStatus.READY, TaskResultStatus.RUNNING
SUCCESSFUL, FAILED = TaskResultStatus.SUCCESSFUL, TaskResultStatus.FAILED


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    tasks.ran.clear()


@pytest.mark.parametrize("task", [tasks.double, tasks.adouble])
def test_a_task_runs_in_a_worker_and_any_process_reads_its_result(every_app: App, task) -> None:
    sent = task.enqueue(21)
    waiting = task.get_result(sent.id)
    every_app.run_until_idle()
    done = task.get_result(sent.id)
    sent.refresh()

    assert (sent.id, waiting.status, waiting.is_finished, waiting.attempts) == (done.id, READY, False, 0)
    assert (waiting.started_at, waiting.last_attempted_at, waiting.finished_at) == (None, None, None)
    assert sent == done
    assert (done.status, done.return_value, done.args, done.kwargs, done.errors) == (SUCCESSFUL, 42, [21], {}, [])
    assert done.enqueued_at <= done.started_at == done.last_attempted_at <= done.finished_at
    assert (done.attempts, done.backend, done.task) == (1, "default", task)
    assert "run_until_idle" in done.worker_ids[0]


def test_what_enqueue_returns_is_what_get_result_returns(every_app: App) -> None:
    sent = tasks.double.enqueue(n=1)

    assert tasks.double.get_result(sent.id) == sent
    assert sent.enqueued_at is not None
    with pytest.raises(ValueError, match="has not finished"):
        _ = sent.return_value


def test_the_async_methods_do_the_same(every_app: App) -> None:
    async def story() -> tuple[object, object]:
        sent = await tasks.double.aenqueue(21)
        waiting = await tasks.double.aget_result(sent.id)
        await asyncio.to_thread(every_app.run_until_idle)
        await sent.arefresh()
        return waiting.status, sent.return_value

    assert asyncio.run(story()) == (READY, 42)


@pytest.mark.parametrize("task", [tasks.refuse, tasks.arefuse])
def test_a_task_that_raises_fails_at_once_with_its_error(every_app: App, task) -> None:
    sent = task.enqueue("no money")
    every_app.run_until_idle()
    sent.refresh()
    (error,) = sent.errors

    assert (sent.status, sent.attempts) == (FAILED, 1)
    assert error.exception_class is tasks.Refused
    assert error.exception_class_path == "tests.django.sample_tasks.Refused"
    assert error.traceback.startswith("Traceback")
    assert "in refuse" in error.traceback or "in arefuse" in error.traceback
    assert error.traceback.endswith("tests.django.sample_tasks.Refused: no money\n")
    assert sent.finished_at is not None
    with pytest.raises(ValueError, match="Task failed"):
        _ = sent.return_value


def test_a_long_error_is_kept_with_the_beginning_and_the_end(every_app: App) -> None:
    sent = tasks.refuse.enqueue("x" * 50_000)
    every_app.run_until_idle()
    sent.refresh()

    assert sent.errors[0].exception_class is tasks.Refused
    assert "characters cut" in sent.errors[0].traceback


def test_each_attempt_of_a_task_with_retries_is_told(every_app: App, harness: Harness) -> None:
    sent = tasks.fail_twice.enqueue([])
    every_app.run_until_idle()
    waiting = tasks.fail_twice.get_result(sent.id)
    for _ in range(2):
        harness.advance(10_000)
        every_app.run_until_idle()
    sent.refresh()

    if every_app.broker.__class__ is not MemoryBroker:  # that one's clock jumps to what is delayed
        assert (waiting.status, waiting.attempts, len(waiting.errors)) == (READY, 1, 1)
    assert (sent.status, sent.return_value, sent.attempts) == (SUCCESSFUL, "at last", 3)
    assert [error.exception_class for error in sent.errors] == [tasks.Refused, tasks.Refused]
    assert [error.traceback.rstrip().rpartition(": ")[2] for error in sent.errors] == ["attempt 1", "attempt 2"]
    assert sent.started_at < sent.last_attempted_at


def test_a_task_that_runs_is_running(app: App) -> None:
    sent = tasks.double.enqueue(1)
    seen = []

    def look(sender: object, task_result, **_: object) -> None:
        seen.append(tasks.double.get_result(sent.id))

    from fq.django.tasks_api import task_started

    task_started.connect(look)
    try:
        app.run_until_idle()
    finally:
        task_started.disconnect(look)
    (running,) = seen

    assert (running.status, running.is_finished, running.attempts) == (RUNNING, False, 1)
    assert running.started_at == running.last_attempted_at is not None
    assert running.finished_at is None


def test_higher_priorities_run_first(every_app: App) -> None:
    for priority in (-100, 0, 100, 50):
        tasks.note.using(priority=priority).enqueue(priority)
    every_app.run_until_idle()

    assert tasks.ran == [100, 50, 0, -100]


def test_run_after_is_a_time_by_the_clock_of_the_broker(app: App, broker: MemoryBroker) -> None:
    due = datetime.fromtimestamp(broker.now() / 1_000 + 3_600, tz=timezone.get_current_timezone())
    sent = tasks.note.using(run_after=due).enqueue("late")
    waiting = tasks.note.get_result(sent.id)
    record = app.message(sent.id)

    assert waiting.status == READY
    assert abs(waiting.task.run_after - due) < timedelta(milliseconds=2)
    assert record is not None and record.state == "delayed"
    assert abs(record.ready_at - broker.now() - 3_600_000) <= 1


def test_a_queue_that_tasks_does_not_list_is_refused() -> None:
    with pytest.raises(InvalidTask, match="Queue 'video' is not valid"):
        tasks.note.using(queue_name="video")


def test_a_task_is_sent_to_its_queue_with_its_priority(app: App) -> None:
    sent = tasks.send.enqueue("ann@example.com")
    record = app.message(sent.id)

    assert record is not None
    assert (record.queue_name, record.priority, record.actor_name) == ("mail", -5, "tests.django.sample_tasks.send")
    assert sent.task.queue_name == tasks.send.get_result(sent.id).task.queue_name == "mail"


def test_a_task_with_a_context_gets_its_result(every_app: App) -> None:
    sent, asent = tasks.own_result.enqueue(word="a"), tasks.aown_result.enqueue()
    every_app.run_until_idle()
    sent.refresh()
    asent.refresh()

    assert sent.return_value == {"id": sent.id, "attempt": 1, "word": "a"}
    assert asent.return_value == asent.id
    assert tasks.ran == [RUNNING]


def test_a_value_becomes_json_and_none_is_a_result(every_app: App) -> None:
    sent, nothing = tasks.in_a_tuple.enqueue(), tasks.note.enqueue(1)
    every_app.run_until_idle()
    sent.refresh()
    nothing.refresh()

    assert sent.return_value == ["a", "b", {"c": [1, 2]}]
    assert (nothing.status, nothing.return_value) == (SUCCESSFUL, None)


@pytest.mark.parametrize(("task", "error"), [(tasks.not_json, TypeError), (tasks.leave, SystemExit)])
def test_what_a_task_may_not_return_or_raise_is_its_error(every_app: App, task, error: type[BaseException]) -> None:
    sent = task.enqueue()
    every_app.run_until_idle()
    sent.refresh()

    assert (sent.status, sent.errors[0].exception_class) == (FAILED, error)


def test_a_task_that_is_skipped_or_cancelled_has_failed(every_app: App) -> None:
    skipped, cancelled = tasks.skip.enqueue(), tasks.double.enqueue(1)
    every_app.broker.cancel(cancelled.id)
    every_app.run_until_idle()
    skipped.refresh()
    cancelled.refresh()

    assert (skipped.status, skipped.errors[0].exception_class_path) == (FAILED, "fq.errors.SkipMessage")
    assert "not today" in skipped.errors[0].traceback
    assert (cancelled.status, cancelled.attempts, cancelled.errors[-1].exception_class_path) == (FAILED, 0, "fq.errors.Cancelled")


def test_an_argument_that_is_not_json_is_refused_before_anything_is_sent(app: App) -> None:
    with pytest.raises(TypeError, match="Unsupported type"):
        tasks.note.enqueue(timezone.now())
    assert len(app.messages()) == 0


def test_only_a_task_has_a_result(app: App) -> None:
    plain = confirm.send(1)

    for result_id in (plain.message_id, "nothing", "x" * 32):
        with pytest.raises(TaskResultDoesNotExist):
            task_backends["default"].get_result(result_id)


def test_a_result_expires(app: App, broker: MemoryBroker) -> None:
    sent = tasks.double.enqueue(1)
    app.run_until_idle()
    broker.advance(23 * 3_600_000)
    sent.refresh()
    broker.advance(2 * 3_600_000)

    assert sent.return_value == 2
    with pytest.raises(TaskResultDoesNotExist):
        sent.refresh()


@pytest.mark.skipif(not hasattr(type(tasks.double), "_reconstruct"), reason="a task of django-tasks cannot be pickled")
def test_a_task_and_its_result_can_be_pickled(app: App) -> None:
    sent = tasks.double.enqueue(1)

    assert pickle.loads(pickle.dumps(sent)) == sent


def test_the_backend_supports_all_that_django_knows() -> None:
    backend = task_backends["default"]

    assert (backend.supports_defer, backend.supports_async_task, backend.supports_get_result, backend.supports_priority) == (True,) * 4
    assert list(backend.check()) == []
