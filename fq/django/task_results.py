"""What fq knows of a message, as Django's `TaskResult`: `result_of`."""

import builtins
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from traceback import format_exception

from django.conf import settings
from django.utils.timezone import make_naive
from returns.pipeline import is_successful
from returns.result import Result

import fq.errors as fq_errors
from fq.calls.message_record import MessageRecord
from fq.calls.task_error import TaskError as NoResult
from fq.core.attempts import Attempt
from fq.core.fault import Fault
from fq.django.tasks_api import AnyResult, AnyTask, InvalidTask, TaskError, TaskResult, TaskResultDoesNotExist, TaskResultStatus
from fq.errors.exception_text import traceback_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

STATUSES = {
    "ready": TaskResultStatus.READY,
    "delayed": TaskResultStatus.READY,
    "retrying": TaskResultStatus.READY,
    "running": TaskResultStatus.RUNNING,
    "dead": TaskResultStatus.FAILED,
    "finished": TaskResultStatus.FAILED,  # unless its outcome is a success
}

ENDINGS = {"cancelled": "Cancelled", "dropped": "SkipMessage"}
"""The outcomes without an error of their own, and the class of fq's that stands for them."""


def result_of(record: MessageRecord, task: AnyTask, alias: str, stored: Result[object, NoResult]) -> AnyResult:
    """
    Return the result of a message of *task*, of which *record* is known. *stored* is what is stored for it, if it has ended.

    Raises:
        TaskResultDoesNotExist: it has succeeded, and its value has expired.
    """
    succeeded = record.outcome == "success"
    runs, is_running, has_ended = record.attempts, record.state == "running", record.state in ("finished", "dead")
    if succeeded and not is_successful(stored):
        raise TaskResultDoesNotExist(record.message_id)
    now = moment(record.since) if is_running else None
    result: AnyResult = TaskResult(
        task=variant(task, record.priority, record.queue_name, moment(record.ready_at) if record.ready_at > record.made_at else None),
        id=record.message_id,
        status=TaskResultStatus.SUCCESSFUL if succeeded else STATUSES[record.state],
        enqueued_at=moment(record.made_at),
        started_at=moment(record.started_at) if record.started_at else now,
        last_attempted_at=now or (moment(runs[-1].started) if runs and runs[-1].started else None),
        finished_at=moment(record.since) if has_ended else None,
        args=list(record.args),
        kwargs=dict(record.kwargs),
        backend=alias,
        errors=_errors(record, stored),
        worker_ids=[*attempt_workers(runs), *([record.worker] if is_running else [])],
    )
    return result_with(result, _return_value=stored.unwrap()) if succeeded else result


def result_with(result: AnyResult, **changes: object) -> AnyResult:
    """Return *result*, which now has *changes*: Django's records are frozen, and its own backends change them so."""
    for name, value in changes.items():
        object.__setattr__(result, name, value)
    return result


def variant(task: AnyTask, priority: int, queue_name: str, due: datetime | None) -> AnyTask:
    """Return *task* as it was enqueued: with *priority*, as fq has it, in its queue, and to run after *due*."""
    if (task.priority, task.queue_name, task.run_after) == (-priority, queue_name, due):
        return task
    try:
        return task.using(priority=-priority, queue_name=queue_name, run_after=due)
    except InvalidTask:  # the backend does not allow this queue any more
        return task


def moment(ms: int) -> datetime:
    """Return the time *ms* since the epoch, with a time zone if the project has them."""
    time = EPOCH + timedelta(milliseconds=ms)
    return time if settings.USE_TZ else make_naive(time)


def attempt_workers(attempts: Sequence[Attempt]) -> list[str]:
    """Return who ran each of *attempts*, as many as there were; the names of those that are not kept are empty."""
    workers = {attempt.number: attempt.worker for attempt in attempts}
    return [workers.get(number, "") for number in range(1, max(workers, default=0) + 1)]


def attempt_errors(attempts: Sequence[Attempt]) -> list[TaskError]:
    """Return the errors of *attempts*."""
    return [fault_error(attempt.error) for attempt in attempts if attempt.error is not None]


def _errors(record: MessageRecord, stored: Result[object, NoResult]) -> list[TaskError]:
    """Return the errors of the runs of a message, the last one as it is *stored*, with all of its traceback that is kept; or why it did not run."""
    found = attempt_errors(record.attempts)
    if record.outcome == "success" or record.state not in ("finished", "dead"):
        return found
    whole = None if is_successful(stored) else stored.failure()
    fault = whole if isinstance(whole, Fault) else record.error
    if fault is None:
        fault = Fault(ENDINGS.get(record.outcome, "FqError"), record.reason)
    ran_last = bool(record.attempts) and record.attempts[-1].error is not None
    return [*(found[:-1] if ran_last else found), fault_error(fault)]


def fault_error(fault: Fault) -> TaskError:
    """Return *fault* as an error of Django's."""
    path = class_path(fault)
    return TaskError(exception_class_path=path, traceback=fault.traceback or f"{path}: {fault.message}\n")


def error_of(error: BaseException) -> TaskError:
    """Return *error* as an error of Django's."""
    kind = type(error)
    traceback = traceback_of(error) or "".join(format_exception(error))
    return TaskError(exception_class_path=f"{kind.__module__}.{kind.__qualname__}", traceback=traceback)


def class_path(fault: Fault) -> str:
    r"""
    Return the dotted path of the class of *fault*: its traceback has it, in the line before the text.

    >>> class_path(Fault("Refused", "", "Traceback (most recent call last):\n  ...\nshop.errors.Refused: no money\n"))
    'shop.errors.Refused'
    >>> class_path(Fault("ValueError", "no"))
    'builtins.ValueError'
    """
    found = re.findall(rf"^(?:[\w.<>]+\.)?{re.escape(fault.type)}(?=:|$)", fault.traceback, re.MULTILINE)
    if found and "." in found[-1]:
        return str(found[-1])
    if hasattr(builtins, fault.type):
        return f"builtins.{fault.type}"
    return f"{'fq.errors' if hasattr(fq_errors, fault.type) else '__main__'}.{fault.type}"
