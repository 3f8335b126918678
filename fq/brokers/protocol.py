"""
`Broker`: what fq asks of a store of messages. Everything that a broker does is one of these calls, and each call applies wholly or not at all.

The conformance suite in ``tests/brokers`` says what every broker must do; a new broker joins it by one line.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol, runtime_checkable

from fq.brokers.browsing import Browser
from fq.brokers.counters import CounterStore
from fq.brokers.findings import DAMAGE_CHECK_SECONDS, Finding
from fq.brokers.marks import MarkStore
from fq.brokers.operations import Mark, SetMarkOp
from fq.brokers.records import ClaimedMessage, ClaimRequest, Commit, DeadLetter, EnqueueOp, Placement, QueueStats, Status, Turn, WorkerStats
from fq.brokers.requeue import RequeuePlanner
from fq.brokers.sights import COUNT_ALL

CALLED_BY_ACTORS = (
    *(
        "enqueue",
        "place",
        "replace",
        "set_marks",
        "marks",
        "marks_in",
        "browse",
        "peek",
        "dead_kinds",
        "count",
        "counts",
        "result",
        "ids_with_results",
        "wait_result",
        "run_now",
        "cancel",
        "cancel_all",
        "status",
        "queues",
        "workers",
        "claimed_by",
    ),
    *("dead_letters", "requeue", "discard", "purge", "pause", "resume", "diagnose"),
)
"""The methods that actors call. An interrupt of the actor waits until they return (see ``fq/runtime/interrupt_mask.py``)."""


class Broker(MarkStore, Browser, CounterStore, Protocol):
    """
    Keeps messages, dead letters, results and groups, and is the one clock of all its workers.

    All calls may come from any thread. Nothing connects before the first call. A caller may change or reuse the lists that it passed as soon as the call
    returns or raises; a coroutine copies them before it first waits. Every call may raise `BrokerUnavailable` when the broker cannot be reached within a
    bounded time, and `BrokerError` when it refuses something: a record that it cannot keep, or a name that is empty or contains NUL or a lone surrogate.
    """

    def enqueue(self, ops: Sequence[EnqueueOp]) -> int:
        """
        Put messages on their queues, all or none, and return how many are new.

        A message whose id already waits or runs does not change, so a repeated call adds nothing. A dead letter with that id does not prevent it. When the
        broker repeats a call because the reply was lost, it counts all messages of the call as new.
        """
        ...

    async def aenqueue(self, ops: Sequence[EnqueueOp]) -> None:
        """`enqueue` for async producers."""

    def place(self, ops: Sequence[EnqueueOp]) -> tuple[Placement, ...]:
        """
        Put messages on their queues, as `enqueue` does, and say for each of *ops*, in order, which message stands for it: see `Placement`.

        A message whose unique key is held is not enqueued, and keeps none of the others back.
        """
        ...

    async def aplace(self, ops: Sequence[EnqueueOp]) -> tuple[Placement, ...]:
        """`place` for async producers."""
        ...

    def replace(self, op: EnqueueOp, expected: bytes | None = None) -> bool:
        """
        Put *op* in the place of the message with its id, if that waits, and return whether it did.

        With *expected*, only if the body of the message is this one. The message keeps its unique key and, while it is put aside, waits for the holder; its
        number of deliveries and latest fault stay, too. Its delay is counted from now; `UniqueKey.max_wait` of *op* bounds it.
        """
        ...

    def turn(self, commits: Sequence[Commit], request: ClaimRequest) -> Turn:
        """
        Apply *commits* in order, each wholly or not at all, and claim what *request* asks for; never blocks.

        The worker that commits a message must be the one that claimed it, ``request.worker``: the commit of another worker may be taken for stale.

        Every turn also renews the lease of ``request.worker``, makes delayed messages ready that are due, and takes back what workers with expired leases held.
        """
        ...

    def wait(self, request: ClaimRequest, timeout: int) -> None:
        """
        Block until there may be something to claim, `wake` is called, or *timeout* ms have passed.

        It may return early, but must not miss a message.
        """

    def wake(self) -> None:
        """
        Make a `wait` that is under way in another thread return now; if none is, the next one returns at once.

        Workers that share a broker each get their own wake-up: the return of one does not keep another waiting.
        """

    def renew(self, workers: Sequence[str], lease: int, reports: Sequence[SetMarkOp] = (), asked: Sequence[str] = ()) -> Mapping[str, Mark]:
        """
        Renew the leases of *workers* for *lease* ms from now, except those that have been taken back: a heartbeat.

        In the same step, the marks of *reports* are set, which enqueue nothing, and then those marks of *asked* that exist are returned, by key. So what
        a worker says about itself, and what a person asks of it, costs it no call of its own.
        """
        ...

    def release(self, worker: str, interrupted: Mapping[str, str], counted: Collection[str] | None = None) -> int:
        """
        Take back everything that *worker*, which is known to be dead, holds, and return how many messages that was.

        *interrupted* says, by message id, why a message was cut short. The delivery counts for the messages in *counted*, or for all of them if that is None.
        """
        ...

    def result(self, message_id: str) -> bytes | None:
        """Return the result of *message_id*, or None if none is kept."""
        ...

    def ids_with_results(self, message_ids: Sequence[str]) -> AbstractSet[str]:
        """Return those of *message_ids* that have a result. There may be any number of ids."""
        ...

    def wait_result(self, message_id: str, timeout: int) -> bytes | None:
        """Wait up to *timeout* ms for the result of *message_id*, and return it, or None if none came."""
        ...

    async def await_result(self, message_id: str, timeout: int) -> bytes | None:
        """`wait_result` for async callers."""
        ...

    def status(self, message_id: str) -> Status:
        """Return where a message is."""
        ...

    def queues(self, most: int = COUNT_ALL) -> tuple[QueueStats, ...]:
        """
        Return, by name, all queues that hold messages or have held any.

        A broker that counts messages one by one stops at *most*: see `QueueStats.at_least`. The others count all, at no cost.
        """
        ...

    def workers(self) -> tuple[WorkerStats, ...]:
        """Return, by name, all workers with a lease."""
        ...

    def claimed_by(self, worker: str, limit: int = 100) -> tuple[ClaimedMessage, ...]:
        """Return up to *limit* of the messages that *worker* holds, in the order in which it claimed them."""
        ...

    def cancel(self, message_id: str) -> bool:
        """
        Cancel a message that waits or runs; return False if there is none.

        A message that waits becomes ready, and is delivered with ``interrupted="cancelled"``, so that it ends without being run. If a worker holds the message,
        the worker learns of it in its next turn; if the message comes back, by a retry or a lost lease, it is delivered in the same way. When its commit
        continues its workflow (`EnqueueOp.continues`), that message is cancelled, too.
        """
        ...

    def cancel_all(self, message_ids: Sequence[str], groups: Sequence[str] = ()) -> int:
        """
        Cancel each of *message_ids*, and the messages that follow *groups*; return how many of *message_ids* wait or run.

        A group need not have any arrivals yet. To cancel a workflow, pass all its messages, earlier steps first: then each part of it is done or cancelled,
        whatever happens in the meantime.
        """
        ...

    def run_now(self, message_ids: Sequence[str]) -> int:
        """
        Make those of *message_ids* ready that are delayed, some at a time, and return how many of all wait; a ready one keeps its place.

        One that is put aside for a unique key goes on waiting for that.
        """
        ...

    def dead_letters(
        self,
        *,
        queue: str | None = None,
        actor: str | None = None,
        error: str | None = None,
        until: int | None = None,
        limit: int = 100,
    ) -> tuple[DeadLetter, ...]:
        """
        Return up to *limit* dead letters, the latest first, of one queue, actor or error type if given.

        With *until*, only those that died no later than that, in ms since the epoch on the broker's clock.
        """
        ...

    def requeue(self, message_ids: Sequence[str], plan: RequeuePlanner | None = None) -> int:
        """
        Put dead letters back on their queues as *plan* says, by default as ``fq.execution.requeue_plan`` does, and return how many.

        The broker takes the ids some at a time, so that no step takes long: it shows *plan* what it has, and carries out the result as one step. If what it
        showed has changed by then, it asks for another plan.
        """
        ...

    def discard(self, message_ids: Sequence[str]) -> int:
        """Delete dead letters and waiting messages, some at a time, and return how many. A running message is not deleted."""
        ...

    def purge(self, queue: str) -> int:
        """
        Delete the messages that wait in *queue* (ready and delayed, not running, not dead), some at a time, and return how many.

        It deletes no more messages than waited at first: those that come in the meantime may stay.
        """
        ...

    def pause(self, queue: str) -> None:
        """Stop claims from *queue* until it is resumed."""

    def resume(self, queue: str) -> None:
        """Allow claims from *queue* again."""

    def diagnose(self, check_seconds: float = DAMAGE_CHECK_SECONDS) -> tuple[Finding, ...]:
        """Return findings about this broker and its settings, for ``fq doctor``. A broker that keeps a file looks for damage for up to *check_seconds*."""
        ...

    def now(self) -> int:
        """Return the time by the broker's clock, ms since the epoch."""
        ...

    async def anow(self) -> int:
        """`now` for async callers; does not block the event loop."""
        ...

    def close(self) -> None:
        """Close all connections; the next call connects again."""


@runtime_checkable
class OverlappingSends(Protocol):
    """A broker that can take messages while its caller prepares the next ones."""

    def begin_enqueue(self, ops: Sequence[EnqueueOp]) -> Callable[[], None]:
        """Begin to `Broker.enqueue`, and return a function that the caller must call: it waits for the end, and raises what `enqueue` raises."""
        ...


@runtime_checkable
class TransactionalEnqueue(Protocol):
    """A broker in a database, which can take messages in the transaction of a user's own connection to that database."""

    def transactional_enqueue(self, ops: Sequence[EnqueueOp]) -> tuple[str, Mapping[str, object]]:
        """Return the statement that enqueues *ops* in PostgreSQL, with parameters as ``:name``, and these."""
        ...


@runtime_checkable
class Migrates(Protocol):
    """A broker whose tables have versions."""

    def migrate(self) -> tuple[int, int]:
        """Make the tables, or upgrade older ones, and return their version before and after."""
        ...


class AsyncInThreads:
    """The async methods of a broker whose calls are short or local: each runs in a thread."""

    async def aenqueue(self: Broker, ops: Sequence[EnqueueOp]) -> None:
        """`Broker.enqueue`, in a thread."""
        await asyncio.to_thread(self.enqueue, tuple(ops))  # the caller may change its list while this waits

    async def aplace(self: Broker, ops: Sequence[EnqueueOp]) -> tuple[Placement, ...]:
        """`Broker.place`, in a thread."""
        return await asyncio.to_thread(self.place, tuple(ops))

    async def await_result(self: Broker, message_id: str, timeout: int) -> bytes | None:
        """`Broker.wait_result`, in a thread."""
        return await asyncio.to_thread(self.wait_result, message_id, timeout)
