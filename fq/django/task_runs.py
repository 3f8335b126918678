"""`TaskRuns`: the layer around each run of a Django task. It tells Django's signals, and makes the context of a task that asks for one."""

from contextvars import ContextVar
from time import monotonic
from typing import ClassVar

from asgiref.sync import sync_to_async
from attrs import field, frozen

from fq.core.attempts import attempts_of
from fq.core.message import Message
from fq.core.outcome import Drop, Outcome
from fq.core.reserved_options import FIRST_DELAY
from fq.django.task_results import attempt_errors, attempt_workers, error_of, moment, result_with, variant
from fq.django.tasks_api import (
    AnyResult,
    AnyTask,
    BaseTaskBackend,
    TaskContext,
    TaskError,
    TaskResult,
    TaskResultStatus,
    task_finished,
    task_started,
)
from fq.errors import SkipMessage
from fq.errors.exception_text import frames_of
from fq.layers import AgeLimit, PoisonLimit, Retries
from fq.middleware.base import AsyncHandler, Handler, Middleware, Rule
from fq.runtime.actor_run import current_run

_running: ContextVar[AnyResult] = ContextVar("fq_django_task_result")


@frozen
class TaskRuns(Middleware):
    """
    Tells `task_started` at each run of *task*, and `task_finished` at the last one. *sender* is the class of its backend.

    A receiver that raises is logged by Django, and changes nothing. For an async task, receivers that are sync run in the thread of the ORM.
    """

    task: AnyTask = field(repr=lambda task: repr(task.module_path))
    sender: type[BaseTaskBackend] = field(repr=False)

    outside_of: ClassVar[tuple[Rule, ...]] = tuple(
        Rule(kind, "a task has finished when it is not run again") for kind in (Retries, AgeLimit, PoisonLimit)
    )

    @classmethod
    def option_names(cls) -> frozenset[str]:
        """A message has no options here."""
        return frozenset()

    def wrap(self, next: Handler) -> Handler:
        """Return *next* between the two signals."""

        def handler(message: Message) -> Outcome:
            result, started = self._begun(message), monotonic()
            task_started.send_robust(self.sender, task_result=result)
            token = _running.set(result)
            try:
                outcome = next(message)
            finally:
                _running.reset(token)
            if outcome.final:
                finish(result, message, outcome, started)
                _tell_finished(outcome.error, self.sender, result)
            return outcome

        return handler

    def awrap(self, next: AsyncHandler) -> AsyncHandler:
        """Return *next* between the two signals."""

        async def handler(message: Message) -> Outcome:
            result, started = self._begun(message), monotonic()
            await sync_to_async(task_started.send_robust)(self.sender, task_result=result)
            token = _running.set(result)
            try:
                outcome = await next(message)
            finally:
                _running.reset(token)
            if outcome.final:
                finish(result, message, outcome, started)
                await _atell_finished(outcome.error, self.sender, result)
            return outcome

        return handler

    def _begun(self, message: Message) -> AnyResult:
        """Return the result of a task that runs now."""
        attempts = attempts_of(message)
        run, now, delay = current_run(), moment(message.received_at), message.options.get(FIRST_DELAY, 0)
        due = moment(message.message_timestamp + delay) if isinstance(delay, int) and delay else None
        return TaskResult(
            task=variant(self.task, message.priority, message.queue_name, due),
            id=message.message_id,
            status=TaskResultStatus.RUNNING,
            enqueued_at=moment(message.message_timestamp),
            started_at=moment(attempts[0].started) if attempts and attempts[0].started else now,
            finished_at=None,
            last_attempted_at=now,
            args=list(message.args),
            kwargs=dict(message.kwargs),
            backend=self.task.backend,
            errors=attempt_errors(attempts),
            worker_ids=[*attempt_workers(attempts), "" if run is None else run.worker],
        )


def arguments(task: AnyTask, args: tuple[object, ...]) -> tuple[object, ...]:
    """Return *args* as the function of *task*, which runs now, takes them: after its context, if it asks for one."""
    return (TaskContext(task_result=_running.get()), *args) if task.takes_context else args


def finish(result: AnyResult, message: Message, outcome: Outcome, started: float) -> None:
    """Write into *result* what its task came to. It began at *started*, by `time.monotonic`."""
    ended = moment(message.received_at + round((monotonic() - started) * 1_000))
    if outcome.succeeded:
        result_with(result, status=TaskResultStatus.SUCCESSFUL, finished_at=ended, _return_value=outcome.result.unwrap())
        return
    result.errors.append(_error(outcome))
    result_with(result, status=TaskResultStatus.FAILED, finished_at=ended)


def _error(outcome: Outcome) -> TaskError:
    setback = outcome.result.failure()
    return error_of(SkipMessage(setback.reason) if isinstance(setback, Drop) else setback.error)  # type: ignore[arg-type]  # a final outcome has one


def _tell_finished(error: BaseException | None, sender: type[BaseTaskBackend], result: AnyResult) -> None:
    """Tell `task_finished` while *error* is handled, so that Django's receiver logs it with its traceback."""
    frames = None if error is None else frames_of(error)
    try:
        if error is not None:
            raise error
        task_finished.send_robust(sender, task_result=result)
    except BaseException as raised:
        if raised is not error:
            raise
        task_finished.send_robust(sender, task_result=result)
        raised.__traceback__ = frames


async def _atell_finished(error: BaseException | None, sender: type[BaseTaskBackend], result: AnyResult) -> None:
    """`_tell_finished`, for async tasks. `asend_robust` would start a task of its own, in which no error is handled."""
    frames = None if error is None else frames_of(error)
    try:
        if error is not None:
            raise error
        await sync_to_async(task_finished.send_robust)(sender, task_result=result)
    except BaseException as raised:
        if raised is not error:
            raise
        await sync_to_async(task_finished.send_robust)(sender, task_result=result)
        raised.__traceback__ = frames
