"""`MemoryBroker`: everything in this process, and gone with it. Its rules are in ``fq.brokers.memory.state``; this module adds the lock and the waiting."""

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from fq.brokers.clock import Clock, SystemClock
from fq.brokers.former_names import FormerNames
from fq.brokers.limits.local_store import InMemory, LocalStore
from fq.brokers.limits.store import LimitStore
from fq.brokers.memory.inspection import Inspection
from fq.brokers.memory.operator_calls import OperatorCalls
from fq.brokers.memory.small_records import SmallRecords
from fq.brokers.memory.state import MemoryState
from fq.brokers.protocol import CALLED_BY_ACTORS
from fq.brokers.records import (
    MAX_IDLE_MS,
    ClaimRequest,
    Commit,
    EnqueueOp,
    Mark,
    Placement,
    SetMarkOp,
    StoreResultOp,
    Turn,
)
from fq.brokers.validation import (
    DEAD_TTL_MS,
    check_claim_request,
    check_commits,
    check_enqueue_ops,
    check_heartbeat,
    check_names,
    check_settings,
)
from fq.brokers.waiters import ResultWaiters, WorkSignal
from fq.runtime.interrupt_mask import shields


@shields(*CALLED_BY_ACTORS)
class MemoryBroker(SmallRecords, Inspection, OperatorCalls, FormerNames):
    """
    A broker that lives in this process and ends with it: for tests, notebooks and small programs. Mutable, and safe to share between threads.

    >>> from fq.brokers.records import EnqueueOp
    >>> (broker := MemoryBroker()).enqueue([EnqueueOp("m1", "default", "add", 0, 0, b"{}")])
    1
    >>> broker.status("m1").state
    'ready'

    Args:
        clock: tells the time; the host's unless given. A `fq.brokers.clock.ManualClock` stands still until a test advances it.

        dead_ttl: how long dead letters are kept, ms. Default 7 days.
    """

    def __init__(self, *, clock: Clock | None = None, dead_ttl: int = DEAD_TTL_MS) -> None:
        check_settings(dead_ttl=dead_ttl)
        self.clock: Clock = SystemClock() if clock is None else clock
        self.recipe = {"dead_ttl": dead_ttl} if clock is None else None  # see fq.brokers.recipe
        self._state = MemoryState(dead_ttl)
        self._limit_store = LocalStore(InMemory(), self.clock)
        self._lock = threading.Lock()
        self._signal = WorkSignal()
        self._waiters = ResultWaiters(self._find)
        self.clock.watch(self._signal.notify_work)

    def __str__(self) -> str:
        return "memory://"

    def __repr__(self) -> str:
        return f"MemoryBroker(clock={self.clock!r})"

    def advance(self, ms: int) -> None:
        """Move the clock *ms* forward, so that delays end at once."""
        self.clock.advance(ms)

    def until_due(self, worker: str) -> int:
        """Return how long it is, in ms, until the next delay, or the lease of a worker other than *worker*, ends; 0 if there is none."""
        with self._lock:
            due = self._state.next_due(worker, self.clock.now)
        return 0 if due == float("inf") else max(0, int(due) - self.clock.now)

    def enqueue(self, ops: Sequence[EnqueueOp]) -> int:
        """See `Broker.enqueue`."""
        ops = tuple(ops)
        check_enqueue_ops(ops)
        with self._lock:
            now = self.clock.now
            new = sum([self._state.enqueue(op, now) for op in ops])
        self._signal.notify_work()
        return new

    async def aenqueue(self, ops: Sequence[EnqueueOp]) -> None:
        """See `Broker.aenqueue`; nothing here blocks."""
        self.enqueue(ops)

    def place(self, ops: Sequence[EnqueueOp]) -> tuple[Placement, ...]:
        """See `Broker.place`."""
        ops = tuple(ops)
        check_enqueue_ops(ops)
        with self._lock:
            now = self.clock.now
            placements = tuple([self._state.place(op, now) for op in ops])
        self._signal.notify_work()
        return placements

    async def aplace(self, ops: Sequence[EnqueueOp]) -> tuple[Placement, ...]:
        """See `Broker.aplace`; nothing here blocks."""
        return self.place(ops)

    def replace(self, op: EnqueueOp, expected: bytes | None = None) -> bool:
        """See `Broker.replace`."""
        check_enqueue_ops((op,))
        with self._lock:
            replaced = self._state.replace(op, expected, self.clock.now)
        self._signal.notify_work()
        return replaced

    def turn(self, commits: Sequence[Commit], request: ClaimRequest) -> Turn:
        """See `Broker.turn`."""
        check_claim_request(request)
        commits = tuple(commits)
        check_commits(commits)
        kept: dict[str, bytes] = {}
        stale: list[str] = []
        with self._lock:
            now = self.clock.now
            self._state.register_turn(request.worker, now + request.lease, now)
            self._state.note_queues(request)
            for commit in commits:
                if self._state.commit(commit, now):
                    kept.update(
                        (operation.message_id, operation.body) for operation in commit.operations if type(operation) is StoreResultOp
                    )
                else:
                    stale.append(commit.message_id)
            self._state.promote_and_reclaim(now)
            cancelled = self._state.take_cancelled(request.worker)
            deliveries = self._state.claim(request, now) if request.limit > 0 else ()
            idle_for = min(MAX_IDLE_MS, max(0, self._state.next_due(request.worker, now) - now))
            has_due_marks, has_new_first = self._state.has_due_marks(now), self._state.take_new_first()
        self._notify(has_new_first)
        for message_id, body in kept.items():
            self._waiters.resolve(message_id, body)
        return Turn(deliveries, tuple(stale), int(idle_for), cancelled, has_due_marks)

    def wait(self, request: ClaimRequest, timeout: int) -> None:
        """See `Broker.wait`."""
        check_claim_request(request)
        self._signal.wait(request.worker, timeout, lambda: self._seconds_left(request))

    def _seconds_left(self, request: ClaimRequest) -> float:
        if request.limit <= 0:
            return float("inf")
        with self._lock:
            if self._state.may_claim(request):
                return 0.0
            due = self._state.next_due(request.worker, self._state.last_turn(request.worker))
        return due if due == float("inf") else self.clock.seconds_until(int(due))

    def wake(self) -> None:
        """See `Broker.wake`."""
        self._signal.wake_all()

    def renew(self, workers: Sequence[str], lease: int, reports: Sequence[SetMarkOp] = (), asked: Sequence[str] = ()) -> Mapping[str, Mark]:
        """See `Broker.renew`."""
        check_heartbeat(workers, reports, asked)
        with self._lock:
            now = self.clock.now
            for worker in workers:
                self._state.renew(worker, now + lease)
            for report in reports:
                self._state.set_mark(report, now)
            return self._state.marks(asked, now)

    def release(self, worker: str, interrupted: Mapping[str, str], counted: Collection[str] | None = None) -> int:
        """See `Broker.release`."""
        check_names("worker", worker)
        with self._lock:
            count = self._state.release(worker, interrupted, counted, self.clock.now)
        self._signal.notify_work()
        return count

    def result(self, message_id: str) -> bytes | None:
        """See `Broker.result`."""
        check_names("message_id", message_id)
        with self._lock:
            return self._state.result(message_id, self.clock.now)

    def ids_with_results(self, message_ids: Sequence[str]) -> set[str]:
        """See `Broker.ids_with_results`."""
        check_names("message_id", *message_ids)
        with self._lock:
            now = self.clock.now
            return {message_id for message_id in message_ids if self._state.result(message_id, now) is not None}

    def _find(self, message_ids: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        for message_id in message_ids:
            if (body := self.result(message_id)) is not None:
                yield message_id, body

    def wait_result(self, message_id: str, timeout: int) -> bytes | None:
        """See `Broker.wait_result`."""
        check_names("message_id", message_id)
        return self._waiters.wait(message_id, timeout)

    async def await_result(self, message_id: str, timeout: int) -> bytes | None:
        """See `Broker.await_result`."""
        check_names("message_id", message_id)
        return await self._waiters.wait_async(message_id, timeout)

    def limit_store(self) -> LimitStore:
        """See `KeepsLimits.limit_store`."""
        return self._limit_store

    def now(self) -> int:
        """See `Broker.now`."""
        return self.clock.now

    async def anow(self) -> int:
        """See `Broker.anow`; nothing here blocks."""
        return self.clock.now

    def close(self) -> None:
        """See `Broker.close`; there is no connection to close, and the contents stay."""
