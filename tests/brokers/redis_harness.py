"""The Redis broker joins the suite, on every flavour of server that is installed."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from unittest.mock import patch

from fq.brokers import Broker
from fq.brokers.redis import RedisBroker, handed_over
from fq.brokers.redis.handed_over import HandedOver
from fq.brokers.redis.namespace import Namespace
from fq.brokers.redis.shards import ShardedRedisBroker
from fq.brokers.redis.shards.routing import Routing, shard_names
from fq.errors import BrokerUnavailable
from tests.brokers.redis.builders import tune
from tests.brokers.redis.leaks import leaks
from tests.brokers.redis.servers import binaries, server
from tests.wait_until import wait_until


class RedisHarness:
    loses_replies = True
    shards = 1
    slack = 5_000
    namespaces: tuple[str, ...] = ("fq",)

    def __init__(self, flavour: str, folder: Path) -> None:
        self._server = server(flavour)
        self._client = self._server.client()
        self._client.flushall()
        self._offset = 0
        self._published: list[bytes] = []
        self._brokers: list[RedisBroker | ShardedRedisBroker] = []

    def broker(self) -> Broker:
        broker = self._made()
        broker.offset = self._offset
        self._brokers.append(broker)
        return broker

    def _made(self) -> RedisBroker | ShardedRedisBroker:
        return tune(RedisBroker(self._server.url), max_wait_seconds=600)  # so that a wake-up that is lost shows

    def advance(self, ms: int) -> None:
        self._offset += ms
        for broker in self._brokers:
            broker.offset = self._offset
        for key in self._client.scan_iter("{fq*", count=1_000):
            left = self._client.pttl(key)
            if left >= 0:
                self._client.pexpire(key, left - ms)

    @contextmanager
    def lost_replies(self, broker: Broker) -> Iterator[None]:
        def lost(namespace: Namespace, name: str, *arguments: object) -> object:
            reply = run(namespace, name, *arguments)
            if name == "turn":
                raise BrokerUnavailable("the reply was lost")
            return reply

        run = Namespace.run
        with patch.object(Namespace, "run", lost):
            yield

    @contextmanager
    def deafness(self, broker: Broker, deaf: bool) -> Iterator[None]:
        def received(handed: HandedOver, worker: str, text: bytes) -> None:
            if not deaf:
                receive(handed, worker, text)
            self._published.append(text)

        receive = HandedOver.receive
        with patch.object(HandedOver, "receive", received), patch.object(handed_over, "FRESH_MS", 600_000):
            yield

    def await_publication(self, worker: str) -> None:
        for namespace in self.namespaces:
            text = self._client.hget(f"{{{namespace}}}:workers", worker) or b"{}"
            handed = json.loads(text.partition(b"\0")[0]).get("handed")
            if handed and "is_told" not in handed:
                start = f"{handed['token']}\0".encode()
                wait_until(lambda start=start: any(each.startswith(start) for each in self._published), what="the publication")

    def close(self) -> None:
        found = [leak for namespace in self.namespaces for leak in leaks(self._client, namespace)]
        for broker in self._brokers:
            broker.close()
        self._client.flushall()
        self._client.close()
        assert found == [], found


class ShardedHarness(RedisHarness):
    """Three shards on one server. Each turn visits all of them, as the model expects; see `fq.brokers.redis.shards.broker.VISIT_SECONDS`."""

    shards = 3
    namespaces = shard_names("fq", 3)

    def __init__(self, flavour: str, folder: Path) -> None:
        super().__init__(flavour, folder)
        self._together = ExitStack()

    def keep_together(self) -> None:
        """Let everything belong to one shard from now on."""
        self._together.enter_context(patch.object(Routing, "of_name", lambda *_: 1))

    def close(self) -> None:
        with self._together:
            super().close()

    def _made(self) -> ShardedRedisBroker:
        broker = ShardedRedisBroker(self._server.url, shards=3)
        broker._visit_seconds = 0
        for shard in broker._shards:
            tune(shard, max_wait_seconds=600)
        return broker


HARNESSES = {f"redis-{flavour}": partial(RedisHarness, flavour) for flavour in binaries()}
if "valkey" in binaries():
    HARNESSES["redis-sharded"] = partial(ShardedHarness, "valkey")
