"""Brokers with shards, on one server; afterwards nothing may have leaked."""

from collections.abc import Callable, Iterator

import pytest
import redis

from fq.brokers.redis.shards import ShardedRedisBroker
from tests.brokers.redis.servers import Server
from tests.brokers.redis.shards.builders import SHARDS, leaks_of


@pytest.fixture
def sharded(valkey: Server, client: redis.Redis) -> Iterator[Callable[..., ShardedRedisBroker]]:
    """Make brokers of three shards on the test's server."""
    brokers: list[ShardedRedisBroker] = []

    def make(**settings: object) -> ShardedRedisBroker:
        brokers.append(ShardedRedisBroker(valkey.url, **{"shards": SHARDS, **settings}))
        brokers[-1]._visit_seconds = 0
        return brokers[-1]

    yield make
    for broker in brokers:
        broker.close()
    wrong = leaks_of(client)
    client.flushall()
    assert wrong == []


@pytest.fixture
def broker(sharded: Callable[..., ShardedRedisBroker]) -> ShardedRedisBroker:
    return sharded()
