"""`GroupHandle`: the handle of a group. `make_handle` makes the handle of a call, a pipeline or a group."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TypeAlias, TypeVar

from attrs import field, fields, frozen
from returns.pipeline import is_successful
from returns.result import Failure, Result, Success

from fq.brokers.records import Status
from fq.calls.app_path import app_at, app_path
from fq.calls.deadline import start_deadline
from fq.calls.emitting_handle import EmittingHandle
from fq.calls.handle import DEFAULT_RESULT_TIMEOUT_MS, Handle, completion_check
from fq.calls.handle_operations import ResultSource
from fq.calls.task_error import TaskError
from fq.calls.task_handle import new_task_handle
from fq.calls.templates import CallTemplate, StepTemplate
from fq.core.derived_ids import child_id
from fq.core.duration import Duration, to_ms
from fq.core.fault import Fault
from fq.core.progress import Progress

R_co = TypeVar("R_co", covariant=True)

MAX_LOOKED_AT = 1_000
"""How many messages `GroupHandle.status` looks at, at most."""


@frozen
class GroupHandle(Handle[R_co]):
    """
    The `Handle` of a group, or of a pipeline that ends with a group. Its result is made of the results of *members*.

    Attributes:
        collects: does the result hold a `Fault` in place of each missing result?

        as_tuple: is the result a tuple? If not, it is a list.

        callback_ids: the ids of the messages of the group's callbacks.
    """

    message_id: str
    members: tuple[Handle[object], ...]
    stored: bool = field(repr=False)
    app: ResultSource = field(repr=False)
    collects: bool = field(default=False, repr=False)
    as_tuple: bool = field(default=False, repr=False)
    before: tuple[Handle[object], ...] = field(default=(), repr=False)
    callback_ids: tuple[str, ...] = field(default=(), repr=False)
    actor_name: str = "group"
    is_duplicate: bool = field(default=False, eq=False, repr=False)

    def get(self, timeout: Duration = DEFAULT_RESULT_TIMEOUT_MS) -> Result[R_co, TaskError]:
        """See `Handle.get`."""
        remaining_ms, values = start_deadline(to_ms(timeout)), list[object]()
        for part in self.parts_to_await():
            if (error := self._collect(part.get(remaining_ms()), values)) is not None:
                return Failure(error)
        return self._group_result(values)

    async def aget(self, timeout: Duration = DEFAULT_RESULT_TIMEOUT_MS) -> Result[R_co, TaskError]:
        """See `Handle.aget`."""
        remaining_ms, values = start_deadline(to_ms(timeout)), list[object]()
        for part in self.parts_to_await():
            if (error := self._collect(await part.aget(remaining_ms()), values)) is not None:
                return Failure(error)
        return self._group_result(values)

    def status(self) -> Status:
        """
        Return the state ``"done"``; ``"running"`` if a message of it waits or runs; or else ``"unknown"``. It looks at 1,000 messages at most.

        A group has no message of its own.
        """
        if self.completed:
            return Status(self.message_id, "done")
        states = (self.app.broker.status(message_id).state for message_id in islice(self.message_ids(), MAX_LOOKED_AT))
        return Status(self.message_id, "running" if any(state in ("ready", "delayed", "running") for state in states) else "unknown")

    def progress(self) -> Progress | None:
        """Return how many of the members have ended. Raises `ResultNotStored` if a member stores no result."""
        return Progress(self.completed_count, of=len(self.members))

    def parts(self) -> tuple[Handle[object], ...]:
        """See `Handle.parts`."""
        return self.members

    def message_ids(self) -> Iterator[str]:
        """See `Handle.message_ids`."""
        for part in (*self.before, *self.members):
            yield from part.message_ids()
        yield from self.callback_ids

    def group_ids(self) -> Iterator[str]:
        """See `Handle.group_ids`."""
        yield self.message_id
        for part in (*self.before, *self.members):
            yield from part.group_ids()

    def parts_to_await(self) -> tuple[Handle[object], ...]:
        """Return the members; for an empty group, the step before."""
        return self.members or self.before[-1:]

    @property
    def completed_count(self) -> int:
        """See `Handle.completed_count`."""
        return sum(map(completion_check(self.app, self.members), self.members))

    def _collect(self, result: Result[object, TaskError], values: list[object]) -> TaskError | None:
        """Append the value of *result*, or the fault that the group collects, to *values*; otherwise return the error."""
        if is_successful(result):
            values.append(result.unwrap())
            return None
        error = result.failure()
        if not (self.collects and isinstance(error, Fault)):
            return error
        values.append(error)
        return None

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        """Return what a pickle holds: where the app is, and the other fields."""
        others = {each.name: getattr(self, each.name) for each in fields(type(self)) if each.name != "app"}
        return _unpickled, (app_path(self.app), others)

    def _group_result(self, values: list[object]) -> Result[R_co, TaskError]:
        values = values if self.members else []  # an empty group has awaited the step before, whose value is not its own
        return Success(tuple(values) if self.as_tuple else values)  # type: ignore[arg-type]  # R is the type of what the group was made of


def _unpickled(path: str, others: dict[str, object]) -> GroupHandle[object]:
    """Return the handle that was pickled with these parts."""
    return GroupHandle(app=app_at(path, str(others["message_id"])), **others)  # type: ignore[arg-type]  # the fields, as they were


StoresResult: TypeAlias = Callable[[CallTemplate], bool]
"""Tells whether the result of a call is stored."""


def make_handle(
    app: ResultSource, stores_result: StoresResult, steps: tuple[StepTemplate, ...], message_id: str, is_duplicate: bool = False
) -> Handle[object]:
    """Return the handle of the pipeline *steps*, whose first step was sent as *message_id*; it *is_duplicate* if another call sent that."""
    if len(steps) == 1:  # the hot path
        return _step_handle(app, stores_result, steps[0], message_id, (), is_duplicate)
    *earlier, last = steps
    before: list[Handle[object]] = []
    for step in earlier:
        before.append(_step_handle(app, stores_result, step, message_id))
        message_id = child_id(message_id, "pipe")
    return _step_handle(app, stores_result, last, message_id, tuple(before), is_duplicate)


def _step_handle(
    app: ResultSource,
    stores_result: StoresResult,
    step: StepTemplate,
    message_id: str,
    before: tuple[Handle[object], ...] = (),
    is_duplicate: bool = False,
) -> Handle[object]:
    if isinstance(step, CallTemplate):
        actor = step.actor
        make = new_task_handle if actor.emits is None else EmittingHandle
        return make(message_id, actor.name, stores_result(step), actor.signature, app, before, is_duplicate)
    members = tuple(make_handle(app, stores_result, member, child_id(message_id, at)) for at, member in enumerate(step.members))
    return GroupHandle(
        message_id,
        members,
        all(member.stored for member in members),
        app,
        collects=step.policy == "collect",
        as_tuple=step.as_tuple,
        before=before,
        callback_ids=tuple(child_id(message_id, "then", at) for at in range(len(step.callbacks))),
        is_duplicate=is_duplicate,
    )
