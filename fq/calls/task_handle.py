"""`TaskHandle`: the handle of a call, or of a pipeline that ends with one. Next: ``fq.calls.group_handle``."""

from collections.abc import Callable
from typing import TypeVar

from attrs import field, frozen
from returns.pipeline import is_successful
from returns.result import Failure, Result, Success

from fq.brokers.records import Status
from fq.calls.app_path import app_at, app_path
from fq.calls.handle import DEFAULT_RESULT_TIMEOUT_MS, Handle
from fq.calls.handle_operations import ResultSource
from fq.calls.reading_progress import with_progress
from fq.calls.task_error import Missing, NotStored, TaskError, TimedOut
from fq.core.duration import Duration, to_ms
from fq.core.frozen import unchecked_constructor
from fq.wire.codec import decode_result
from fq.wire.signature import Signature

R_co = TypeVar("R_co", covariant=True)

ANY_ACTOR = "message"
"""The *actor_name* of the handle of a message whose actor is not known: see `App.handle`."""


@frozen(weakref_slot=False)
class TaskHandle(Handle[R_co]):
    """The `Handle` of a call, or of a pipeline that ends with a call."""

    message_id: str
    actor_name: str
    stored: bool = field(repr=False)
    signature: Signature = field(repr=False)
    app: ResultSource = field(repr=False)
    before: tuple[Handle[object], ...] = field(default=(), repr=False)
    is_duplicate: bool = field(default=False, eq=False, repr=False)

    def get(self, timeout: Duration = DEFAULT_RESULT_TIMEOUT_MS) -> Result[R_co, TaskError]:
        """See `Handle.get`."""
        return self._read(self.app.broker.wait_result(self.message_id, to_ms(timeout)) if self.stored else None, to_ms(timeout))

    async def aget(self, timeout: Duration = DEFAULT_RESULT_TIMEOUT_MS) -> Result[R_co, TaskError]:
        """See `Handle.aget`."""
        body = await self.app.broker.await_result(self.message_id, to_ms(timeout)) if self.stored else None
        return self._read(body, to_ms(timeout))

    def status(self) -> Status:
        """See `Handle.status`."""
        broker = self.app.broker
        return with_progress(broker, broker.status(self.message_id))

    def parts(self) -> tuple[Handle[object], ...]:
        """See `Handle.parts`."""
        return (*self.before, self)

    def leaves(self) -> tuple[Handle[object], ...]:
        """See `Handle.leaves`."""
        return (self,)

    def _read(self, body: bytes | None, timeout: int) -> Result[R_co, TaskError]:
        if not self.stored:
            return Failure(NotStored(self.actor_name))
        if body is None:
            return Failure(TimedOut(timeout) if timeout else Missing(self.message_id))
        result = decode_result(body)
        return Success(self.signature.load_result(result.unwrap())) if is_successful(result) else Failure(result.failure())  # type: ignore[arg-type]  # R is what the signature says

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        """Return what a pickle holds: where the app is, and of the signature what can be pickled."""
        returns = self.signature.result_annotation if self.actor_name == ANY_ACTOR else None
        path = app_path(self.app)
        return _unpickled, (type(self), path, self.message_id, self.actor_name, self.stored, returns, self.before, self.is_duplicate)


_TASK_HANDLE: type[TaskHandle[object]] = TaskHandle
new_task_handle = unchecked_constructor(_TASK_HANDLE)


def _unpickled(
    kind: "type[TaskHandle[object]]",
    path: str,
    message_id: str,
    actor_name: str,
    stored: bool,
    returns: object,
    before: tuple[Handle[object], ...],
    is_duplicate: bool,
) -> TaskHandle[object]:
    """Return the handle that was pickled with these parts."""
    app = app_at(path, message_id)
    signature = Signature.returning(returns) if actor_name == ANY_ACTOR else app.get_actor(actor_name).signature
    return kind(message_id, actor_name, stored, signature, app, before, is_duplicate)
