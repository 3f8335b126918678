"""
`Watch`: what `Handle.watch` returns. It yields what a message tells while it runs, and then its result, to sync and to async callers.

`watching` decides what to ask next, and is the same for both colours: it yields what is to be asked, and is sent the answer.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Sequence
from typing import Generic, Never, Protocol, TypeAlias, TypeVar, cast

from attrs import frozen
from returns.pipeline import is_successful
from returns.result import Failure, Result

from fq.brokers.records import Status
from fq.calls.deadline import start_deadline
from fq.calls.handle_operations import ResultSource
from fq.calls.task_error import Missing, TaskError, TimedOut
from fq.core.duration import Duration, to_ms
from fq.errors import OptionError, ResultTimeout

T_co = TypeVar("T_co", covariant=True)

DEFAULT_WATCH_INTERVAL_MS = 500
"""How often a watcher looks by default, ms. A result ends its wait at once."""

LIVE = ("ready", "delayed", "running", "waiting")
"""The states of messages that have not ended."""


RESTARTED = object()
"""What a source finds where a delivery has begun anew."""


class Source(Protocol):
    """What a watcher looks at."""

    def look(self) -> Sequence[object]:
        """Return what is new since the last look."""
        ...

    def restarted(self) -> object:
        """Tell that what was found before is of an earlier delivery."""
        ...


class Watched(Protocol):
    """A `Handle`, as a watcher sees it."""

    @property
    def message_id(self) -> str:
        """See `Handle`."""
        ...

    @property
    def actor_name(self) -> str:
        """See `Handle`."""
        ...

    @property
    def stored(self) -> bool:
        """See `Handle`."""
        ...

    @property
    def app(self) -> ResultSource:
        """See `Handle`."""
        ...

    def get(self, timeout: int) -> Result[object, TaskError]:
        """See `Handle.get`."""
        ...

    async def aget(self, timeout: int) -> Result[object, TaskError]:
        """See `Handle.aget`."""
        ...

    def status(self) -> Status:
        """See `Handle.status`."""
        ...

    def message_ids(self) -> Iterator[str]:
        """See `Handle.message_ids`."""
        ...

    def group_ids(self) -> Iterator[str]:
        """See `Handle.group_ids`."""
        ...

    def raise_error(self, error: TaskError) -> Never:
        """See `Handle.raise_error`."""
        ...


@frozen
class Ask:
    """Something to ask the broker, in both colours."""

    ask: Callable[[], object]
    aask: Callable[[], Awaitable[object]]

    @classmethod
    def in_thread(cls, ask: Callable[[], object]) -> "Ask":
        """Return *ask*, which async callers call in a thread."""
        return cls(ask, lambda: asyncio.to_thread(ask))


@frozen
class Item:
    """Something to yield to the caller who watches; the result is the last."""

    value: object
    is_result: bool = False


Flow: TypeAlias = Generator[Ask | Item, object, None]


def interval_ms(interval: Duration) -> int:
    """
    Return how long a watcher waits between two looks, ms.

    Raises:
        OptionError: no time at all, so it would ask the broker as fast as that answers.
    """
    if found := to_ms(interval):
        return found
    raise OptionError(f"interval: found {interval!r}, expected 1 ms at least")


def watching(handle: Watched, source: Source, timeout: int | None, interval: int) -> Flow:
    """
    Yield what to ask about *handle*, every *interval* ms, and what *source* finds; last the result, if the actor stores one.

    Raises:
        ResultTimeout: it has not ended within *timeout* ms.
        ResultError: it has failed, or there is no result any more.
    """
    remaining_ms, absent = start_deadline(timeout or 0), 0
    while True:
        news = yield from _look(source)
        left = interval if timeout is None else min(interval, remaining_ms())
        result = cast("Result[object, TaskError]", (yield _wait(handle, left)))
        if not isinstance(error := _error(result), TimedOut | Missing):
            yield from _look(source)
            yield Item(result.unwrap() if error is None else handle.raise_error(error), is_result=True)
            return
        if not news:
            absent = 0 if (yield Ask.in_thread(lambda: is_live(handle))) else absent + 1
        if absent > 1:  # the first time, it may have ended since the wait
            yield from _look(source)
            _end_without_result(handle)
            return
        if timeout is not None and remaining_ms() <= 1:
            raise ResultTimeout(f"{handle.actor_name} {handle.message_id} has not ended within {timeout} ms")


def _look(source: Source) -> Generator[Ask | Item, object, bool]:
    """Yield what *source* finds, and return whether it has found something."""
    found = cast("Sequence[object]", (yield Ask.in_thread(source.look)))
    for each in found:
        if each is RESTARTED:
            source.restarted()
        else:
            yield Item(each)
    return bool(found)


def _error(result: Result[object, TaskError]) -> TaskError | None:
    return None if is_successful(result) else result.failure()


def _wait(handle: Watched, ms: int) -> Ask:
    """Wait up to *ms* for the result; just as long if there will be none."""
    if handle.stored:
        return Ask(lambda: handle.get(ms), lambda: handle.aget(ms))
    nothing = Failure(TimedOut(ms))

    def pause() -> object:
        time.sleep(ms / 1_000)
        return nothing

    return Ask(pause, lambda: asyncio.sleep(ms / 1_000, nothing))


def is_live(handle: Watched) -> bool:
    """
    Does a message of *handle* wait or run? A group is taken for live: it may have many thousands.

    Earlier steps are asked first: one commit ends a step and enqueues the next.
    """
    return any(True for _ in handle.group_ids()) or any(
        handle.app.broker.status(message_id).state in LIVE for message_id in handle.message_ids()
    )


def _end_without_result(handle: Watched) -> None:
    """Return if nothing is known of the end of *handle* because nothing is stored; raise what is known."""
    fault = handle.status().fault
    if fault is not None:
        handle.raise_error(fault)
    if handle.stored:
        handle.raise_error(Missing(handle.message_id))


class Watch(Iterator[T_co], AsyncIterator[T_co], Generic[T_co]):
    """
    An iterator over what a message tells while it runs, for ``for`` and for ``async for``. See `Handle.watch`.

    It may be left at any time, and leaves nothing behind.

    Attributes:
        ended: is the latest item the result?
    """

    def __init__(self, flow: Flow) -> None:
        self.ended = False
        self._flow = flow
        self._answer: object = None

    def __iter__(self) -> "Watch[T_co]":
        return self

    def __next__(self) -> T_co:
        while isinstance(step := self._flow.send(self._take_answer()), Ask):
            self._answer = step.ask()
        return self._value(step)

    def __aiter__(self) -> "Watch[T_co]":
        return self

    async def __anext__(self) -> T_co:
        while isinstance(step := self._next_step(), Ask):
            self._answer = await step.aask()
        return self._value(step)

    def _value(self, item: Item) -> T_co:
        self.ended = item.is_result
        return cast("T_co", item.value)

    def _next_step(self) -> Ask | Item:
        try:
            return self._flow.send(self._take_answer())
        except StopIteration:
            raise StopAsyncIteration from None

    def _take_answer(self) -> object:
        answer, self._answer = self._answer, None
        return answer
