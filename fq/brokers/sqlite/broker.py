"""`SqliteBroker`: the broker in a file. Each process has two connections: one writes, one reads and listens. The package lists the parts."""

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from fq.brokers.clock import Clock, SystemClock
from fq.brokers.findings import Finding
from fq.brokers.former_names import FormerNames
from fq.brokers.limits.local_store import LocalStore
from fq.brokers.protocol import CALLED_BY_ACTORS, AsyncInThreads
from fq.brokers.records import ClaimedMessage, ClaimRequest, Commit, DeadLetter, EnqueueOp, QueueStats, Status, Turn, WorkerStats
from fq.brokers.requeue import RequeuePlanner, planner
from fq.brokers.single_flight import SingleFlight
from fq.brokers.sqlite import fork_safety, inspection
from fq.brokers.sqlite.cancellation import cancel
from fq.brokers.sqlite.claims import release, renew
from fq.brokers.sqlite.database import Database, Settings
from fq.brokers.sqlite.diagnostics import diagnose
from fq.brokers.sqlite.enqueue import insert
from fq.brokers.sqlite.groups import cancel_groups
from fq.brokers.sqlite.listener import Listener
from fq.brokers.sqlite.maintenance import Maintenance
from fq.brokers.sqlite.requeue import requeue
from fq.brokers.sqlite.turn_recovery import TurnRunner
from fq.brokers.sqlite.whole_file import WholeFile
from fq.brokers.validation import (
    DEAD_TTL_MS,
    check_claim_request,
    check_commits,
    check_enqueue_ops,
    check_names,
    check_search,
    check_settings,
)
from fq.errors import ConfigError
from fq.runtime.interrupt_mask import shields

BUSY_TIMEOUT_MS = 15_000
"""How long a call waits by default while other processes write."""


@shields(*CALLED_BY_ACTORS, "now")
class SqliteBroker(FormerNames, WholeFile, AsyncInThreads):
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
        self._dead_ttl = dead_ttl
        self._settings = settings
        self._writer = Database(settings, self.clock)
        self._reader = Database(settings, self.clock)
        self._listener = Listener(self._reader, self.clock, self.path)
        self._turns = TurnRunner(self._writer, self.clock, Maintenance(dead_ttl))
        self._clock_read = SingleFlight(self._reader.read_clock)
        fork_safety.register(self)

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
            new = insert(connection, ops, self.clock.now, self._writer.known)
        self._listener.notify_work()
        return new

    def turn(self, commits: Sequence[Commit], request: ClaimRequest) -> Turn:
        """See `Broker.turn`."""
        check_claim_request(request)
        commits = tuple(commits)
        check_commits(commits)
        result = self._turns.run(commits, request)
        if result.new:
            self._listener.notify_work()
        self._listener.resolve_results(result.results)
        return result.turn

    def renew(self, workers: Sequence[str], lease: int) -> None:
        """See `Broker.renew`."""
        check_names("worker", *workers)
        with self._writer.writing() as connection:
            renew(connection, workers, self.clock.now + lease)

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

    # For operators.

    def status(self, message_id: str) -> Status:
        """See `Broker.status`."""
        check_names("message_id", message_id)
        with self._reader.reading() as connection:
            return inspection.status(connection, message_id, self.clock.now, self._dead_ttl)

    def queues(self) -> tuple[QueueStats, ...]:
        """See `Broker.queues`."""
        with self._reader.reading() as connection:
            return inspection.queues(connection, self.clock.now, self._dead_ttl)

    def workers(self) -> tuple[WorkerStats, ...]:
        """See `Broker.workers`."""
        with self._reader.reading() as connection:
            return inspection.workers(connection, self.clock.now)

    def dead_letters(
        self,
        *,
        queue: str | None = None,
        actor: str | None = None,
        error: str | None = None,
        until: int | None = None,
        limit: int = 100,
    ) -> tuple[DeadLetter, ...]:
        """See `Broker.dead_letters`."""
        check_search(queue=queue, actor=actor, error=error)
        with self._reader.reading() as connection:
            return inspection.dead_letters(connection, queue, actor, error, limit, self.clock.now - self._dead_ttl, until)

    def claimed_by(self, worker: str, limit: int = 100) -> tuple[ClaimedMessage, ...]:
        """See `Broker.claimed_by`."""
        check_names("worker", worker)
        with self._reader.reading() as connection:
            return inspection.claimed_by(connection, worker, limit)

    def cancel(self, message_id: str) -> bool:
        """See `Broker.cancel`."""
        return self.cancel_all((message_id,)) > 0

    def cancel_all(self, message_ids: Sequence[str], groups: Sequence[str] = ()) -> int:
        """See `Broker.cancel_all`."""
        check_names("message_id", *message_ids)
        check_names("group", *groups)
        with self._writer.writing() as connection:
            now = self.clock.now
            cancel_groups(connection, groups, now)
            found = cancel(connection, message_ids, now)
        self._listener.notify_work()
        return found

    def requeue(self, message_ids: Sequence[str], plan: RequeuePlanner | None = None) -> int:
        """See `Broker.requeue`."""
        check_names("message_id", *message_ids)
        with self._writer.writing() as connection:
            now = self.clock.now
            count = requeue(connection, message_ids, planner(plan), now, now - self._dead_ttl, self._writer.known)
        self._listener.notify_work()
        return count

    def discard(self, message_ids: Sequence[str]) -> int:
        """See `Broker.discard`."""
        check_names("message_id", *message_ids)
        with self._writer.writing() as connection:
            return inspection.discard(connection, message_ids, self.clock.now - self._dead_ttl)

    def purge(self, queue: str) -> int:
        """See `Broker.purge`."""
        check_names("queue", queue)
        with self._writer.writing() as connection:
            return inspection.purge(connection, queue)

    def pause(self, queue: str) -> None:
        """See `Broker.pause`."""
        check_names("queue", queue)
        with self._writer.writing() as connection:
            inspection.set_paused(connection, queue, True)

    def resume(self, queue: str) -> None:
        """See `Broker.resume`."""
        check_names("queue", queue)
        with self._writer.writing() as connection:
            inspection.set_paused(connection, queue, False)
        self._listener.notify_work()

    def diagnose(self) -> tuple[Finding, ...]:
        """See `Broker.diagnose`."""
        is_new = not Path(self.path).exists()  # before it is opened, which creates it
        with self._reader.reading() as connection:
            return diagnose(connection, self.path, self._settings.synchronous, is_new)

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
