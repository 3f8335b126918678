"""
`Broker`: what fq asks of a place that keeps messages. Everything a broker does is one of these calls, and each of them applies wholly or not at all.

The suite in ``tests/brokers`` says what every broker must do; a new one joins it by one line.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol, runtime_checkable

from fq.brokers.findings import Finding
from fq.brokers.records import ClaimedMessage, ClaimRequest, Commit, DeadLetter, EnqueueOp, QueueStats, Status, Turn, WorkerStats
from fq.brokers.requeue import RequeuePlanner

CALLED_BY_ACTORS = (
    *("enqueue", "result", "kept", "wait_result", "cancel", "cancel_all", "status", "queues", "workers", "claimed_by"),
    *("dead_letters", "requeue", "discard", "purge", "pause", "resume", "diagnose"),
)
"""What may be called in the thread of a running actor, and is shielded from what interrupts that (see ``fq/runtime/interrupt_mask.py``)."""


class Broker(Protocol):
    """
    Keeps messages, dead letters, results and groups, and is the one clock of all its workers.

    All calls may come from any thread. Nothing connects before the first call. A caller may change the lists that it has passed, or use them again, as soon
    as the call returns or raises; a coroutine copies them before it first waits. Every call may raise `BrokerUnavailable` when the broker cannot be
    reached within a bounded time, and `BrokerError` when it refuses, as it does what can be the name of nothing: an empty text, one with NUL or a lone
    surrogate.
    """

    def enqueue(self, ops: Sequence[EnqueueOp]) -> int:
        """
        Put *posts* on their queues, all or none, and return how many messages are new.

        A message whose id already waits or runs is left as it is, so that a repeated call adds nothing. A dead letter of that id is no obstacle.
        A call that the broker repeats by itself, because the reply was lost, counts its messages as new.
        """
        ...

    async def aenqueue(self, ops: Sequence[EnqueueOp]) -> None:
        """`enqueue` for async producers."""

    def turn(self, commits: Sequence[Commit], request: ClaimRequest) -> Turn:
        """
        Apply *commits* in their order, each wholly or not at all, and claim what is wanted; never blocks.

        A commit is that of the worker that claimed the message, ``want.worker``: under another name it may be taken for stale.

        Every turn also renews the lease of ``want.worker``, makes ready what has fallen due, and takes back what workers with expired leases held.
        """
        ...

    def wait(self, request: ClaimRequest, timeout: int) -> None:
        """
        Block until there may be something to claim, or `wake` is called, or *timeout* ms have passed.

        Returning early is allowed, missing a message is not.
        """

    def wake(self) -> None:
        """
        Make a `wait` that is under way in another thread return now; if none is, the next one returns at once.

        Of several workers that share a broker each gets its own: that one has returned does not keep another waiting.
        """

    def renew(self, workers: Sequence[str], lease: int) -> None:
        """Renew the leases of *workers*, to run *lease* ms from now, where they have not been taken back."""

    def release(self, worker: str, interrupted: Mapping[str, str], counted: Collection[str] | None = None) -> int:
        """
        Take back everything that *worker*, which is known to be dead, holds, and return how many messages that was.

        *interrupted* names, by message id, why a message was cut short. The delivery counts for the messages in *counted*; for all of them if that is None.
        """
        ...

    def result(self, message_id: str) -> bytes | None:
        """Return the result kept for *message_id*, None if there is none."""
        ...

    def kept(self, message_ids: Sequence[str]) -> AbstractSet[str]:
        """Return those of *message_ids* of which a result is kept, however many they are."""
        ...

    def wait_result(self, message_id: str, timeout: int) -> bytes | None:
        """Return the result kept for *message_id*, waiting up to *timeout* ms for it, None if none came."""
        ...

    async def await_result(self, message_id: str, timeout: int) -> bytes | None:
        """`wait_result` for async callers."""
        ...

    def status(self, message_id: str) -> Status:
        """Return where a message is."""
        ...

    def queues(self) -> tuple[QueueStats, ...]:
        """Return all queues that hold, or have held, anything, by name."""
        ...

    def workers(self) -> tuple[WorkerStats, ...]:
        """Return all workers with a lease, by name."""
        ...

    def claimed_by(self, worker: str, limit: int = 100) -> tuple[ClaimedMessage, ...]:
        """Return up to *limit* of the messages that *worker* holds, those claimed first first."""
        ...

    def cancel(self, message_id: str) -> bool:
        """
        Cancel a message that waits or is held; False if there is none.

        One that waits becomes ready, and is delivered as ``interrupted="cancelled"``, so that it ends without being run. The holder of one that is held
        hears of it in its next turn; should the message come back, by a retry or a lost lease, it is delivered in the same way. Of what its commit posts,
        that which continues its workflow (`EnqueueOp.continues`) is cancelled, too.
        """
        ...

    def cancel_all(self, message_ids: Sequence[str], groups: Sequence[str] = ()) -> int:
        """
        Cancel each of *message_ids*, and what is posted when one of *groups* completes; return how many of the messages wait or are held.

        A group may be one at which no member has arrived. Of a workflow name all messages, the earlier steps first: then whatever happens meanwhile, each
        part of it is done or cancelled.
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
        Return up to *limit* dead letters, the latest first, of one queue, actor or error type if named.

        With *until*, only those that died no later than then, ms since the epoch on the broker's clock.
        """
        ...

    def requeue(self, message_ids: Sequence[str], plan: RequeuePlanner) -> int:
        """
        Put dead letters back on their queues as *plan* says, and return how many there were; `App.requeue` hands in the plan.

        The plan is made of what the broker has, and is carried out if that is unchanged: in one transaction, or else it is made again.
        """
        ...

    def discard(self, message_ids: Sequence[str]) -> int:
        """Delete dead letters and waiting messages, and return how many there were. A running message is left alone."""
        ...

    def purge(self, queue: str) -> int:
        """Delete what waits in *queue* (ready and delayed, not running, not dead) and return how many messages that was."""
        ...

    def pause(self, queue: str) -> None:
        """Let nobody claim from *queue* until it is resumed."""

    def resume(self, queue: str) -> None:
        """Let workers claim from *queue* again."""

    def diagnose(self) -> tuple[Finding, ...]:
        """Return what there is to say about this broker and its settings, for ``fq doctor``."""
        ...

    def now(self) -> int:
        """Return the broker's clock, ms since the epoch."""
        ...

    async def anow(self) -> int:
        """`now` for async callers: whatever has to be asked for it blocks no event loop."""
        ...

    def close(self) -> None:
        """Let go of connections; the next call connects again."""


@runtime_checkable
class OverlappingSends(Protocol):
    """A broker that can take messages while its caller goes on."""

    def begin_enqueue(self, ops: Sequence[EnqueueOp]) -> Callable[[], None]:
        """Begin to `Broker.enqueue`; what is returned must be called, and waits for the end of that. It raises what `enqueue` raises."""
        ...


class AsyncInThreads:
    """The async side of a broker whose calls are short or local: each runs in a thread."""

    async def aenqueue(self: Broker, ops: Sequence[EnqueueOp]) -> None:
        """`Broker.enqueue`, in a thread."""
        await asyncio.to_thread(self.enqueue, tuple(ops))  # the caller may change its list while this waits

    async def await_result(self: Broker, message_id: str, timeout: int) -> bytes | None:
        """`Broker.wait_result`, in a thread."""
        return await asyncio.to_thread(self.wait_result, message_id, timeout)
