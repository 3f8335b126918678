"""What goes wrong while a message is on its way to the worker that waits for it: it is neither stranded nor run twice."""

from collections.abc import Callable

import pytest

from fq.brokers.redis import RedisBroker
from tests.brokers.redis.servers import Server
from tests.brokers.redis.test_handed_over import ONE, wait
from tests.wait_until import wait_until


@pytest.fixture
def waiting(connect: Callable[..., RedisBroker]) -> RedisBroker:
    """The broker of a worker that is registered as waiting."""
    broker = connect()
    wait(broker)
    return broker


def test_a_worker_that_listens_to_another_server_is_woken_and_handed_nothing(
    waiting: RedisBroker, connect: Callable[..., RedisBroker], valkey: Server
) -> None:
    """As after a failover in a cluster: its subscription stays with the former master, which passes on what is published, and the claim is another's."""
    with valkey.client() as client:
        client.config_set("repl-diskless-sync-delay", 0)
    replica = Server("valkey", "--replicaof", "127.0.0.1", str(valkey.port)).start()
    try:
        with replica.client() as client, client.pubsub() as pubsub:
            wait_until(lambda: client.info("replication")["master_link_status"] == "up", what="the replica")
            pubsub.subscribe("{fq}:bell:w")
            assert pubsub.get_message(timeout=20)["type"] == "subscribe"
            waiting._state._subscriber.close()
            waiting._state._subscriber = None
            connect().enqueue([ONE])
            message = pubsub.get_message(timeout=20)
    finally:
        replica.remove()

    assert message["data"] == b""
    assert waiting.status("m1").state == "ready"
