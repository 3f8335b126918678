"""`TaskView`: what a client sees of a task. `Viewer` makes it of a handle; what it leaves out, it never sends."""

import dataclasses
import math
from collections.abc import Callable
from typing import Literal, TypeAlias

from attrs import evolve, frozen
from returns.pipeline import is_successful
from returns.result import Result

from fq.asgi.shown import finite
from fq.calls.group_handle import GroupHandle
from fq.calls.handle import Handle
from fq.calls.task_error import TaskError
from fq.calls.task_handle import TaskHandle
from fq.core.fault import Fault
from fq.core.progress import Progress
from fq.errors import ResultNotStored
from fq.wire.signature import Signature

TaskState: TypeAlias = Literal["waiting", "running", "succeeded", "failed", "cancelled", "ended"]
"""``"waiting"`` also for its next attempt. ``"ended"``: no result is kept, or it never was one; so nothing says how it ended, or whether it was sent."""

_STATES: dict[str, TaskState] = {"ready": "waiting", "delayed": "waiting", "running": "running", "waiting": "running"}
_ANY_RESULT = Signature.returning(object)


@dataclasses.dataclass(frozen=True)
class TaskProgress:
    """How far a task is: *done* of *of*, a *note* for people, and *fraction*, from 0 to 1. None: not known."""

    done: object
    of: float | None = None
    note: str = ""
    fraction: float | None = None


@dataclasses.dataclass(frozen=True)
class TaskView:
    """
    What a client sees of a task. A dataclass, so that FastAPI and Litestar know its schema.

    Attributes:
        id: what stands for the task in a path of `TaskRoutes`.

        state: where it is.

        progress: what the running actor has told.

        result: what the actor returned, as JSON.

        error: if it failed, what `TaskRoutes` shows of that.
    """

    id: str
    state: TaskState
    progress: TaskProgress | None = None
    result: object = None
    error: object = None

    @property
    def has_ended(self) -> bool:
        """Will the task change no more?"""
        return self.state not in ("waiting", "running")


def error_type(fault: Fault) -> object:
    """Return what is shown of a failure by default: its type. Its text and traceback may hold what clients must not see."""
    return {"type": fault.type}


def unchanged(result: object) -> object:
    """Return *result*: what is shown of it by default."""
    return result


@frozen
class Viewer:
    """Makes views with what *show_result* and *show_error* return of results and failures."""

    show_result: Callable[[object], object] = unchanged
    show_error: Callable[[Fault], object] = error_type

    def ended(self, link: str, result: Result[object, TaskError]) -> TaskView | None:
        """Return the view of a task with this *result*; None if there is none yet."""
        if is_successful(result):
            return TaskView(link, "succeeded", result=self.show_result(finite(self._without_faults(result.unwrap()))))
        error = result.failure()
        return self.failed(link, error) if isinstance(error, Fault) else None

    def failed(self, link: str, fault: Fault) -> TaskView:
        """Return the view of a task that failed."""
        return TaskView(link, "cancelled" if fault.type == "Cancelled" else "failed", error=self.show_error(fault))

    def current(self, link: str, handle: Handle[object]) -> TaskView:
        """Return the view of a task at this moment. It asks the broker, and blocks."""
        if (view := self.ended(link, handle.get(0))) is None and (view := self.unended(link, handle)).has_ended:
            return self.ended(link, handle.get(0)) or view  # it may have ended in between
        return view

    def unended(self, link: str, handle: Handle[object]) -> TaskView:
        """Return the view of a task without its result. It asks the broker, and blocks."""
        status = handle.status()
        if status.state == "dead" and status.fault is not None:
            return self.failed(link, status.fault)
        if (state := _STATES.get(status.state)) is not None:
            return TaskView(link, state, _progress(status.progress or _group_progress(handle)))
        for step in handle.before:
            if (earlier := self.unended(link, step)).state != "ended":
                return dataclasses.replace(earlier, progress=None)
        return TaskView(link, "ended")

    def _without_faults(self, value: object) -> object:
        """Return *value*, a result, with what is shown of the failures that a group has collected."""
        if isinstance(value, Fault):
            return {"error": self.show_error(value)}
        return [self._without_faults(each) for each in value] if isinstance(value, list | tuple) else value


def untyped(handle: Handle[object]) -> Handle[object]:
    """Return *handle* with results that are JSON, as they are stored."""
    before = tuple(map(untyped, handle.before))
    if isinstance(handle, TaskHandle):
        return TaskHandle(handle.message_id, handle.actor_name, handle.stored, _ANY_RESULT, handle.app, before)
    if isinstance(handle, GroupHandle):
        return evolve(handle, members=tuple(map(untyped, handle.members)), before=before)
    return handle


def _progress(progress: Progress | None) -> TaskProgress | None:
    if progress is None:
        return None
    of = progress.of if progress.of is None or math.isfinite(progress.of) else None
    return TaskProgress(finite(progress.done), of, progress.note, progress.fraction)


def _group_progress(handle: Handle[object]) -> Progress | None:
    if not isinstance(handle, GroupHandle):
        return None
    try:
        return handle.progress()
    except ResultNotStored:
        return None
