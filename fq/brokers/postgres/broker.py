"""`PostgresBroker`: the broker in PostgreSQL. Each process has three connections: one writes, one reads, one listens. The package lists the parts."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

from fq.brokers.fork_safety import register
from fq.brokers.former_names import FormerNames
from fq.brokers.postgres import inspection
from fq.brokers.postgres.claims import release, renew
from fq.brokers.postgres.database import Database, Settings, check_library
from fq.brokers.postgres.limit_store import PostgresLimitStore
from fq.brokers.postgres.listener import Listener
from fq.brokers.postgres.maintenance import Maintenance
from fq.brokers.postgres.marks import read_marks, set_marks
from fq.brokers.postgres.migrations import migrate
from fq.brokers.postgres.operator_calls import OperatorCalls
from fq.brokers.postgres.sending import Sending, announced
from fq.brokers.postgres.small_records import SmallRecords
from fq.brokers.postgres.transaction import Transaction
from fq.brokers.postgres.turn_recovery import TurnRunner
from fq.brokers.postgres.urls import read_url
from fq.brokers.protocol import CALLED_BY_ACTORS, AsyncInThreads
from fq.brokers.records import ClaimRequest, Commit, Mark, SetMarkOp, Turn
from fq.brokers.server_clock import ServerClock
from fq.brokers.single_flight import SingleFlight
from fq.brokers.validation import (
    check_claim_request,
    check_commits,
    check_heartbeat,
    check_names,
    check_settings,
)
from fq.runtime.interrupt_mask import shields

T = TypeVar("T")


@shields(*CALLED_BY_ACTORS, "now")
class PostgresBroker(Sending, SmallRecords, OperatorCalls, FormerNames, AsyncInThreads):
    """
    A broker in a schema of a PostgreSQL database, version 14 or newer. Mutable; safe to share between threads, and across a fork.

    >>> print(PostgresBroker("postgresql://shop:secret@db.example/shop?schema=jobs"))
    postgresql://shop:***@db.example/shop?schema=jobs

    Args:
        url: as libpq takes it, with options of fq: *schema* (default: ``fq``), *listen* (default: ``true``), *poll* (ms between two looks without LISTEN;
            default: 500), *lock_timeout* (ms that a call waits for a lock; default: 15 s) and *dead_ttl* (ms that dead letters are kept; default: 7 days).

        clock: the time that `now` returns; by default the server's.

    Raises:
        ConfigError: an option that is not valid, or an old psycopg.
    """

    def __init__(self, url: str, *, clock: Callable[[], int] | None = None) -> None:
        check_library()
        options = read_url(url)
        check_settings(dead_ttl=options.dead_ttl, lock_timeout=options.lock_timeout, poll=options.poll)
        Sending.__init__(self)
        self.url = url
        self.recipe = {"url": url} if clock is None else None  # see fq.brokers.recipe
        self._options = options
        self._dead_ttl = options.dead_ttl
        settings = Settings(options.dsn, options.schema, options.lock_timeout, is_pooled=not options.listen)
        self._writer = Database(settings)
        self._reader = Database(settings)
        self._listener = Listener(self._reader, options.listen, options.poll)
        self._turns = TurnRunner(self._writer, Maintenance(options.dead_ttl))
        self._clock = ServerClock(self._ask_time)
        self._fixed_clock = clock
        self._clock_read = SingleFlight(self.now)
        register(self)

    def __str__(self) -> str:
        return self._options.shown

    def __repr__(self) -> str:
        return f"PostgresBroker({self._options.shown!r})"

    # Committing.

    def turn(self, commits: Sequence[Commit], request: ClaimRequest) -> Turn:
        """See `Broker.turn`."""
        check_claim_request(request)
        commits = tuple(commits)
        check_commits(commits)
        result = self._turns.run(commits, request)
        self._listener.note_marks(request.worker, result.marks)
        if commits:
            self._listener.notify_work()
        self._listener.resolve_results(result.results)
        return result.turn

    def renew(self, workers: Sequence[str], lease: int, reports: Sequence[SetMarkOp] = (), asked: Sequence[str] = ()) -> Mapping[str, Mark]:
        """See `Broker.renew`."""
        check_heartbeat(workers, reports, asked)

        def work(tx: Transaction) -> dict[str, Mark]:
            renew(tx, workers, lease)
            set_marks(tx, reports)
            return read_marks(tx, asked) if asked else {}

        return self._writer.alone(work) if reports else self._writer.shared(work)

    def release(self, worker: str, interrupted: Mapping[str, str], counted: Collection[str] | None = None) -> int:
        """See `Broker.release`."""
        check_names("worker", worker)
        count = self._writer.alone(lambda tx: announced(tx, release(tx, worker, interrupted, counted)))
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
        return self._reader.reading(lambda tx: inspection.ids_with_results(tx, message_ids))

    def wait_result(self, message_id: str, timeout: int) -> bytes | None:
        """See `Broker.wait_result`."""
        check_names("message_id", message_id)
        return self._listener.wait_result(message_id, timeout)

    async def await_result(self, message_id: str, timeout: int) -> bytes | None:
        """See `Broker.await_result`; holds no thread while it waits."""
        check_names("message_id", message_id)
        return await self._listener.await_result(message_id, timeout)

    # Other parts.

    def limit_store(self) -> PostgresLimitStore:
        """See `KeepsLimits.limit_store`."""
        return PostgresLimitStore(self._writer)

    def now(self) -> int:
        """See `Broker.now`; asks the server now and then."""
        return self._clock.now() if self._fixed_clock is None else self._fixed_clock()

    async def anow(self) -> int:
        """See `Broker.anow`."""
        return self.now() if self._clock.is_known else await self._clock_read.result()

    def migrate(self) -> tuple[int, int]:
        """Make fq's tables, or upgrade older ones, and return their version before and after. ``fq migrate`` calls this."""
        return self._writer.bare(lambda connection: migrate(connection, self._options.schema, str(self)))

    def _ask_time(self) -> int:
        return int(self._reader.single(lambda tx: tx.row("SELECT fq.now_ms()")[0]))

    # Connections.

    def close(self) -> None:
        """See `Broker.close`."""
        self._end_batcher()
        self._listener.close()
        self._writer.close()
        self._reader.close()

    def before_fork(self) -> None:
        """Connections may stay open: the child never uses them."""

    def after_fork_in_parent(self) -> None:
        """All goes on."""

    def after_fork_in_child(self) -> None:
        """Start afresh: waiters are in the parent."""
        self._forget_batcher()
        self._writer.after_fork_in_child()
        self._reader.after_fork_in_child()
        self._listener.after_fork_in_child()
