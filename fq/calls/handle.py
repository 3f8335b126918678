"""
`Handle`: what `send` returns, to read the result. `TaskError` is the closed union of the reasons why there is no result.

The handles of groups are in ``fq.calls.group_handle``.
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
"""How long `Handle.get` waits by default, ms."""


class ResultSource(Protocol):
    """The app, as a handle sees it."""

    @property
    def broker(self) -> Broker:
        """The broker that keeps the results."""
        ...


@frozen
class TimedOut:
    """No result came within *timeout* ms."""

    timeout: int


@frozen
class Missing:
    """There is no result yet, or the result has expired."""

    message_id: str


@frozen
class NotStored:
    """The actor stores no results."""

    actor_name: str


TaskError: TypeAlias = Fault | TimedOut | Missing | NotStored


class Handle(ABC, Generic[R_co]):
    """
    A handle on the result, of type *R*, of a call, a pipeline or a group that was sent. Read it any number of times.

    >>> from fq import App
    >>> app = App("memory://")
    >>> @app.actor
    ... def add(a: int, b: int) -> int:
    ...     return a + b
    >>> handle = add.send(1, 2)
    >>> handle.get(0)
    <Failure: Missing(message_id='...')>
    >>> app.run_until_idle()
    1
    >>> handle.get(), handle.get_result()
    (<Success: 3>, 3)

    Attributes:
        message_id: the id under which the result is stored. For a pipeline, that of the last step. A group has an id of its own, and its
            members store the results.

        actor_name: the actor whose result it is; for a group, ``"group"``.

        stored: is the result stored? If not, `get` returns `NotStored`.

        before: for a pipeline, the handles of the steps before the last.
    """

    __slots__ = ()

    message_id: str
    actor_name: str
    stored: bool
    app: ResultSource
    before: tuple["Handle[object]", ...]

    @abstractmethod
    def get(self, timeout: Duration = DEFAULT_RESULT_TIMEOUT_MS) -> Result[R_co, TaskError]:
        """Wait up to *timeout* (ms or timedelta; default 10 s) for the result. Return it, or the reason why there is none, as a value."""

    @abstractmethod
    async def aget(self, timeout: Duration = DEFAULT_RESULT_TIMEOUT_MS) -> Result[R_co, TaskError]:
        """`get`, for async callers."""

    @abstractmethod
    def status(self) -> Status:
        """Return the state of the message; for a pipeline, of the last step."""

    def cancel(self) -> bool:
        """
        Cancel all messages of the call, pipeline or group. Return whether any of them was still waiting or running.

        A waiting message never starts, and neither does a step after it. A running async actor is cancelled. A running sync actor is interrupted if it
        is `cancellable`; otherwise it finishes, and the steps after it do not start.
        """
        return self.app.broker.cancel_all(tuple(self.message_ids()), tuple(self.group_ids())) > 0

    def message_ids(self) -> Iterator[str]:
        """Yield the ids of all messages of the call, pipeline or group, in the order of the steps, including messages that are not sent yet."""
        for step in self.before:
            yield from step.message_ids()
        yield self.message_id

    def group_ids(self) -> Iterator[str]:
        """Yield the ids of all groups in the pipeline or group."""
        for step in self.before:
            yield from step.group_ids()

    @abstractmethod
    def parts(self) -> tuple["Handle[object]", ...]:
        """Return the handles of the steps of a pipeline, or of the members of a group; for a single call, this handle."""

    def get_result(self, *, block: bool = False, timeout: Duration = DEFAULT_RESULT_TIMEOUT_MS) -> R_co:
        """
        Return the value that the actor returned; for a group, the values of all members.

        With *block*, wait up to *timeout* (ms or timedelta; default 10 s) for it.

        Raises:
            ResultMissing: without *block*, there is no result yet, or it has expired.
            ResultTimeout: with *block*, no result came within *timeout*.
            ResultNotStored: the actor stores no results.
            ResultFailure: the actor, a step before it, or a member of the group failed, and it is not retried. A group that collects
                failures has a `Fault` in its value instead.
        """
        result = self.get(timeout if block else 0)
        return result.unwrap() if is_successful(result) else _raise(self, result.failure())

    def get_results(self, *, block: bool = False, timeout: Duration = DEFAULT_RESULT_TIMEOUT_MS) -> list[object]:
        """
        Return the results of all `parts`, in order. *timeout* is for all of them together.

        Raises:
            ResultError: see `get_result`.
        """
        remaining_ms = start_deadline(to_ms(timeout) if block else 0)
        return [part.get_result(block=block, timeout=remaining_ms()) for part in self.parts()]

    def wait(self, timeout: Duration = DEFAULT_RESULT_TIMEOUT_MS) -> None:
        """
        Wait up to *timeout* (ms or timedelta; default 10 s) until it is `completed`, whether it succeeds or fails.

        Raises:
            ResultTimeout: it was not completed within *timeout*.
            ResultNotStored: an actor stores no results, so its completion cannot be observed.
        """
        remaining_ms = start_deadline(to_ms(timeout))
        for part in self.parts_to_await():
            result = part.get(remaining_ms())
            error = None if is_successful(result) else result.failure()
            if isinstance(error, TimedOut | Missing):
                raise ResultTimeout(f"{self.actor_name} {self.message_id} was not completed within {to_ms(timeout)} ms")
            if isinstance(error, NotStored):
                _raise(part, error)

    def parts_to_await(self) -> tuple["Handle[object]", ...]:
        """Return the handles that must have an outcome for this one to be completed."""
        return (self,)

    def leaves(self) -> tuple["Handle[object]", ...]:
        """Return the handles of the single calls that must have an outcome for this one to be completed."""
        return tuple(leaf for part in self.parts_to_await() for leaf in ((part,) if part is self else part.leaves()))

    @property
    def completed(self) -> bool:
        """
        Is there an outcome, a success or a failure? For a group: does every member have one?

        Raises:
            ResultNotStored: an actor stores no results, so its completion cannot be observed.
        """
        parts = self.parts_to_await()
        return all(map(completion_check(self.app, parts), parts))

    @property
    def completed_count(self) -> int:
        """
        The number of `parts` that have an outcome. A step of a pipeline that stores no result counts once a later step has an outcome.

        Raises:
            ResultNotStored: a member, or the last step, stores no results, so its completion cannot be observed.
        """
        count, parts = 0, self.parts()
        is_completed = completion_check(self.app, parts)
        for number, step in enumerate(parts, 1):
            if step.stored or step is self:
                if not is_completed(step):
                    break
                count = number
        return count


@frozen
class TaskHandle(Handle[R_co]):
    """The `Handle` of a call, or of a pipeline that ends with a call."""

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


def completion_check(app: ResultSource, handles: Sequence[Handle[object]]) -> Callable[[Handle[object]], bool]:
    """
    Ask the broker once about all *handles*. Return a function that tells whether one of them has an outcome.

    That function raises `ResultNotStored` if an actor stores no results.
    """
    kept = app.broker.ids_with_results([leaf.message_id for handle in handles for leaf in handle.leaves() if leaf.stored])

    def is_completed(handle: Handle[object]) -> bool:
        for leaf in handle.leaves():
            if not leaf.stored:
                _raise(leaf, NotStored(leaf.actor_name))
            if leaf.message_id not in kept:
                return False
        return True

    return is_completed


def start_deadline(timeout_ms: int) -> Callable[[], int]:
    """
    Start a deadline of *timeout_ms*. Return a function that tells how many ms remain.

    It returns 1 after the deadline, since a timeout of 0 means not to wait at all, and makes another error.
    """
    deadline = monotonic() + timeout_ms / 1_000
    return lambda: max(1, round((deadline - monotonic()) * 1_000)) if timeout_ms else 0


def _raise(handle: "Handle[object]", error: TaskError) -> Never:
    match error:
        case Fault(kind, message, traceback):
            raise ResultFailure(kind, message, traceback)
        case TimedOut(timeout):
            raise ResultTimeout(f"no result of {handle.actor_name} {handle.message_id} within {timeout} ms")
        case Missing(message_id):
            raise ResultMissing(f"no result of {handle.actor_name} {message_id} yet, or it has expired: wait with get_result(block=True)")
        case NotStored(actor_name):
            raise ResultNotStored(f"{actor_name} stores no results: annotate its return type, or declare it with store_results=True")
        case _:
            assert_never(error)
