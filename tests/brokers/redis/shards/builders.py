"""Builders for the tests of shards: names that belong to a shard, and calls that fail at a chosen moment, whichever server they go to."""

from itertools import count

import redis

from fq.brokers.records import ACK, ClaimRequest, Commit, Delivery, Disposition, Operation
from fq.brokers.redis.shards import ShardedRedisBroker
from fq.brokers.redis.shards.routing import Routing, shard_names
from tests.brokers.redis.faults import Faulty
from tests.brokers.redis.leaks import leaks

SHARDS = 3


def name_in(shard: int, stem: str, shards: int = SHARDS) -> str:
    """A name that begins with *stem* and belongs to *shard*."""
    return next(name for number in count() if Routing(shards).of_name(name := f"{stem}{number}") == shard)


def commit(delivery: Delivery, disposition: Disposition = ACK, *operations: Operation) -> Commit:
    return Commit(delivery.message_id, delivery.queue_name, delivery.token, disposition, operations)


def request(worker: str = "w", *queues: str, limit: int = 100, lease: int = 15_000) -> ClaimRequest:
    return ClaimRequest(worker, queues or ("q",), limit, lease)


def run_all(broker: ShardedRedisBroker, worker: str = "w", *queues: str) -> list[str]:
    """Run everything that is ready; return the ids in the order of their runs."""
    ran: list[str] = []
    while deliveries := broker.turn((), request(worker, *queues)).deliveries:
        ran += [delivery.message_id for delivery in deliveries]
        broker.turn([commit(delivery) for delivery in deliveries], request(worker, *queues, limit=0))
    return ran


def break_all(broker: ShardedRedisBroker, at: int, *, replied: bool, times: float = 1) -> Faulty:
    """Let the exchange number *at* of *broker*, counted from now over all its shards, fail, *times* in all; return what counts them."""
    faulty = Faulty(broker._root._endpoint, at, replied=replied, times=times)  # all shards are on one server
    for each in (broker._root, *broker._shards):
        each.namespace.client.close()
        each.namespace.client.endpoint = faulty
    return faulty


def mend_all(broker: ShardedRedisBroker) -> None:
    for each in (broker._root, *broker._shards):
        each.namespace.client.close()
        each.namespace.client.endpoint = each._endpoint


def leaks_of(client: redis.Redis, namespace: str = "fq", shards: int = SHARDS) -> list[str]:
    """What is wrong in any shard, and carriers that are left; nothing is the good answer."""
    names = shard_names(namespace, shards)
    left = [f"{name} has carriers" for name in names for key in client.keys(f"{{{name}}}:*%01outbox*") if client.type(key) != b"hash"]
    return [*left, *(leak for name in names for leak in leaks(client, name))]
