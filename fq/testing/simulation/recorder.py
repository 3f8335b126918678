"""`Recorder`: the broker of a simulated app. It records every command in the ledger and in the trace. Mutable shell."""

from collections.abc import Collection, Mapping, Sequence
from typing import cast

from attrs import define, field

from fq.brokers.protocol import Broker
from fq.brokers.records import ClaimRequest, Commit, EnqueueOp, Mark, Placement, SetMarkOp, StoreResultOp, Turn
from fq.brokers.requeue import RequeuePlanner, planner
from fq.testing.simulation.invariants import check_marks, check_results
from fq.testing.simulation.ledger import Ledger
from fq.testing.simulation.requeues import record_requeue
from fq.testing.simulation.trace import Trace


@define(eq=False)
class Recorder:
    """A `fq.brokers.protocol.Broker` around *broker*. Calls that the ledger does not need are passed on unchanged."""

    broker: Broker
    ledger: Ledger
    trace: Trace
    sent: list[Sequence[EnqueueOp]] = field(factory=list)
    has_news: bool = False

    def as_broker(self) -> Broker:
        """Return this object typed as a broker: most of its methods are found by ``__getattr__``."""
        return cast(Broker, self)

    def __getattr__(self, name: str) -> object:
        return getattr(self.broker, name)

    def __str__(self) -> str:
        return str(self.broker)

    def enqueue(self, ops: Sequence[EnqueueOp]) -> int:
        """See `Broker.enqueue`."""
        return sum(placement.is_new for placement in self.place(ops))

    async def aenqueue(self, ops: Sequence[EnqueueOp]) -> None:
        """See `Broker.aenqueue`."""
        self.place(ops)

    def place(self, ops: Sequence[EnqueueOp]) -> tuple[Placement, ...]:
        """See `Broker.place`."""
        placed = self.broker.place(ops)
        self.sent.append(ops)
        self.ledger.record_enqueue(ops, self.broker.now(), placed=placed)
        self.trace.add_enqueue(ops)
        self.wake_idle_workers()
        return placed

    async def aplace(self, ops: Sequence[EnqueueOp]) -> tuple[Placement, ...]:
        """See `Broker.aplace`."""
        return self.place(ops)

    def replace(self, op: EnqueueOp, expected: bytes | None = None) -> bool:
        """See `Broker.replace`."""
        replaced = self.broker.replace(op, expected)
        self.ledger.record_replace(op, expected, replaced, self.broker.now())
        self.trace.add("a producer replaces {}" if replaced else "a producer cannot replace {}", op)
        self.wake_idle_workers()
        return replaced

    def set_marks(self, ops: Sequence[SetMarkOp]) -> tuple[bool, ...]:
        """See `MarkStore.set_marks`."""
        done = self.broker.set_marks(ops)
        self.ledger.record_marks(ops, done, self.broker.now())
        for op, fits in zip(ops, done, strict=True):
            self.trace.add("{} is set, with {}" if fits else "{} is set too late, without {}", op, op.then or "nothing else")
        self.wake_idle_workers()
        return done

    def turn(self, commits: Sequence[Commit], request: ClaimRequest) -> Turn:
        """See `Broker.turn`."""
        turn = self.broker.turn(commits, request)
        self.ledger.record_turn(commits, request, turn, self.broker.now())
        self.trace.add_turn(commits, request, turn)
        kept = [
            operation
            for commit in commits
            if commit.message_id not in turn.stale
            for operation in commit.operations
            if type(operation) is StoreResultOp
        ]
        if kept:
            check_results(self.ledger, self.broker, kept)
        if marked := [operation.key for commit in commits for operation in commit.operations if type(operation) is SetMarkOp]:
            check_marks(self.ledger, self.broker, marked)
        if commits:
            self.wake_idle_workers()
        return turn

    def wake_idle_workers(self) -> None:
        """Let idle workers ask again, if a due message waits."""
        self.has_news = self.has_news or self.ledger.waits(self.broker.now())

    def renew(self, workers: Sequence[str], lease: int, reports: Sequence[SetMarkOp] = (), asked: Sequence[str] = ()) -> Mapping[str, Mark]:
        """See `Broker.renew`."""
        found = self.broker.renew(workers, lease, reports, asked)
        self.ledger.record_renewal(workers, self.broker.now() + lease)
        return found

    def release(self, worker: str, interrupted: Mapping[str, str], counted: Collection[str] | None = None) -> int:
        """See `Broker.release`."""
        count = self.broker.release(worker, interrupted, counted)
        self.ledger.record_release(worker, interrupted, counted, self.broker.now())
        self.wake_idle_workers()
        return count

    def run_now(self, message_ids: Sequence[str]) -> int:
        """See `Broker.run_now`."""
        found = self.broker.run_now(message_ids)
        self.ledger.record_run_now(message_ids, found, self.broker.now())
        self.wake_idle_workers()
        return found

    def cancel(self, message_id: str) -> bool:
        """See `Broker.cancel`."""
        return self.cancel_all((message_id,)) > 0

    def cancel_all(self, message_ids: Sequence[str], groups: Sequence[str] = ()) -> int:
        """See `Broker.cancel_all`."""
        found = self.broker.cancel_all(message_ids, groups)
        self.ledger.record_cancel(message_ids, groups, found, self.broker.now())
        self.wake_idle_workers()
        return found

    def requeue(self, message_ids: Sequence[str], plan: RequeuePlanner | None = None) -> int:
        """See `Broker.requeue`."""
        count = self.broker.requeue(message_ids, plan)
        record_requeue(self.ledger, message_ids, planner(plan), count, self.broker.now())
        self.wake_idle_workers()
        return count

    def discard(self, message_ids: Sequence[str]) -> int:
        """See `Broker.discard`."""
        count = self.broker.discard(message_ids)
        self.ledger.record_deletion(message_ids, self.broker.now())
        return count

    def purge(self, queue: str) -> int:
        """See `Broker.purge`."""
        count = self.broker.purge(queue)
        self.ledger.record_deletion([key for key, entry in self.ledger.alive.items() if entry.op.queue_name == queue], self.broker.now())
        return count

    def wait_result(self, message_id: str, timeout: int) -> bytes | None:
        """See `Broker.wait_result`. It does not wait: in a simulation, no worker could run meanwhile."""
        return self.broker.result(message_id)

    async def await_result(self, message_id: str, timeout: int) -> bytes | None:
        """See `Broker.await_result`, and `wait_result`."""
        return self.broker.result(message_id)
