"""`FqBackend`: the backend for Django's tasks, ``TASKS = {"default": {"BACKEND": "fq.django.FqBackend"}}``."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from difflib import get_close_matches
from functools import partial
from typing import Any, cast

from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.utils.module_loading import import_string
from django.utils.timezone import is_naive, make_aware

from fq.calls.actor import AnyActor, check_queue_name
from fq.calls.call import Call
from fq.core.duration import Duration
from fq.core.outcome import Enqueue
from fq.django.application import on_commit, project_app
from fq.django.checks import check_installed
from fq.django.settings import read_settings
from fq.django.task import ACTOR_OPTIONS, FqTask, declare
from fq.django.task_results import moment, result_of, result_with
from fq.django.tasks_api import (
    AnyResult,
    AnyTask,
    BaseTaskBackend,
    InvalidTask,
    Task,
    TaskResult,
    TaskResultDoesNotExist,
    TaskResultStatus,
    task_enqueued,
)
from fq.errors import DeclarationError, FqError, InvalidArguments

OPTIONS = ("on_commit", "outbox", "keep_for", *ACTOR_OPTIONS)
"""The keys of ``OPTIONS``."""

DEFAULT_KEEP_FOR = timedelta(days=1)


class FqBackend(BaseTaskBackend):
    """
    Enqueues Django's tasks as messages of the project's app. Each task is an actor of it, with the path of its function as its name.

    ``OPTIONS`` may have ``on_commit`` (True: a task that is enqueued in a transaction is sent once that is committed; default: False, at once), ``outbox``
    (True: in a transaction of the database ``FQ["OUTBOX"]`` it is written into the outbox, and a worker sends it; default: False), ``keep_for`` (how long
    results are kept, ms or timedelta; default: one day), and, for all tasks, ``max_retries`` (default: 0), ``min_backoff``, ``max_backoff``, ``time_limit``
    and ``max_age``. ``@task(...)`` takes those of `FqTask`.

    Raises:
        ImproperlyConfigured: an option or the name of a queue that fq cannot use.
    """

    task_class: type[AnyTask] = FqTask
    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        super().__init__(alias, params)
        for name in self.options:
            if name not in OPTIONS:
                near = get_close_matches(str(name), OPTIONS, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"the options are {', '.join(OPTIONS)}"
                raise ImproperlyConfigured(f"TASKS[{alias!r}]['OPTIONS']: found {name!r}: {hint}")
        self._sends_on_commit = self.options.get("on_commit", False) is True
        self._outbox = self._database_of_outbox() if self.options.get("outbox", False) is True else None
        self._keep_for = cast("Duration", self.options.get("keep_for", DEFAULT_KEEP_FOR))
        try:
            project_app().registry.queues.declare_all(sorted(self.queues))
        except DeclarationError as error:
            raise ImproperlyConfigured(f"TASKS[{alias!r}]['QUEUES']: {error}") from error

    def validate_task(self, task: AnyTask) -> None:
        """
        Check *task*, and declare its actor.

        Raises:
            InvalidTask: Django's rules, or those of fq for names of queues and values of options, do not allow it.
        """
        super().validate_task(task)
        try:
            check_queue_name(task.queue_name)
            self._actor(task)
        except FqError as error:
            raise InvalidTask(str(error)) from error

    def enqueue(self, task: AnyTask, args: Any, kwargs: Any) -> AnyResult:  # type: ignore[override]  # noqa: ANN401  # its result is of any type
        """
        Send *task*, and return a result that `get_result` can read again, in any process.

        With the option ``on_commit``, and in a transaction, it is sent once that is committed; until then the result is unknown to other processes. With
        ``outbox`` it is unknown until a worker has moved it to the broker.

        Raises:
            InvalidTask: see `validate_task`.
            TypeError: an argument that is not JSON, or arguments that the function does not take.
            BrokerUnavailable: the broker could not be reached.
        """
        self.validate_task(task)
        result: AnyResult = TaskResult(
            task=task,
            id=project_app().new_message_id(),
            status=TaskResultStatus.READY,
            enqueued_at=None,
            started_at=None,
            last_attempted_at=None,
            finished_at=None,
            args=args,
            kwargs=kwargs,
            backend=self.alias,
            errors=[],
            worker_ids=[],
        )
        call = self._call(result)
        if self._sends_on_commit:
            on_commit(partial(self._send, call, result), None)
        elif self._outbox is not None and not connections[self._outbox].get_autocommit():
            _, enqueues = project_app().send_on_as(call, connections[self._outbox], result.id)
            self._tell_enqueued(enqueues, result)
        else:
            self._send(call, result)
        return result

    def get_result(self, result_id: str) -> AnyResult:
        """
        Return what is known of a task that was enqueued, perhaps by another process.

        Raises:
            TaskResultDoesNotExist: no task has this id, or its result has expired.
        """
        app = project_app()
        record = app.message(str(result_id))
        task = None if record is None else task_at(record.actor_name)
        if record is None or task is None:
            raise TaskResultDoesNotExist(result_id)
        return result_of(record, task, self.alias, app.handle(record.message_id).get(0))

    def check(self, **kwargs: Any) -> list[Any]:  # noqa: ANN401  # as Django has it
        """Return what is wrong with this backend; ``manage.py check`` asks."""
        return [*super().check(**kwargs), *check_installed()]

    def _call(self, result: AnyResult) -> Call[Any]:
        task, actor = result.task, self._actor(result.task)
        try:
            call: Call[Any] = actor.call(*result.args, **result.kwargs)
            call.enqueues(result.id, 0)  # are there all arguments?
        except InvalidArguments as error:
            raise TypeError(str(error)) from error
        if (task.queue_name, -task.priority) != (actor.queue_name, actor.priority):
            call = call.with_options(queue=task.queue_name, priority=-task.priority)
        if task.run_after is None:
            return call
        return call.at(make_aware(task.run_after) if is_naive(task.run_after) else task.run_after)

    def _send(self, call: Call[Any], result: AnyResult) -> None:
        self._tell_enqueued(project_app().send_as(call, result.id), result)

    def _tell_enqueued(self, enqueues: Sequence[Enqueue], result: AnyResult) -> None:
        (sent,) = enqueues
        result_with(result, enqueued_at=moment(sent.message.message_timestamp))
        task_enqueued.send(type(self), task_result=result)

    def _database_of_outbox(self) -> str:
        """Return the alias of the database with the outbox."""
        if self._sends_on_commit:
            raise ImproperlyConfigured(f"TASKS[{self.alias!r}]['OPTIONS']: found on_commit and outbox, expected one of them")
        if alias := read_settings().outbox:
            return alias
        raise ImproperlyConfigured(
            f"TASKS[{self.alias!r}]['OPTIONS']: outbox needs the alias of a database in FQ['OUTBOX']: FQ = {{\"OUTBOX\": \"default\"}}"
        )

    def _actor(self, task: AnyTask) -> AnyActor:
        options: Mapping[str, object] = {name: self.options[name] for name in ACTOR_OPTIONS if name in self.options}
        return declare(project_app(), task, type(self), options, self._keep_for)


def task_at(path: str) -> AnyTask | None:
    """Return the task at *path*, the name of an actor; None if there is none: the actor is a plain one, or its code is not here any more."""
    try:
        found = import_string(path)
    except ImportError:
        return None
    return found if isinstance(found, Task) else None
