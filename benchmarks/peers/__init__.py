"""
The queues that fq is measured beside: of each its packages, its worker, its settings, and how to ask the server what it has left.

What runs in a queue's own environment is one script each, ``<name>_noop.py``; `measured.py` turns it into commands, the same for all.
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
        worker: its command line, ``{bin}`` being where the programs of its environment are, ``{url}`` the server's.

        settings: what was set, for the report; everything else is as the peer's authors have it.

        left: how many messages are not done, asked of the server itself.

        python: the version that it needs, None for the one that runs the benchmarks.

        colours: which actors it can run.

        latency: the colour that it starts soonest.
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
        """What runs in its environment."""
        return HERE / f"{self.name}_noop.py"

    @property
    def requirements(self) -> Path | None:
        """Its pinned packages; None for what runs in the environment of the benchmarks."""
        path = HERE / f"{self.name}.txt"
        return path if path.exists() else None


def hash_length(key: str) -> Left:
    """Return how to ask for the messages of a queue that keeps each in the hash *key* until it is acknowledged."""
    return lambda server: int(server.hlen(key))


def stream_length(key: str) -> Left:
    """The same for the stream *key*, from which messages are deleted when they are done."""
    return lambda server: int(server.xlen(key))


def unread_and_pending(key: str) -> Left:
    """The same for the stream *key*, in which they stay."""

    def left(server: "redis.Redis") -> int:
        (group,) = server.xinfo_groups(key)
        return int(group["lag"] or 0) + int(group["pending"])

    return left


def list_and_hash(ready: str, leased: str) -> Left:
    """The same for a list and a hash."""

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
