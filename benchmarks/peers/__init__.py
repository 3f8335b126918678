"""
The queues that are measured: their packages, workers, settings, and how to ask the server how many messages are left.

Each queue has one script, ``<name>_noop.py``, which runs in the queue's own environment; `measured.py` gives all scripts the same commands.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import redis
from attrs import frozen

HERE = Path(__file__).parent
Left = Callable[["redis.Redis"], int]


@frozen
class Peer:
    """
    One queue.

    Attributes:
        worker: its command line; ``{bin}`` stands for the programs of its environment, ``{url}`` for the server.

        settings: settings that differ from the queue's defaults, for the report.

        left: asks the server how many messages are not done.

        python: the Python version that it needs; None for the one that runs the benchmarks.

        colours: the kinds of actors that it can run.

        latency: the kind of actor that it starts soonest.
    """

    name: str
    worker: tuple[str, ...]
    settings: str
    left: Left
    python: str | None = None
    colours: tuple[str, ...] = ("sync", "async")
    latency: str = "sync"
    asend: bool = False
    many: bool = False

    @property
    def script(self) -> Path:
        """The script that runs in its environment."""
        return HERE / f"{self.name}_noop.py"

    @property
    def requirements(self) -> Path | None:
        """Its pinned packages; None if it runs in the environment of the benchmarks."""
        path = HERE / f"{self.name}.txt"
        return path if path.exists() else None


def hash_length(key: str) -> Left:
    """Count the messages of a queue that keeps each in the hash *key* until it is acknowledged."""
    return lambda server: int(server.hlen(key))


def stream_length(key: str) -> Left:
    """Count the messages of the stream *key*, from which finished messages are deleted."""
    return lambda server: int(server.xlen(key))


def unread_and_pending(key: str) -> Left:
    """Count the unfinished messages of the stream *key*, in which finished messages stay."""

    def left(server: "redis.Redis") -> int:
        (group,) = server.xinfo_groups(key)
        return int(group["lag"] or 0) + int(group["pending"])

    return left


def list_and_hash(ready: str, leased: str) -> Left:
    """Count the messages of a queue that keeps them in a list and a hash."""

    def left(server: "redis.Redis") -> int:
        waiting, taken = server.pipeline().llen(ready).hlen(leased).execute()
        return int(waiting) + int(taken)

    return left


FQ = Peer(
    "fq",
    (sys.executable, "-m", "fq", "worker", "fq_noop:app", "--processes", "1"),
    "defaults (8 threads, 1000 coroutines)",
    hash_length("{fq}:messages"),
    asend=True,
    many=True,
)
LIMIT = Peer(
    "limit",
    (sys.executable, str(HERE / "limit_noop.py"), "work"),
    "a hand-written loop, 256 messages a script",
    list_and_hash("limit:ready", "limit:leased"),
    colours=("sync",),
)
PEERS = (
    Peer(
        "dramatiq",
        ("{bin}/dramatiq", "dramatiq_noop", "--processes", "1"),
        "defaults (8 threads), AsyncIO middleware, hiredis",
        hash_length("dramatiq:default.msgs"),
    ),
    Peer(
        "taskiq",
        ("{bin}/taskiq", "worker", "taskiq_noop:broker", "--workers", "1", "--log-level", "WARNING"),
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
        asend=True,
        many=True,
    ),
    Peer(
        "tarsk",
        ("{bin}/tarsk", "worker", "--app", "tarsk_noop:app", "--broker", "{url}", "--children", "1"),
        "defaults (100 slots)",
        stream_length("tarsk:default"),
    ),
)
