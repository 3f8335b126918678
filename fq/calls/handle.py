"""
`Handle`: what `send` returns, to read the result. The reasons why there is none are in ``fq.calls.task_error``.

`TaskHandle` is in ``fq.calls.task_handle``, the handle of a group in ``fq.calls.group_handle``; both can be pickled.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, Never, Self, TypeVar

from returns.pipeline import is_successful
from returns.result import Result

from fq.brokers.records import Status
from fq.calls.deadline import start_deadline
from fq.calls.handle_operations import HandleOperations, ResultSource
from fq.calls.own_history import OwnHistory
from fq.calls.own_progress import OwnProgress
from fq.calls.reading_progress import ProgressSource
from fq.calls.task_error import Missing, NotStored, TaskError, TimedOut, raise_task_error
from fq.calls.watch import DEFAULT_WATCH_INTERVAL_MS, Watch, interval_ms, watching
from fq.core.duration import Duration, optional_ms, to_ms
from fq.core.progress import Progress
from fq.errors import ResultTimeout

R_co = TypeVar("R_co", covariant=True)

DEFAULT_RESULT_TIMEOUT_MS = 10_000
"""How long `Handle.get` waits by default, ms."""


class Handle(HandleOperations, OwnHistory, OwnProgress, ABC, Generic[R_co]):
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

        is_duplicate: is it a handle on a message that was sent before, since that has the unique key, or the id, of this one? See `Call.unique`.
    """

    __slots__ = ("__weakref__",)

    message_id: str
    actor_name: str
    stored: bool
    app: ResultSource
    before: tuple["Handle[object]", ...]
    is_duplicate: bool

    @property
    def root_id(self) -> str:
        """The id from which all others of the pipeline or group derive, for `Call.handle` in another process. For a single call, it is *message_id*."""
        return self.before[0].root_id if self.before else self.message_id

    @abstractmethod
    def get(self, timeout: Duration = DEFAULT_RESULT_TIMEOUT_MS) -> Result[R_co, TaskError]:
        """Wait up to *timeout* (ms or timedelta; default 10 s) for the result. Return it, or the reason why there is none, as a value."""

    @abstractmethod
    async def aget(self, timeout: Duration = DEFAULT_RESULT_TIMEOUT_MS) -> Result[R_co, TaskError]:
        """`get`, for async callers."""

    @abstractmethod
    def status(self) -> Status:
        """Return the state of the message; for a pipeline, of the last step."""

    async def astatus(self) -> Status:
        """`status`, for async callers."""
        return await asyncio.to_thread(self.status)

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
        return result.unwrap() if is_successful(result) else self.raise_error(result.failure())

    async def aget_result(self, *, block: bool = False, timeout: Duration = DEFAULT_RESULT_TIMEOUT_MS) -> R_co:
        """`get_result`, for async callers."""
        result = await self.aget(timeout if block else 0)
        return result.unwrap() if is_successful(result) else self.raise_error(result.failure())

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
            self._check_completed(part, part.get(remaining_ms()), timeout)

    async def await_completion(self, timeout: Duration = DEFAULT_RESULT_TIMEOUT_MS) -> None:
        """`wait`, for async callers."""
        remaining_ms = start_deadline(to_ms(timeout))
        for part in self.parts_to_await():
            self._check_completed(part, await part.aget(remaining_ms()), timeout)

    def _check_completed(self, part: "Handle[object]", result: Result[object, TaskError], timeout: Duration) -> None:
        error = None if is_successful(result) else result.failure()
        if isinstance(error, TimedOut | Missing):
            raise ResultTimeout(f"{self.actor_name} {self.message_id} was not completed within {to_ms(timeout)} ms")
        if isinstance(error, NotStored):
            part.raise_error(error)

    def watch(self, *, timeout: Duration | None = None, interval: Duration = DEFAULT_WATCH_INTERVAL_MS) -> Watch[Progress | R_co]:
        """
        Return an iterator, for ``for`` and ``async for``, over what the running actor tells by ``fq.progress``. The last item is the result.

        If the actor stores no result, the iterator ends without one. Progress is looked at every *interval* (ms or timedelta; default 500 ms), so not all
        of it is seen, but the latest; the result ends the wait at once. *timeout* (ms or timedelta) is for all of it; None, the default, is no limit.

        Raises:
            ResultTimeout: it has not ended within *timeout*.
            ResultFailure, ResultMissing: see `get_result`.
            OptionError: an *interval* of 0, or what is no duration.
        """
        return Watch(watching(self, ProgressSource(self.progress), optional_ms(timeout), interval_ms(interval)))

    def raise_error(self, error: TaskError) -> Never:
        """Raise the exception for *error*; see `get_result`."""
        raise_task_error(error, self.actor_name, self.message_id)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self

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


def completion_check(app: ResultSource, handles: Sequence[Handle[object]]) -> Callable[[Handle[object]], bool]:
    """
    Ask the broker once about all *handles*. Return a function that tells whether one of them has an outcome.

    That function raises `ResultNotStored` if an actor stores no results.
    """
    kept = app.broker.ids_with_results([leaf.message_id for handle in handles for leaf in handle.leaves() if leaf.stored])

    def is_completed(handle: Handle[object]) -> bool:
        for leaf in handle.leaves():
            if not leaf.stored:
                leaf.raise_error(NotStored(leaf.actor_name))
            if leaf.message_id not in kept:
                return False
        return True

    return is_completed
