"""`ShardedRedisBroker`: the broker protocol over several shards of a namespace, each in a hash slot of its own, so that several nodes share the work."""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence

from fq.brokers.findings import DAMAGE_CHECK_SECONDS, Finding
from fq.brokers.former_names import FormerNames
from fq.brokers.protocol import CALLED_BY_ACTORS
from fq.brokers.records import ClaimRequest, Commit, Mark, SetMarkOp, Turn
from fq.brokers.redis.keys import Keys
from fq.brokers.redis.results import ResultReader
from fq.brokers.redis.shards.carriers import OWN
from fq.brokers.redis.shards.diagnostics import diagnose
from fq.brokers.redis.shards.inspection import ShardedInspection
from fq.brokers.redis.shards.limits import ShardedLimitStore
from fq.brokers.redis.shards.mover import Mover
from fq.brokers.redis.shards.records import ShardedRecords
from fq.brokers.redis.shards.requeue import requeue
from fq.brokers.redis.shards.routing import Routing, grouped, shard_names
from fq.brokers.redis.shards.sending import ShardedSending
from fq.brokers.redis.shards.shard import ProcessHub, RootBroker, Shard
from fq.brokers.redis.shards.shard_count import ShardCount
from fq.brokers.redis.shards.turns import ShardedTurns
from fq.brokers.requeue import RequeuePlanner, planner
from fq.brokers.single_flight import SingleFlight
from fq.brokers.validation import DEAD_TTL_MS, check_claim_request, check_heartbeat, check_names
from fq.errors import BrokerUnavailable, ConfigError
from fq.runtime.interrupt_mask import shields
from fq.runtime.logger import logger
from fq.runtime.process_id import pid

log = logger("fq.redis")

MAX_SHARDS = 1_000

VISIT_SECONDS = 0.25
"""A worker that finds enough in some shards looks at each of the others at least this often, in seconds: it hears of cancelled messages there."""

SENDER_LEASE_MS = 15_000
"""For how long a process that is no worker may take to empty an outbox; then workers do it."""


@shields(*CALLED_BY_ACTORS, "begin_enqueue")
class ShardedRedisBroker(ShardedSending, ShardedRecords, ShardedInspection, FormerNames):
    """
    Keeps messages in *shards* parts of a namespace on Redis or Valkey, each in a hash slot of its own. Connects at the first call.

    Messages are in order of priority within a shard. The page Shards of the docs says when to use it.

    >>> ShardedRedisBroker("redis+cluster://localhost:6379", shards=16)
    ShardedRedisBroker('redis+cluster://localhost:6379', namespace='fq', shards=16)

    Args:
        url: where the server is; all forms are in ``fq.brokers.redis.endpoint``. For shards on several nodes: that of a cluster.

        shards: how many shards; the first process stores the number at the server, and it cannot be changed.

        client: instead of a URL, a `redis.Redis` or `redis.RedisCluster` whose settings to use.

        namespace: what the names of all keys begin with. Brokers of one namespace see the same messages.

        dead_ttl: how long dead letters are kept, ms.

        patience: for how long a call is repeated while a server is away, ms, before it raises `BrokerUnavailable`.

        timeout: how long to wait for a connection, and for an answer, ms, where neither URL nor client say.

    Raises:
        ConfigError: the URL is none of the known forms; says what was found and what was expected. At the first call: the namespace has another number of
            shards, or messages without shards.
    """

    def __init__(
        self,
        url: str = "",
        *,
        shards: int,
        client: object = None,
        namespace: str = "fq",
        dead_ttl: int = DEAD_TTL_MS,
        patience: int = 5_000,
        timeout: int = 5_000,
    ) -> None:
        if type(shards) is not int or not 1 <= shards <= MAX_SHARDS:
            raise ConfigError(f"found shards={shards!r}, expected a whole number from 1 to {MAX_SHARDS}, such as 16")
        settings: dict[str, object] = {"dead_ttl": dead_ttl, "patience": patience, "timeout": timeout}
        self._arguments: dict[str, str | int] = {"url": url, "shards": shards, "namespace": namespace}
        self._arguments |= {"dead_ttl": dead_ttl, "patience": patience, "timeout": timeout}
        self._root = RootBroker(url, client=client, namespace=namespace, dead_ttl=dead_ttl, patience=patience, timeout=timeout)
        base = Keys(namespace)
        places = {"url": url, "client": client, **settings}
        self._shards = tuple(
            Shard(number, base, self._hub, namespace=name, **places) for number, name in enumerate(shard_names(namespace, shards))
        )
        self._count = ShardCount(self._root.namespace, shards)
        self._first_check = SingleFlight(self._count.check)
        self._routing = Routing(shards)
        self._root.make_hub([shard.namespace for shard in self._shards], self._routing.of_message)
        self._mover = Mover(self._shards, self._routing)
        self._turns_of: dict[int, ShardedTurns] = {}  # by process: what the parent's workers know is the parent's
        self._visit_seconds = VISIT_SECONDS

    def __repr__(self) -> str:
        return f"ShardedRedisBroker({str(self)!r}, namespace={self._root.namespace.keys.namespace!r}, shards={len(self._shards)})"

    def __str__(self) -> str:
        return str(self._root)

    def tagged(self, message_id: str) -> str:
        """
        Return *message_id*, which is new, with a tag: its last characters, of which there are far more than shards.

        >>> ShardedRedisBroker("redis://localhost", shards=4).tagged("0199a3c7-f4ac-7aa5-9a56-36be0c8b0e81")
        '0199a3c7-f4ac-7aa5-9a56-36be0c8b0e81{0e81}'
        """
        return f"{message_id}{{{message_id[-4:]}}}"

    def _hub(self) -> ProcessHub:
        return self._root.hub

    @property
    def recipe(self) -> Mapping[str, str | int] | None:
        """See `fq.brokers.recipe`."""
        return self._arguments if self._arguments["url"] and not self.offset else None

    @property
    def shards(self) -> tuple[Shard, ...]:
        """The shards. Raises `ConfigError` if their number is not that of the server."""
        self._count.check()
        return self._shards

    async def _shards_async(self) -> tuple[Shard, ...]:
        if not self._count.is_checked:
            await self._first_check.result()
        return self._shards

    @property
    def _results(self) -> ResultReader:
        self._count.check()
        return self._root.hub.results

    @property
    def offset(self) -> int:
        """What is added to the servers' clocks, ms: for tests, which put all brokers of a namespace ahead alike."""
        return self._root.offset

    @offset.setter
    def offset(self, ms: int) -> None:
        for broker in (self._root, *self._shards):
            broker.offset = ms

    @property
    def _turns(self) -> ShardedTurns:
        found = self._turns_of.get(pid())
        if found is None:
            self._count.check()
            found = self._turns_of.setdefault(pid(), ShardedTurns(self._shards, self._routing, self._mover, self._visit_seconds))
        return found

    def turn(self, commits: Sequence[Commit], request: ClaimRequest) -> Turn:
        """Apply *commits* in their shards, let what they ask of other shards arrive there, and claim what is wanted."""
        check_claim_request(request)
        channel = self._root.namespace.keys.wake_channel(request.worker)
        return self._turns.turn(commits, request, channel if self._root.hub.is_subscribed(channel) else "")

    def wait(self, request: ClaimRequest, timeout: int) -> None:
        """Block until there may be something to claim in a shard; sends the servers nothing meanwhile."""
        check_claim_request(request)
        hub, channel = self._root.hub, self._root.namespace.keys.wake_channel(request.worker)
        hub.subscribe(channel)
        waits = [shard.turns.begin_wait(request, channel) for shard in self.shards]
        hub.signal.wait(request.worker, timeout, lambda: min(seconds_left() for seconds_left in waits))

    def wake(self) -> None:
        """End a `wait` that is under way in another thread, or the next one."""
        self._root.hub.signal.wake_all()

    def renew(self, workers: Sequence[str], lease: int, reports: Sequence[SetMarkOp] = (), asked: Sequence[str] = ()) -> Mapping[str, Mark]:
        """Renew the leases of *workers* that have not been taken back, in all shards; set the marks of *reports*, and return those of *asked*."""
        check_heartbeat(workers, reports, asked)
        reports_of = grouped(reports, lambda op: self._routing.of_mark(op.key))
        asked_of = grouped(asked, self._routing.of_mark)
        found: dict[str, Mark] = {}
        for shard in self.shards:
            found |= shard.renew(workers, lease, reports_of.get(shard.number, ()), asked_of.get(shard.number, ()))
        return {key: found[key] for key in asked if key in found}

    def release(self, worker: str, interrupted: Mapping[str, str], counted: Collection[str] | None = None) -> int:
        """Take back everything that the dead *worker* has claimed; return how many messages that was."""
        check_names("worker", worker)
        return sum(shard.release_messages(worker, interrupted, counted) for shard in self.shards)

    def result(self, message_id: str) -> bytes | None:
        """Return the result kept for *message_id*, None if there is none."""
        check_names("message_id", message_id)
        return self._results.get(message_id)

    def ids_with_results(self, message_ids: Sequence[str]) -> set[str]:
        """Return those of *message_ids* of which a result is kept."""
        check_names("message_id", *message_ids)
        return self._results.ids_with_results(message_ids)

    def wait_result(self, message_id: str, timeout: int) -> bytes | None:
        """Return the result kept for *message_id*, waiting up to *timeout* ms for it; asks the server once."""
        check_names("message_id", message_id)
        return self._results.wait(message_id, timeout)

    async def await_result(self, message_id: str, timeout: int) -> bytes | None:
        """`wait_result` for async callers."""
        check_names("message_id", message_id)
        await self._shards_async()
        return await self._root.hub.results.wait_async(message_id, timeout)

    def cancel(self, message_id: str) -> bool:
        """Cancel a message that waits or runs; return whether there is one."""
        return self.cancel_all((message_id,)) > 0

    def cancel_all(self, message_ids: Sequence[str], groups: Sequence[str] = ()) -> int:
        """Cancel messages that wait or run, in whichever shard they are, and the follow-ups of *groups*; return how many of the messages there are."""
        check_names("message_id", *message_ids)
        check_names("group", *groups)
        groups_of = grouped(groups, self._routing.of_name)
        for shard, names in groups_of.items():
            self.shards[shard].cancel_all((), names)
        return sum(shard.cancel_all(message_ids) for shard in self.shards) if message_ids else 0

    def run_now(self, message_ids: Sequence[str]) -> int:
        """Make messages ready that are delayed; return how many wait."""
        check_names("message_id", *message_ids)
        return sum(shard.run_now(message_ids) for shard in self.shards)

    def requeue(self, message_ids: Sequence[str], plan: RequeuePlanner | None = None) -> int:
        """Put dead letters back on their queues, as *plan* says; return how many there were."""
        check_names("message_id", *message_ids)
        return requeue(self.shards, self._routing, message_ids, planner(plan), self.now())

    def discard(self, message_ids: Sequence[str]) -> int:
        """Delete dead letters and waiting messages; return how many there were."""
        check_names("message_id", *message_ids)
        return sum(shard.discard(message_ids) for shard in self.shards)

    def purge(self, queue: str) -> int:
        """Delete what waits in *queue*; return how many messages that was."""
        return sum(shard.purge(queue) for shard in self.shards)

    def pause(self, queue: str) -> None:
        """Let no worker claim from *queue* until it is resumed."""
        for shard in self.shards:
            shard.pause(queue)

    def resume(self, queue: str) -> None:
        """Let workers claim from *queue* again."""
        for shard in self.shards:
            shard.resume(queue)

    def diagnose(self, check_seconds: float = DAMAGE_CHECK_SECONDS) -> tuple[Finding, ...]:
        """Return what there is to say about the servers and their settings, for ``fq doctor``."""
        return diagnose(self.shards)

    def limit_store(self) -> ShardedLimitStore:
        """Return the store of limiters on these servers; see `KeepsLimits`."""
        return ShardedLimitStore(lambda key: self._shards[self._routing.of_name(key)].limit_store())

    def now(self) -> int:
        """Return a server's clock, ms since the epoch; asks the server now and then."""
        return self._root.now()

    async def anow(self) -> int:
        """`now` for async callers."""
        return await self._root.anow()

    def _empty_outboxes(self, sources: Iterable[int]) -> None:
        """Move what this process has written into outboxes, as a worker of its own name; if it cannot, workers do it when its lease has run out."""
        name = f"{OWN}sender:{uuid.uuid4().hex}"
        try:
            self._mover.move_all(name, SENDER_LEASE_MS, sources, lambda *_: None)
            for shard in self._shards:
                shard.release(name, {})
        except BrokerUnavailable as error:  # the call itself is done
            log.warning("what follows a mark goes to other shards later: %s", error)
        finally:
            self._mover.forget(name)

    def close(self) -> None:
        """Close the connections; the next call connects again."""
        for shard in self._shards:
            shard.close()
        self._root.close()
