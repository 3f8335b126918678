"""The Redis broker joins the suite, on every flavour of server that is installed."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from unittest.mock import patch

from fq.brokers import Broker
from fq.brokers.redis import RedisBroker
from fq.brokers.redis.handed_over import HandedOver
from fq.brokers.redis.namespace import Namespace
from fq.errors import BrokerUnavailable
from tests.brokers.redis.builders import tune
from tests.brokers.redis.leaks import leaks
from tests.brokers.redis.servers import binaries, server


class RedisHarness:
    loses_replies = True
    slack = 5_000

    def __init__(self, flavour: str, folder: Path) -> None:
        self._server = server(flavour)
        self._client = self._server.client()
        self._client.flushall()
        self._offset = 0
        self._brokers: list[RedisBroker] = []

    def broker(self) -> Broker:
        broker = tune(RedisBroker(self._server.url), max_wait_seconds=600)  # so that a wake-up that is lost shows
        broker.offset = self._offset
        self._brokers.append(broker)
        return broker

    def advance(self, ms: int) -> None:
        self._offset += ms
        for broker in self._brokers:
            broker.offset = self._offset
        for key in self._client.scan_iter("{fq}:*", count=1_000):
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

    def deafness(self, broker: Broker, deaf: bool) -> AbstractContextManager[None]:
        return patch.object(HandedOver, "receive") if deaf else nullcontext()

    def close(self) -> None:
        found = leaks(self._client)
        for broker in self._brokers:
            broker.close()
        self._client.flushall()
        self._client.close()
        assert found == [], found


HARNESSES = {f"redis-{flavour}": partial(RedisHarness, flavour) for flavour in binaries()}
