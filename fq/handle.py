"""`Handle`: what `send` returns, to wait for the result by; and `TaskError`, the closed union of the reasons why there is none."""

from typing import TYPE_CHECKING, Generic, Never, TypeAlias, TypeVar, assert_never

from attrs import field, frozen
from returns.pipeline import is_successful
from returns.result import Failure, Result, Success

from fq.brokers.records import Status
from fq.codec import decode_result
from fq.duration import Duration, to_ms
from fq.errors import ResultFailure, ResultMissing, ResultNotStored, ResultTimeout
from fq.fault import Fault
from fq.signature import Signature

if TYPE_CHECKING:
    from fq.app import App

R_co = TypeVar("R_co", covariant=True)

PATIENCE = 10_000
"""How long `Handle.get` waits unless told otherwise, ms."""


@frozen
class TimedOut:
    """No result came within *timeout* ms."""

    timeout: int


@frozen
class Missing:
    """There is no result yet, or it has expired."""

    message_id: str


@frozen
class NotStored:
    """The actor stores no results."""

    actor_name: str


TaskError: TypeAlias = Fault | TimedOut | Missing | NotStored


@frozen
class Handle(Generic[R_co]):
    """
    A handle on the result, of type *R*, of a call that was sent. It may be kept, passed on and asked any number of times.

    Attributes:
        message_id: under which the result is stored: of a pipeline, the last step's.

        actor_name: whose result it is.
    """

    message_id: str
    actor_name: str
    stored: bool = field(repr=False)
    signature: Signature = field(repr=False)
    app: "App" = field(repr=False)

    def get(self, timeout: Duration = PATIENCE) -> Result[R_co, TaskError]:
        """Return the result, waiting up to *timeout* (ms or timedelta) for it; as a value, whatever came of it."""
        return self._read(self.app.broker.wait_result(self.message_id, to_ms(timeout)) if self.stored else None, to_ms(timeout))

    async def aget(self, timeout: Duration = PATIENCE) -> Result[R_co, TaskError]:
        """`get`, for async callers."""
        body = await self.app.broker.await_result(self.message_id, to_ms(timeout)) if self.stored else None
        return self._read(body, to_ms(timeout))

    def get_result(self, *, block: bool = False, timeout: Duration = PATIENCE) -> R_co:
        """
        Return the value that the actor returned; with *block*, wait up to *timeout* (ms or timedelta) for it.

        Raises:
            ResultMissing: there is none yet (without *block*), or it has expired.
            ResultTimeout: none came in time.
            ResultNotStored: the actor stores no results.
            ResultFailure: the task failed for good.
        """
        result = self.get(timeout if block else 0)
        return result.unwrap() if is_successful(result) else _raise(self, result.failure(), block)

    def status(self) -> Status:
        """Return where the message is."""
        return self.app.broker.status(self.message_id)

    def _read(self, body: bytes | None, timeout: int) -> Result[R_co, TaskError]:
        if not self.stored:
            return Failure(NotStored(self.actor_name))
        if body is None:
            return Failure(TimedOut(timeout) if timeout else Missing(self.message_id))
        result = decode_result(body)
        return Success(self.signature.load_result(result.unwrap())) if is_successful(result) else Failure(result.failure())  # type: ignore[arg-type]  # R is what the signature says


def _raise(handle: "Handle[object]", error: TaskError, block: bool) -> Never:
    match error:
        case Fault(kind, message, traceback):
            raise ResultFailure(kind, message, traceback)
        case TimedOut(timeout):
            raise ResultTimeout(f"no result of {handle.actor_name} {handle.message_id} within {timeout} ms")
        case Missing(message_id):
            raise ResultMissing(f"no result of {handle.actor_name} {message_id} yet, or it has expired: get_result(block=True) waits")
        case NotStored(actor_name):
            raise ResultNotStored(f"{actor_name} stores no results: annotate what it returns, or declare it with store_results=True")
        case _:
            assert_never(error)
