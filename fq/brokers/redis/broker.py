"""`RedisBroker`: the broker protocol on Redis and Valkey, one method a call. What a turn does on the server is in ``lua/turn.lua``."""

from collections.abc import Collection, Mapping, Sequence
from typing import cast

from fq.brokers.findings import DAMAGE_CHECK_SECONDS, Finding
from fq.brokers.former_names import FormerNames
from fq.brokers.protocol import CALLED_BY_ACTORS
from fq.brokers.records import ClaimRequest, Commit, Mark, SetMarkOp, Turn
from fq.brokers.redis import inspection
from fq.brokers.redis.diagnostics import diagnose
from fq.brokers.redis.endpoint import from_client, from_url
from fq.brokers.redis.inspection_calls import Inspection
from fq.brokers.redis.keys import Keys
from fq.brokers.redis.limit_store import RedisLimitStore
from fq.brokers.redis.namespace import Namespace
from fq.brokers.redis.process_state import ProcessState
from fq.brokers.redis.replacement import run_now
from fq.brokers.redis.requeue import requeue
from fq.brokers.redis.sending import Sending
from fq.brokers.redis.small_records import SmallRecords
from fq.brokers.redis.stored_records import read_mark
from fq.brokers.requeue import RequeuePlanner, planner
from fq.brokers.server_clock import ServerClock
from fq.brokers.single_flight import SingleFlight
from fq.brokers.validation import DEAD_TTL_MS, check_claim_request, check_heartbeat, check_names, check_settings
from fq.errors import ConfigError
from fq.runtime.interrupt_mask import shields
from fq.runtime.process_id import pid


@shields(*CALLED_BY_ACTORS, "begin_enqueue")
class RedisBroker(Sending, SmallRecords, Inspection, FormerNames):
    """
    Keeps messages on Redis (6.2 or later) or Valkey (7.2 or later): one server, Sentinel or Cluster. Connects at the first call.

    >>> RedisBroker("redis://fq:secret@localhost:6379/0", namespace="shop")
    RedisBroker('redis://fq:***@localhost:6379/0', namespace='shop')

    Args:
        url: where the server is; all forms are in ``fq.brokers.redis.endpoint``.

        client: instead of a URL, a `redis.Redis` or `redis.RedisCluster` whose settings to use.

        namespace: what the names of all keys begin with, in braces. Brokers of one namespace see the same messages.

        dead_ttl: how long dead letters are kept, ms.

        patience: for how long a call is repeated while the server is away, ms, before it raises `BrokerUnavailable`.

        timeout: how long to wait for a connection, and for an answer, ms, where neither URL nor client say.

    Raises:
        ConfigError: the URL is none of the known forms; says what was found and what was expected.
    """

    def __init__(
        self,
        url: str = "",
        *,
        client: object = None,
        namespace: str = "fq",
        dead_ttl: int = DEAD_TTL_MS,
        patience: int = 5_000,
        timeout: int = 5_000,
    ) -> None:
        check_settings(dead_ttl=dead_ttl, patience=patience, timeout=timeout)
        keys = Keys(namespace)
        if (client is None) == (not url):
            raise ConfigError(
                f"found {'no URL and no client' if not url else 'a URL and a client'}, expected one of the two: redis://localhost:6379/0"
            )
        self._arguments: dict[str, str | int] = {
            "url": url,
            "namespace": namespace,
            "dead_ttl": dead_ttl,
            "patience": patience,
            "timeout": timeout,
        }
        self._dead_ttl = dead_ttl
        self._endpoint = (
            from_url(url, keys.prefix, timeout / 1_000) if client is None else from_client(client, keys.prefix, timeout / 1_000)
        )
        self._namespace = Namespace(self._endpoint, keys, patience / 1_000)
        self._process_state = ProcessState(self._namespace, dead_ttl)
        self._clock = ServerClock(self._ask_time)
        self._now = SingleFlight(self.now)

    def __repr__(self) -> str:
        return f"RedisBroker({self._endpoint.name!r}, namespace={self._namespace.keys.namespace!r})"

    def __str__(self) -> str:
        return self._endpoint.name

    @property
    def recipe(self) -> Mapping[str, str | int] | None:
        """See `fq.brokers.recipe`."""
        return self._arguments if self._arguments["url"] and not self.offset else None

    @property
    def offset(self) -> int:
        """What is added to the server's clock, ms: for tests, which put all brokers of a namespace ahead alike."""
        return self._namespace.offset

    @offset.setter
    def offset(self, ms: int) -> None:
        self._namespace.offset = ms

    @property
    def _state(self) -> ProcessState:
        if self._process_state.pid != pid():
            self._process_state = ProcessState(self._namespace, self._dead_ttl)
        return self._process_state

    def turn(self, commits: Sequence[Commit], request: ClaimRequest) -> Turn:
        """Apply *commits* and claim what is wanted, in one script."""
        check_claim_request(request)
        state, channel = self._state, self._namespace.keys.wake_channel(request.worker)
        return state.turns.turn(commits, request, channel if state.is_subscribed(channel) else "")

    def wait(self, request: ClaimRequest, timeout: int) -> None:
        """Block until there may be something to claim; sends the server nothing meanwhile."""
        check_claim_request(request)
        state, channel = self._state, self._namespace.keys.wake_channel(request.worker)
        state.subscribe(channel)
        state.turns.wait(request, timeout, channel)

    def wake(self) -> None:
        """End a `wait` that is under way in another thread, or the next one."""
        self._state.signal.wake_all()

    def renew(self, workers: Sequence[str], lease: int, reports: Sequence[SetMarkOp] = (), asked: Sequence[str] = ()) -> Mapping[str, Mark]:
        """Renew the leases of *workers* that have not been taken back; set the marks of *reports*, and return those of *asked*."""
        check_heartbeat(workers, reports, asked)
        if not (workers or reports or asked):
            return {}
        call = self._namespace.arguments()
        marks = [argument for report in reports for argument in call.mark(report)]
        arguments = (lease, len(workers), *workers, len(reports), *marks, *asked)
        reply = self._namespace.run("renew_leases", call, arguments, probe=self._namespace.client.probe_for(lease))
        texts = cast(list[bytes | None], reply)
        return {key: read_mark(key, text) for key, text in zip(asked, texts, strict=True) if text is not None}

    def release(self, worker: str, interrupted: Mapping[str, str], counted: Collection[str] | None = None) -> int:
        """Take back everything that the dead *worker* has claimed; return how many messages that was."""
        check_names("worker", worker)
        return self._state.turns.release(worker, interrupted, counted)

    def result(self, message_id: str) -> bytes | None:
        """Return the result kept for *message_id*, None if there is none."""
        check_names("message_id", message_id)
        return self._state.results.get(message_id)

    def ids_with_results(self, message_ids: Sequence[str]) -> set[str]:
        """Return those of *message_ids* of which a result is kept."""
        check_names("message_id", *message_ids)
        return self._state.results.ids_with_results(message_ids)

    def wait_result(self, message_id: str, timeout: int) -> bytes | None:
        """Return the result kept for *message_id*, waiting up to *timeout* ms for it; asks the server once."""
        check_names("message_id", message_id)
        return self._state.results.wait(message_id, timeout)

    async def await_result(self, message_id: str, timeout: int) -> bytes | None:
        """`wait_result` for async callers."""
        check_names("message_id", message_id)
        return await self._state.results.wait_async(message_id, timeout)

    def cancel(self, message_id: str) -> bool:
        """Cancel a message that waits or runs; return whether there is one."""
        return self.cancel_all((message_id,)) > 0

    def cancel_all(self, message_ids: Sequence[str], groups: Sequence[str] = ()) -> int:
        """Cancel messages that wait or run, and the follow-ups of *groups*; return how many of the messages there are."""
        check_names("message_id", *message_ids)
        check_names("group", *groups)
        return inspection.cancel(self._namespace, message_ids, groups)

    def run_now(self, message_ids: Sequence[str]) -> int:
        """Make messages ready that are delayed; return how many wait."""
        check_names("message_id", *message_ids)
        return run_now(self._namespace, message_ids)

    def requeue(self, message_ids: Sequence[str], plan: RequeuePlanner | None = None) -> int:
        """Put dead letters back on their queues, as *plan* says; return how many there were."""
        check_names("message_id", *message_ids)
        return requeue(self._namespace, message_ids, planner(plan), self.now())

    def discard(self, message_ids: Sequence[str]) -> int:
        """Delete dead letters and waiting messages; return how many there were."""
        check_names("message_id", *message_ids)
        return inspection.discard(self._namespace, message_ids)

    def purge(self, queue: str) -> int:
        """Delete what waits in *queue*; return how many messages that was."""
        check_names("queue", queue)
        return inspection.purge(self._namespace, queue)

    def pause(self, queue: str) -> None:
        """Let no worker claim from *queue* until it is resumed."""
        check_names("queue", queue)
        self._namespace.run_for("pause", (queue,))

    def resume(self, queue: str) -> None:
        """Let workers claim from *queue* again."""
        check_names("queue", queue)
        self._namespace.run_for("resume", (queue,))

    def diagnose(self, check_seconds: float = DAMAGE_CHECK_SECONDS) -> tuple[Finding, ...]:
        """Return what there is to say about the server and its settings, for ``fq doctor``."""
        return diagnose(self._namespace, self._ask_time)

    def limit_store(self) -> RedisLimitStore:
        """Return the store of limiters on this server; see `KeepsLimits`."""
        return RedisLimitStore(self._namespace)

    def now(self) -> int:
        """Return the server's clock, ms since the epoch; asks the server now and then."""
        return self._clock.now() + self._namespace.offset

    async def anow(self) -> int:
        """`now` for async callers."""
        return self.now() if self._clock.is_known else await self._now.result()

    def _ask_time(self) -> int:
        seconds, micros = cast(list[bytes], self._namespace.client.command("TIME"))
        return int(seconds) * 1_000 + int(micros) // 1_000

    def close(self) -> None:
        """Close the connections; the next call connects again."""
        self._state.close()
        self._namespace.client.close()
