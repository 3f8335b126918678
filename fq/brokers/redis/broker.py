"""`RedisBroker`: the broker protocol on Redis and Valkey, one method a call. What a turn does on the server is in ``lua/turn.lua``."""

import asyncio
import os
import threading
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from typing import cast

from fq.brokers.base import DEAD_TTL
from fq.brokers.records import Commit, DeadLetter, Post, QueueStats, Status, Turn, Want, WorkerStats
from fq.brokers.redis import inspect
from fq.brokers.redis.doorbell import Doorbell
from fq.brokers.redis.ear import Ear
from fq.brokers.redis.keys import Keys
from fq.brokers.redis.place import Place, from_client, from_url
from fq.brokers.redis.server import Server
from fq.brokers.redis.scripts import script
from fq.brokers.redis.turns import Turns
from fq.brokers.redis.wire import posts_written
from fq.brokers.rules import check_posts
from fq.brokers.waiting import Awaited
from fq.errors import ConfigError


class RedisBroker:
    """
    Keeps messages on Redis (6.2 or later) or Valkey (7.2 or later): one server, Sentinel or Cluster.

    >>> broker = RedisBroker("redis://localhost:6379/0", namespace="shop")

    Args:
        url: where the server is; see `fq.brokers.redis.place` for all forms.

        client: instead of a URL, a `redis.Redis` or `redis.RedisCluster` whose settings are used.

        namespace: what the names of all keys begin with, in braces.

        dead_ttl: how long dead letters are kept, ms.

        patience: for how long a call is repeated while the server is away, ms, before it raises `BrokerUnavailable`.

        timeout: for how long to wait for a connection, and for an answer, ms.

    Raises:
        ConfigError: the URL is none of the known forms; says what was found and what was expected.
    """

    def __init__(
        self,
        url: str = "",
        *,
        client: object = None,
        namespace: str = "fq",
        dead_ttl: int = DEAD_TTL,
        patience: int = 5_000,
        timeout: int = 5_000,
    ) -> None:
        keys = Keys(namespace)
        if (client is None) == (not url):
            raise ConfigError("RedisBroker takes a URL or a client, one of the two; for a server on this machine: redis://localhost:6379/0")
        self._place: Place = from_url(url, keys.prefix, timeout / 1_000) if client is None else from_client(client, keys.prefix)
        self._server = Server(self._place, keys, patience / 1_000)
        self._doorbell = Doorbell()
        self._awaited = Awaited()
        self._turns = Turns(self._server, self._doorbell, dead_ttl)
        self._producers: deque[str] = deque()
        self._reader = keys.reader(uuid.uuid4().hex)
        self._ear: Ear | None = None
        self._ear_lock = threading.Lock()
        self._pid = os.getpid()

    def __repr__(self) -> str:
        return f"RedisBroker({self._place.name!r}, namespace={self._server.keys.prefix[1:-2]!r})"

    def enqueue(self, posts: Sequence[Post]) -> None:
        """Put *posts* on their queues, all or none, in one round trip."""
        if not posts:
            return
        check_posts(posts)
        server = self._server
        sheet = server.sheet()
        arguments = posts_written(sheet, posts)
        producer = self._producers.pop() if self._producers else server.keys.sent(uuid.uuid4().hex)
        sheet.extra.append(producer)
        server.run("enqueue", sheet, (server.number(), *arguments))
        self._producers.append(producer)

    async def aenqueue(self, posts: Sequence[Post]) -> None:
        """`enqueue` for async producers."""
        await asyncio.to_thread(self.enqueue, posts)

    def turn(self, commits: Sequence[Commit], want: Want) -> Turn:
        """Apply *commits* and claim what is wanted, in one script."""
        channel = self._server.keys.bell(want.worker)
        ear = self._ear
        return self._turns.turn(commits, want, channel if ear is not None and ear.hears(channel) else "")

    def wait(self, want: Want, timeout: int) -> None:
        """Block until there may be something to claim; polls nothing."""
        channel = self._server.keys.bell(want.worker)
        self._listening(channel)
        self._turns.wait(want, timeout, channel)

    def wake(self) -> None:
        """End a `wait` of another thread, or the next one."""
        self._doorbell.wake()

    def renew(self, workers: Sequence[str], lease: int) -> None:
        """Renew the leases of *workers* that have not been taken back."""
        self._server.run_for("renew", (), lease, *workers)

    def release(self, worker: str, interrupted: Mapping[str, str]) -> int:
        """Take back everything that the dead *worker* holds; return how many messages that was."""
        return self._turns.release(worker, interrupted)

    def result(self, message_id: str) -> bytes | None:
        """Return the result kept for *message_id*, None if there is none."""
        found = cast(bytes | None, self._server.line.command("GET", self._server.keys.result(message_id)))
        return found[1:] if found is not None and found[:1] == b"R" else None

    def wait_result(self, message_id: str, timeout: int) -> bytes | None:
        """Return the result kept for *message_id*, waiting up to *timeout* ms for it; polls nothing."""
        if (found := self.result(message_id)) is not None or timeout <= 0:
            return found
        self._listening(self._reader)
        return self._awaited.wait(message_id, timeout, lambda: self._look(message_id, timeout))

    async def await_result(self, message_id: str, timeout: int) -> bytes | None:
        """`wait_result` for async callers."""
        found = await asyncio.to_thread(self.result, message_id)
        if found is not None or timeout <= 0:
            return found
        await asyncio.to_thread(self._listening, self._reader)
        return await self._awaited.await_(message_id, timeout, lambda: self._look(message_id, timeout))

    def status(self, message_id: str) -> Status:
        """Return where a message is."""
        return inspect.status(self._server, message_id)

    def queues(self) -> tuple[QueueStats, ...]:
        """Return all queues that hold, or have held, anything, by name."""
        return inspect.queues(self._server)

    def workers(self) -> tuple[WorkerStats, ...]:
        """Return all workers with a lease, by name."""
        return inspect.workers(self._server)

    def dead(
        self, *, queue: str | None = None, actor: str | None = None, error: str | None = None, limit: int = 100
    ) -> tuple[DeadLetter, ...]:
        """Return up to *limit* dead letters, the latest first, of one queue, actor or error type if named."""
        return inspect.dead(self._server, queue, actor, error, limit)

    def requeue(self, message_ids: Sequence[str]) -> int:
        """Put dead letters back on their queues; return how many there were."""
        return inspect.by_id(self._server, "requeue", message_ids)

    def discard(self, message_ids: Sequence[str]) -> int:
        """Delete dead letters and waiting messages; return how many there were."""
        return inspect.by_id(self._server, "discard", message_ids)

    def purge(self, queue: str) -> int:
        """Delete what waits in *queue*; return how many messages that was."""
        return inspect.purge(self._server, queue)

    def pause(self, queue: str) -> None:
        """Let nobody claim from *queue* until it is resumed."""
        self._server.line.command("SADD", f"{self._server.keys.prefix}paused", queue)

    def resume(self, queue: str) -> None:
        """Let workers claim from *queue* again."""
        self._server.run_for("resume", (queue,))

    def now(self) -> int:
        """Return the server's clock, ms since the epoch."""
        seconds, micros = cast(list[bytes], self._server.line.command("TIME"))
        return int(seconds) * 1_000 + int(micros) // 1_000 + self._server.offset

    def close(self) -> None:
        """Let go of connections; the next call connects again."""
        with self._ear_lock:
            ear, self._ear = self._ear, None
        if ear is not None and self._pid == os.getpid():
            ear.close()
        self._server.line.close()

    def _look(self, message_id: str, timeout: int) -> bytes | None:
        """Return the result if it is there, else register as a reader of it."""
        key = self._server.keys.result(message_id)
        return cast(bytes | None, self._server.line.call(script("await"), (key,), (self._reader, timeout + 1_000)))

    def _listening(self, channel: str) -> None:
        """Return once this process hears *channel*."""
        ear = self._ear
        if ear is None or self._pid != os.getpid():
            with self._ear_lock:
                if self._ear is None or self._pid != os.getpid():
                    self._pid = os.getpid()
                    self._ear = Ear(self._place, self._on_news, self._on_return)
                ear = self._ear
        ear.hear(channel, self._server.line.patience)

    def _on_news(self, channel: str, text: bytes) -> None:
        if channel != self._reader:
            self._doorbell.ring(channel.removeprefix(self._server.keys.bell("")))
            return
        id_, mark, body = text.partition(b"\0")
        message_id = id_.decode()
        found = body if mark else self.result(message_id)
        if found is not None:
            self._awaited.deliver(message_id, found)

    def _on_return(self) -> None:
        """The connection was lost and is back: whoever waits looks again."""
        self._turns.disarm()
        for message_id in self._awaited.ids():
            found = self._look(message_id, 60_000)
            if found is not None:
                self._awaited.deliver(message_id, found)
