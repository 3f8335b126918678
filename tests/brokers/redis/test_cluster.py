"""A real cluster of three nodes: every key of a namespace on one node, which is found and followed."""

from collections.abc import Iterator

import pytest
import redis
from redis.cluster import ClusterNode
from redis.crc import key_slot

from fq.brokers.records import ClaimRequest
from fq.brokers.redis import RedisBroker
from fq.errors import BrokerUnavailable
from tests.brokers.builders import enqueue_op, ids
from tests.brokers.redis.builders import done, drain, fill
from tests.brokers.redis.leaks import leaks
from tests.brokers.redis.servers import Server
from tests.brokers.redis.test_connections import works
from tests.brokers.redis.test_faults import OPERATIONS, prepare
from tests.wait_until import wait_until

pytestmark = pytest.mark.xdist_group("cluster")  # so that one cluster is started

SLOT = key_slot(b"{fq}:")
WANT = ClaimRequest("w", ("q",), 10)
Cluster = tuple[Server, Server, Server]


@pytest.fixture(scope="module")
def three() -> Iterator[Cluster]:
    servers = tuple(Server("valkey", "--cluster-enabled", "yes", "--cluster-node-timeout", "2000").start() for _ in range(3))
    for number, server in enumerate(servers):
        with server.client() as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", number * 5_462, min(number * 5_462 + 5_461, 16_383))
            client.execute_command("CLUSTER", "MEET", "127.0.0.1", servers[0].port)
    await_state(servers, "ok")
    yield servers
    for server in servers:
        server.remove()


def await_state(servers: Cluster, state: str) -> None:
    for server in servers:
        with server.client() as client:
            wait_until(lambda: is_in(state, client) and known(client) >= 3)  # called at once


def is_in(state: str, client: redis.Redis) -> bool:
    return f"cluster_state:{state}" in str(client.execute_command("CLUSTER", "INFO"))


def known(client: redis.Redis) -> int:
    return len(client.execute_command("CLUSTER", "SLOTS"))


@pytest.fixture
def cluster(three: Cluster) -> Cluster:
    for server in three:
        with server.client() as client:
            client.flushall()
    return three


def owner(cluster: Cluster) -> Server:
    return cluster[SLOT // 5_462]


def others(cluster: Cluster) -> list[Server]:
    return [server for server in cluster if server is not owner(cluster)]


def url(server: Server) -> str:
    return f"redis+cluster://127.0.0.1:{server.port}"


def test_the_node_that_has_the_slot_is_found_from_any_node(cluster: Cluster) -> None:
    for server in cluster:
        assert works(RedisBroker(url(server)))


def test_a_node_that_is_down_is_passed_over(cluster: Cluster) -> None:
    assert works(RedisBroker(f"redis+cluster://127.0.0.1:1,127.0.0.1:{others(cluster)[0].port}"))


def test_a_cluster_client_of_ones_own(cluster: Cluster) -> None:
    with redis.RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", cluster[0].port)]) as own:
        assert works(RedisBroker(client=own))


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_works_and_all_keys_are_on_one_node(cluster: Cluster, name: str) -> None:
    broker = RedisBroker(url(others(cluster)[0]))
    prepare(broker)
    OPERATIONS[name](broker)
    broker.close()

    for server in others(cluster):
        with server.client() as client:
            assert client.dbsize() == 0
    with owner(cluster).client() as client:
        assert leaks(client) == []


def test_large_batches_work(cluster: Cluster) -> None:
    broker = RedisBroker(url(cluster[0]))
    fill(broker, 5_000)
    deliveries = broker.turn((), ClaimRequest("w", ("q",), 5_000)).deliveries

    assert len(deliveries) == 5_000
    assert broker.turn(done(deliveries), WANT).stale == ()
    broker.close()


def test_a_slot_that_moves_is_followed(cluster: Cluster) -> None:
    broker = RedisBroker(url(cluster[0]))
    broker.enqueue([enqueue_op("m")])
    drain(broker)
    with owner(cluster).client() as client:
        client.flushall()
    try:
        give_slot_to(cluster, others(cluster)[0])
        broker.enqueue([enqueue_op("n")])
        with others(cluster)[0].client() as client:
            assert client.hlen("{fq}:messages") == 1
        assert drain(broker) == ["n"]
        with others(cluster)[0].client() as client:
            client.flushall()
    finally:
        give_slot_to(cluster, owner(cluster))
    broker.enqueue([enqueue_op("o")])

    assert ids(broker.turn((), WANT).deliveries) == ["o"]
    broker.close()


def give_slot_to(cluster: Cluster, server: Server) -> None:
    with server.client() as client:
        name = client.execute_command("CLUSTER", "MYID")
    for each in (server, *cluster):
        with each.client() as client:
            client.execute_command("CLUSTER", "SETSLOT", SLOT, "NODE", name)


def test_a_slot_without_an_owner_is_a_clear_error(cluster: Cluster) -> None:
    broker = RedisBroker(url(others(cluster)[0]), patience=200)
    broker.enqueue([enqueue_op("m")])
    for server in cluster:
        with server.client() as client:
            client.execute_command("CLUSTER", "DELSLOTS", SLOT)
    try:
        await_state_of_slot(cluster)
        with pytest.raises(BrokerUnavailable, match=r"CLUSTER NODES|knows no owner of slot"):
            broker.enqueue([enqueue_op("n")])
    finally:
        with owner(cluster).client() as client:
            client.execute_command("CLUSTER", "ADDSLOTS", SLOT)
        await_state(cluster, "ok")
    broker.close()


def await_state_of_slot(cluster: Cluster) -> None:
    for server in cluster:
        with server.client() as client:
            wait_until(lambda: is_in("fail", client))  # called at once
