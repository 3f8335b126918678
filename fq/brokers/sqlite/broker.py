"""`SqliteBroker`: the broker in a file. Each process has two connections: one writes, one reads and listens. The package lists the parts."""

import os
from collections.abc import Collection, Mapping, Sequence
from urllib.parse import quote

from fq.brokers.clock import Clock, SystemClock
from fq.brokers.fork_safety import register
from fq.brokers.former_names import FormerNames
from fq.brokers.limits.local_store import LocalStore
from fq.brokers.protocol import CALLED_BY_ACTORS, AsyncInThreads
from fq.brokers.records import ClaimRequest, Commit, EnqueueOp, Mark, Placement, SetMarkOp, Turn
from fq.brokers.single_flight import SingleFlight
from fq.brokers.sqlite import inspection
from fq.brokers.sqlite.claims import release, renew
from fq.brokers.sqlite.database import Database, Settings
from fq.brokers.sqlite.listener import Listener
from fq.brokers.sqlite.maintenance import Maintenance
from fq.brokers.sqlite.marks import read_marks, set_marks
from fq.brokers.sqlite.operator_calls import OperatorCalls
from fq.brokers.sqlite.placing import enqueue, place
from fq.brokers.sqlite.replacing import replace
from fq.brokers.sqlite.small_records import SmallRecords
from fq.brokers.sqlite.turn_recovery import TurnRunner
from fq.brokers.sqlite.whole_file import WholeFile
from fq.brokers.validation import (
    DEAD_TTL_MS,
    check_claim_request,
    check_commits,
    check_enqueue_ops,
    check_heartbeat,
    check_names,
    check_settings,
)
from fq.errors import ConfigError
from fq.runtime.interrupt_mask import shields

BUSY_TIMEOUT_MS = 15_000
"""How long a call waits by default while other processes write."""


@shields(*CALLED_BY_ACTORS, "now")
class SqliteBroker(SmallRecords, OperatorCalls, FormerNames, WholeFile, AsyncInThreads):
    """
    A broker in a SQLite file, for any number of processes of one machine. Mutable; safe to share between threads, and across a fork.

    >>> print(SqliteBroker("/var/lib/shop/jobs.db"))
    sqlite:////var/lib/shop/jobs.db

    Args:
        path: the file. It is created if it does not exist, in a folder that must. A relative path starts at the current folder.

        synchronous: with ``"NORMAL"``, a commit survives the death of any process; a loss of power may undo the latest commits, each wholly. With ``"FULL"``
            commits survive that, too, and each call flushes the disk.

        busy_timeout: how long a call waits while other processes write, ms, before it raises `BrokerUnavailable`.

        dead_ttl: how long dead letters are kept, ms. Default 7 days.

        clock: by default the host's clock, without the steps of its wall clock; all processes that use the file agree on it.

    Raises:
        ConfigError: a value of *synchronous* that SQLite does not have, a NUL in the path, or an invalid duration.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        synchronous: str = "NORMAL",
        busy_timeout: int = BUSY_TIMEOUT_MS,
        dead_ttl: int = DEAD_TTL_MS,
        clock: Clock | None = None,
    ) -> None:
        check_settings(dead_ttl=dead_ttl, busy_timeout=busy_timeout)
        if "\0" in os.fsdecode(path):
            raise ConfigError(
                f"found a NUL character in the path {os.fsdecode(path)!r}, expected the path of a file; type: sqlite:///jobs.db"
            )
        self.clock: Clock = SystemClock() if clock is None else clock
        self.path = os.path.abspath(path)  # noqa: PTH100  # links stay as they are
        settings = Settings(self.path, synchronous, busy_timeout)
        arguments = {"path": self.path, "synchronous": synchronous, "busy_timeout": busy_timeout, "dead_ttl": dead_ttl}
        self.recipe = arguments if clock is None else None  # see fq.brokers.recipe
        self._dead_ttl = dead_ttl
        self._settings = settings
        self._writer = Database(settings, self.clock)
        self._reader = Database(settings, self.clock)
        self._listener = Listener(self._reader, self.clock, self.path)
        self._turns = TurnRunner(self._writer, self.clock, Maintenance(dead_ttl))
        self._clock_read = SingleFlight(self._reader.read_clock)
        register(self)

    def __str__(self) -> str:
        return f"sqlite:///{quote(self.path)}"

    def __repr__(self) -> str:
        return f"SqliteBroker({self.path!r})"

    # Sending and committing.

    def enqueue(self, ops: Sequence[EnqueueOp]) -> int:
        """See `Broker.enqueue`."""
        ops = tuple(ops)
        check_enqueue_ops(ops)
        if not ops:
            return 0
        with self._writer.writing() as connection:
            new = enqueue(connection, ops, self.clock.now, self._writer.known)
        self._listener.notify_work()
        return new

    def place(self, ops: Sequence[EnqueueOp]) -> tuple[Placement, ...]:
        """See `Broker.place`."""
        ops = tuple(ops)
        check_enqueue_ops(ops)
        if not ops:
            return ()
        with self._writer.writing() as connection:
            placements = place(connection, ops, self.clock.now, self._writer.known)
        self._listener.notify_work()
        return placements

    def replace(self, op: EnqueueOp, expected: bytes | None = None) -> bool:
        """See `Broker.replace`."""
        check_enqueue_ops((op,))
        with self._writer.writing() as connection:
            replaced = replace(connection, op, expected, self.clock.now, self._writer.known)
        self._listener.notify_work()
        return replaced

    def turn(self, commits: Sequence[Commit], request: ClaimRequest) -> Turn:
        """See `Broker.turn`."""
        check_claim_request(request)
        commits = tuple(commits)
        check_commits(commits)
        result = self._turns.run(commits, request)
        if result.new:
            self._listener.notify_work()
        self._listener.note_marks(request.worker, result.marks)
        self._listener.resolve_results(result.results)
        return result.turn

    def renew(self, workers: Sequence[str], lease: int, reports: Sequence[SetMarkOp] = (), asked: Sequence[str] = ()) -> Mapping[str, Mark]:
        """See `Broker.renew`."""
        check_heartbeat(workers, reports, asked)
        with self._writer.writing() as connection:
            now = self.clock.now
            renew(connection, workers, now + lease)
            set_marks(connection, reports, now)
            return read_marks(connection, asked, now) if asked else {}

    def release(self, worker: str, interrupted: Mapping[str, str], counted: Collection[str] | None = None) -> int:
        """See `Broker.release`."""
        check_names("worker", worker)
        with self._writer.writing() as connection:
            count = release(connection, worker, interrupted, counted)
        self._listener.notify_work()
        return count

    # Waiting.

    def wait(self, request: ClaimRequest, timeout: int) -> None:
        """See `Broker.wait`."""
        check_claim_request(request)
        self._listener.wait(request, timeout)

    def wake(self) -> None:
        """See `Broker.wake`."""
        self._listener.wake()

    def result(self, message_id: str) -> bytes | None:
        """See `Broker.result`."""
        check_names("message_id", message_id)
        return self._listener.result(message_id)

    def ids_with_results(self, message_ids: Sequence[str]) -> set[str]:
        """See `Broker.ids_with_results`."""
        check_names("message_id", *message_ids)
        with self._reader.reading() as connection:
            return inspection.ids_with_results(connection, message_ids, self.clock.now)

    def wait_result(self, message_id: str, timeout: int) -> bytes | None:
        """See `Broker.wait_result`."""
        check_names("message_id", message_id)
        return self._listener.wait_result(message_id, timeout)

    async def await_result(self, message_id: str, timeout: int) -> bytes | None:
        """See `Broker.await_result`; holds no thread while it waits."""
        check_names("message_id", message_id)
        return await self._listener.await_result(message_id, timeout)

    # Other parts.

    def limit_store(self) -> LocalStore:
        """See `KeepsLimits.limit_store`."""
        return LocalStore(self._writer, self.clock)

    def now(self) -> int:
        """See `Broker.now`."""
        if not self._reader.clock_was_read:
            self._reader.read_clock()
        return self.clock.now

    async def anow(self) -> int:
        """See `Broker.anow`."""
        if not self._reader.clock_was_read:
            await self._clock_read.result()
        return self.clock.now

    # Connections.

    def close(self) -> None:
        """See `Broker.close`."""
        self._writer.close()
        self._reader.close()

    def before_fork(self) -> None:
        """Close both connections, and prevent other threads from opening them."""
        self._writer.before_fork()
        self._reader.before_fork()

    def after_fork_in_parent(self) -> None:
        """Let other threads continue."""
        self._reader.after_fork_in_parent()
        self._writer.after_fork_in_parent()

    def after_fork_in_child(self) -> None:
        """Start afresh: waiters are in the parent."""
        self._writer.after_fork_in_child()
        self._reader.after_fork_in_child()
        self._listener.after_fork_in_child()
