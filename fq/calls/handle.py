"""
`Handle`: what `send` returns, to wait for the result by; and `TaskError`, the closed union of the reasons why there is none.

Handles of groups, and how the handle of what was sent is made, are in ``fq.calls.group_handle``.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from time import monotonic
from typing import Generic, Never, Protocol, TypeAlias, TypeVar, assert_never

from attrs import field, frozen
from returns.pipeline import is_successful
from returns.result import Failure, Result, Success

from fq.brokers.protocol import Broker
from fq.brokers.records import Status
from fq.core.duration import Duration, to_ms
from fq.core.fault import Fault
from fq.errors import ResultFailure, ResultMissing, ResultNotStored, ResultTimeout
from fq.wire.codec import decode_result
from fq.wire.signature import Signature

R_co = TypeVar("R_co", covariant=True)

DEFAULT_RESULT_TIMEOUT_MS = 10_000
"""How long `Handle.get` waits unless told otherwise, ms."""


class ResultSource(Protocol):
    """What a handle asks for results: an app."""

    @property
    def broker(self) -> Broker:
        """Where the results are."""
        ...


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


class Handle(ABC, Generic[R_co]):
    """
    A handle on the result, of type *R*, of a call, a pipeline or a group that was sent. It may be kept, and asked any number of times.

    Attributes:
        message_id: under which the result is stored: of a pipeline, the last step's. Of a group its own: the members store the results.

        actor_name: whose result it is; of a group, ``"group"``.

        stored: is there a result to wait for?

        before: of a pipeline, the handles of the steps before the last.
    """

    __slots__ = ()

    message_id: str
    actor_name: str
    stored: bool
    app: ResultSource
    before: tuple["Handle[object]", ...]

    @abstractmethod
    def get(self, timeout: Duration = DEFAULT_RESULT_TIMEOUT_MS) -> Result[R_co, TaskError]:
        """Return the result, waiting up to *timeout* (ms or timedelta) for it; as a value, whatever came of it."""

    @abstractmethod
    async def aget(self, timeout: Duration = DEFAULT_RESULT_TIMEOUT_MS) -> Result[R_co, TaskError]:
        """`get`, for async callers."""

    @abstractmethod
    def status(self) -> Status:
        """Return where the message is: of a pipeline, the last step's."""

    def cancel(self) -> bool:
        """
        Cancel what was sent, all parts of it; was there anything that still waited or ran?

        What waits never starts, nor does what would come after it. A running async actor is cancelled; a running sync actor is interrupted if it is
        `cancellable`, and finishes otherwise, while nothing that comes after it starts.
        """
        return self.app.broker.cancel_all(tuple(self.message_ids()), tuple(self.group_ids())) > 0

    def message_ids(self) -> Iterator[str]:
        """Return the ids of all messages of what was sent, also of those that are not there yet; those of earlier steps come first."""
        for step in self.before:
            yield from step.message_ids()
        yield self.message_id

    def group_ids(self) -> Iterator[str]:
        """Return the ids of all groups in what was sent."""
        for step in self.before:
            yield from step.group_ids()

    @abstractmethod
    def parts(self) -> tuple["Handle[object]", ...]:
        """Return the handles of the steps of a pipeline, or of the members of a group; of a single call, this handle."""

    def get_result(self, *, block: bool = False, timeout: Duration = DEFAULT_RESULT_TIMEOUT_MS) -> R_co:
        """
        Return the value that the actor returned, of a group, all of them; with *block*, wait up to *timeout* (ms or timedelta) for it.

        Raises:
            ResultMissing: there is none yet (without *block*), or it has expired.
            ResultTimeout: none came in time.
            ResultNotStored: the actor stores no results.
            ResultFailure: the task failed for good, or a step before it or, unless that collects failures, a member of the group.
        """
        result = self.get(timeout if block else 0)
        return result.unwrap() if is_successful(result) else _raise(self, result.failure())

    def get_results(self, *, block: bool = False, timeout: Duration = DEFAULT_RESULT_TIMEOUT_MS) -> list[object]:
        """
        Return the results of all `parts`, in order; *timeout* is for all together.

        Raises:
            ResultError: see `get_result`.
        """
        left = countdown(to_ms(timeout) if block else 0)
        return [part.get_result(block=block, timeout=left()) for part in self.parts()]

    def wait(self, timeout: Duration = DEFAULT_RESULT_TIMEOUT_MS) -> None:
        """
        Wait until it is `completed`, whatever came of it.

        Raises:
            ResultTimeout: it was not in time.
            ResultNotStored: there is no telling, since an actor stores no results.
        """
        left = countdown(to_ms(timeout))
        for part in self.awaited():
            result = part.get(left())
            error = None if is_successful(result) else result.failure()
            if isinstance(error, TimedOut | Missing):
                raise ResultTimeout(f"{self.actor_name} {self.message_id} was not completed within {to_ms(timeout)} ms")
            if isinstance(error, NotStored):
                _raise(part, error)

    def awaited(self) -> tuple["Handle[object]", ...]:
        """Return the handles whose results make this one complete."""
        return (self,)

    def leaves(self) -> tuple["Handle[object]", ...]:
        """Return the handles of all calls whose results make this one complete."""
        return tuple(leaf for part in self.awaited() for leaf in ((part,) if part is self else part.leaves()))

    @property
    def completed(self) -> bool:
        """
        Is there an outcome, be it a failure? Of a group: of every member.

        Raises:
            ResultNotStored: there is no telling, since an actor stores no results.
        """
        parts = self.awaited()
        return all(map(ended(self.app, parts), parts))

    @property
    def completed_count(self) -> int:
        """
        How many of the `parts` have an outcome. Of a pipeline, a step that stores nothing counts once a later one has.

        Raises:
            ResultNotStored: there is no telling, since a member, or the last step, stores no results.
        """
        count, parts = 0, self.parts()
        has_ended = ended(self.app, parts)
        for number, step in enumerate(parts, 1):
            if step.stored or step is self:
                if not has_ended(step):
                    break
                count = number
        return count


@frozen
class TaskHandle(Handle[R_co]):
    """The `Handle` of a call, or of a pipeline with a call at its end."""

    message_id: str
    actor_name: str
    stored: bool = field(repr=False)
    signature: Signature = field(repr=False)
    app: ResultSource = field(repr=False)
    before: tuple[Handle[object], ...] = field(default=(), repr=False)

    def get(self, timeout: Duration = DEFAULT_RESULT_TIMEOUT_MS) -> Result[R_co, TaskError]:
        """See `Handle.get`."""
        return self._read(self.app.broker.wait_result(self.message_id, to_ms(timeout)) if self.stored else None, to_ms(timeout))

    async def aget(self, timeout: Duration = DEFAULT_RESULT_TIMEOUT_MS) -> Result[R_co, TaskError]:
        """See `Handle.aget`."""
        body = await self.app.broker.await_result(self.message_id, to_ms(timeout)) if self.stored else None
        return self._read(body, to_ms(timeout))

    def status(self) -> Status:
        """See `Handle.status`."""
        return self.app.broker.status(self.message_id)

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


def ended(app: ResultSource, handles: Sequence[Handle[object]]) -> Callable[[Handle[object]], bool]:
    """Return what tells of each of *handles* whether it has an outcome; the broker is asked once. It raises `ResultNotStored` where there is no telling."""
    kept = app.broker.kept([leaf.message_id for handle in handles for leaf in handle.leaves() if leaf.stored])

    def has_ended(handle: Handle[object]) -> bool:
        for leaf in handle.leaves():
            if not leaf.stored:
                _raise(leaf, NotStored(leaf.actor_name))
            if leaf.message_id not in kept:
                return False
        return True

    return has_ended


def countdown(timeout: int) -> Callable[[], int]:
    """Return what tells how many of *timeout* ms are left: never none, so that running out of time is told from not waiting at all."""
    until = monotonic() + timeout / 1_000
    return lambda: max(1, round((until - monotonic()) * 1_000)) if timeout else 0


def _raise(handle: "Handle[object]", error: TaskError) -> Never:
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
