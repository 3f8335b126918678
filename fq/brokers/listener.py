"""`Listener`: what waits for work or for results in this process, for a broker whose store other processes change, too."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Generic, Protocol, TypeVar

from attrs import frozen

from fq.brokers.planning.states import NEVER
from fq.brokers.records import ClaimRequest, StoreResultOp
from fq.brokers.waiters import MAX_HEARD_WORKERS, ResultWaiters, WorkSignal
from fq.errors import FqError


@frozen
class SeenMarks:
    """What a worker knows of the marks in the index `DUE`: *at* that time, the *first* was due then, or will be; `NEVER` if there was none."""

    at: int = 0
    first: int = NEVER


NO_MARKS = SeenMarks()


class Changes(Protocol):
    """Notices what other processes change."""

    def watching(self) -> AbstractContextManager[None]:
        """Report changes from here to the end of the block."""
        ...


C = TypeVar("C", bound=Changes)


class Listener(ABC, Generic[C]):
    """Mutable: waits on behalf of callers. A subclass calls `_begin` when it is ready to read."""

    def _begin(self) -> None:
        self._signal = WorkSignal()
        self._waiters = ResultWaiters(self._find)
        self._marks: dict[str, SeenMarks] = {}
        self._changes = self._watch()

    def after_fork_in_child(self) -> None:
        """Start afresh: the waiters, and the thread that listened, are in the parent."""
        self._begin()

    def notify_work(self) -> None:
        """Let workers that wait check for work."""
        self._signal.notify_work()

    def wake(self) -> None:
        """End all waits for work."""
        self._signal.wake_all()

    def resolve_results(self, store_ops: Iterable[StoreResultOp]) -> None:
        """Hand these results to those who wait for them."""
        for store_op in store_ops:
            self._waiters.resolve(store_op.message_id, store_op.body)

    def note_marks(self, worker: str, marks: SeenMarks) -> None:
        """Remember what *worker* knows of marks."""
        if len(self._marks) >= MAX_HEARD_WORKERS:
            self._marks.clear()
        self._marks[worker] = marks

    def wait(self, request: ClaimRequest, timeout: int) -> None:
        """See `Broker.wait`. A mark ends it that falls due after the latest turn of the worker, or is due and was set before the first of that turn."""
        with self._changes.watching():
            self._note_first_marks(request)
            self._signal.wait(request.worker, timeout, lambda: self._seconds_left(request))

    def wait_result(self, message_id: str, timeout: int) -> bytes | None:
        """See `Broker.wait_result`."""
        with self._changes.watching():
            return self._waiters.wait(message_id, timeout)

    async def await_result(self, message_id: str, timeout: int) -> bytes | None:
        """See `Broker.await_result`."""
        with self._changes.watching():
            return await self._waiters.wait_async(message_id, timeout)

    def _hear(self) -> None:
        """Something has changed, here or in another process."""
        self._signal.notify_work()
        if ids := self._waiters.ids():
            try:
                self._waiters.look(dict.fromkeys(ids, 0))
            except FqError as error:
                self._waiters.fail(error)

    def _note_first_marks(self, request: ClaimRequest) -> None:
        """Note which marks there are, if the worker of *request* is about to wait before its first turn here."""

    @abstractmethod
    def _watch(self) -> C:
        """Return what calls `_hear` after changes."""

    @abstractmethod
    def _find(self, message_ids: Iterable[str]) -> Iterable[tuple[str, bytes]]:
        """Return those of the results that are there, each with its message id."""

    @abstractmethod
    def _seconds_left(self, request: ClaimRequest) -> float:
        """Return for how long there is nothing to do, in seconds, as far as is known."""
