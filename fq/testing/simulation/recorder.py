"""`Tap`: the broker of a simulated app. Whatever passes through it is noted in the ledger and in the trace. Mutable shell."""

from collections.abc import Collection, Mapping, Sequence
from typing import cast

from attrs import define, field

from fq.brokers.protocol import Broker
from fq.brokers.records import ClaimRequest, Commit, EnqueueOp, StoreResultOp, Turn
from fq.brokers.requeue import RequeuePlanner
from fq.testing.simulation.invariants import check_results
from fq.testing.simulation.ledger import Ledger
from fq.testing.simulation.requeues import requeued
from fq.testing.simulation.trace import Trace


@define(eq=False)
class Tap:
    """A `fq.brokers.protocol.Broker` around *broker*. Calls that change nothing, or nothing that a ledger knows of, pass as they are."""

    broker: Broker
    ledger: Ledger
    trace: Trace
    sent: list[Sequence[EnqueueOp]] = field(factory=list)
    stirred: bool = False

    def as_broker(self) -> Broker:
        """Return this as what it is, which no type checker can see: most of its calls are the broker's own."""
        return cast(Broker, self)

    def __getattr__(self, name: str) -> object:
        return getattr(self.broker, name)

    def __str__(self) -> str:
        return str(self.broker)

    def enqueue(self, ops: Sequence[EnqueueOp]) -> int:
        """See `Broker.enqueue`."""
        new = self.broker.enqueue(ops)
        self.sent.append(ops)
        self.ledger.sent(ops, self.broker.now())
        self.trace.sent(ops)
        self.stir()
        return new

    async def aenqueue(self, ops: Sequence[EnqueueOp]) -> None:
        """See `Broker.aenqueue`."""
        self.enqueue(ops)

    def turn(self, commits: Sequence[Commit], request: ClaimRequest) -> Turn:
        """See `Broker.turn`."""
        turn = self.broker.turn(commits, request)
        self.ledger.turned(commits, request, turn, self.broker.now())
        self.trace.turned(commits, request, turn)
        kept = [
            operation
            for commit in commits
            if commit.message_id not in turn.stale
            for operation in commit.operations
            if type(operation) is StoreResultOp
        ]
        if kept:
            check_results(self.ledger, self.broker, kept)
        if commits:
            self.stir()
        return turn

    def stir(self) -> None:
        """Let idle workers ask again, if anything is there to be had."""
        self.stirred = self.stirred or self.ledger.waits(self.broker.now())

    def renew(self, workers: Sequence[str], lease: int) -> None:
        """See `Broker.renew`."""
        self.broker.renew(workers, lease)
        self.ledger.renewed(workers, self.broker.now() + lease)

    def release(self, worker: str, interrupted: Mapping[str, str], counted: Collection[str] | None = None) -> int:
        """See `Broker.release`."""
        count = self.broker.release(worker, interrupted, counted)
        self.ledger.released(worker, interrupted, counted, self.broker.now())
        self.stir()
        return count

    def cancel(self, message_id: str) -> bool:
        """See `Broker.cancel`."""
        return self.cancel_all((message_id,)) > 0

    def cancel_all(self, message_ids: Sequence[str], groups: Sequence[str] = ()) -> int:
        """See `Broker.cancel_all`."""
        found = self.broker.cancel_all(message_ids, groups)
        self.ledger.cancelled(message_ids, groups, found, self.broker.now())
        self.stir()
        return found

    def requeue(self, message_ids: Sequence[str], plan: RequeuePlanner) -> int:
        """See `Broker.requeue`."""
        count = self.broker.requeue(message_ids, plan)
        requeued(self.ledger, message_ids, plan, count, self.broker.now())
        self.stir()
        return count

    def discard(self, message_ids: Sequence[str]) -> int:
        """See `Broker.discard`."""
        count = self.broker.discard(message_ids)
        self.ledger.forgotten(message_ids)
        return count

    def purge(self, queue: str) -> int:
        """See `Broker.purge`."""
        count = self.broker.purge(queue)
        self.ledger.forgotten([key for key, entry in self.ledger.alive.items() if entry.op.queue_name == queue])
        return count

    def wait_result(self, message_id: str, timeout: int) -> bytes | None:
        """See `Broker.wait_result`; in a simulation nobody can work while one waits, so that what is not there yet will not come."""
        return self.broker.result(message_id)

    async def await_result(self, message_id: str, timeout: int) -> bytes | None:
        """See `Broker.await_result`, and `wait_result`."""
        return self.broker.result(message_id)
