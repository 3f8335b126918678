"""Ways to reach a server: sockets, TLS, clients of one's own, sentinels; threads, forks, event loops."""

import asyncio
import os
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from fq.brokers.records import ClaimRequest
from fq.brokers.redis import RedisBroker
from fq.brokers.redis.connections import Discovery
from fq.brokers.redis.error_advice import advice
from fq.errors import BrokerError, BrokerUnavailable
from tests.brokers.builders import enqueue_op, in_thread, run
from tests.brokers.redis.builders import done, drain
from tests.brokers.redis.proxy import Proxy
from tests.brokers.redis.servers import Server, binaries
from tests.brokers.redis.test_waiting import idle, keep
from tests.free_port import free_port
from tests.new_threads import new_threads
from tests.wait_until import wait_until

WANT = ClaimRequest("w", ("q",), 10)


def works(broker: RedisBroker) -> bool:
    """Try one of everything: a message, a wake-up, a result."""
    waiter = idle(broker)
    broker.enqueue([enqueue_op("m")])
    woken = waiter.comes_back()
    ran = drain(broker)
    wait = in_thread(lambda: broker.wait_result("n", 5_000))
    run(broker, keep("n"))
    heard = wait.result(60)
    broker.close()
    return woken and ran == ["m"] and heard == b"n"


def test_a_socket_in_the_file_system(tmp_path: Path) -> None:
    server = Server("valkey", "--unixsocket", str(tmp_path / "s")).start()

    assert works(RedisBroker(f"unix://{tmp_path / 's'}?db=0"))
    server.remove()


def test_another_database(valkey: Server, client: redis.Redis) -> None:
    broker = RedisBroker(f"redis://127.0.0.1:{valkey.port}/3")
    broker.enqueue([enqueue_op("m")])

    assert client.dbsize() == 0
    assert drain(broker) == ["m"]
    broker.close()


@pytest.mark.parametrize("settings", [{}, {"decode_responses": True}, {"protocol": 3}, {"protocol": 3, "decode_responses": True}])
def test_a_client_of_ones_own(valkey: Server, settings: dict[str, object]) -> None:
    with valkey.client(**settings) as own:
        assert works(RedisBroker(client=own))
        assert own.ping()


def test_namespaces_do_not_see_each_other(connect: Callable[..., RedisBroker]) -> None:
    shop, mail = connect(namespace="shop"), connect(namespace="mail")
    shop.enqueue([enqueue_op("m")])

    assert drain(mail) == []
    assert mail.queues() == ()
    assert drain(shop) == ["m"]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of a host called localhost, which signs itself, and its key beside it."""
    words = ("-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    files = ("-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem"))
    try:
        subprocess.run(["openssl", "req", *words, *files], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no openssl here: apt-get install openssl")
    return tmp_path / "cert.pem"


@pytest.mark.skipif("redis" not in binaries(), reason="apt-get install redis-server, which has TLS")
def test_tls(certificate: Path) -> None:
    key, port = certificate.with_name("key.pem"), free_port()
    files = ("--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-ca-cert-file", str(certificate))
    server = Server("redis", "--tls-port", str(port), "--tls-auth-clients", "no", *files).start()

    assert works(RedisBroker(f"rediss://localhost:{port}/0?ssl_ca_certs={certificate}"))
    with pytest.raises(BrokerUnavailable, match=r"certificate verify failed.*; its certificate .*\?ssl_ca_certs=/path/to/ca.pem$"):
        RedisBroker(f"rediss://localhost:{port}/0", patience=0).now()
    with pytest.raises(BrokerUnavailable, match="; connect by a name that is in the server's certificate"):
        RedisBroker(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificate}", patience=0).now()
    server.remove()
    assert ssl.OPENSSL_VERSION


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ("certificate verify failed: certificate has expired (_ssl.c:1006)", "renew the server's certificate"),
        ("certificate verify failed: certificate is not yet valid (_ssl.c:1006)", "compare the clock of this host"),
        ("certificate verify failed: Hostname mismatch, certificate is not valid for 'db1'. (_ssl.c:1006)", "connect by a name"),
        ("certificate verify failed: unable to get local issuer certificate (_ssl.c:1006)", "?ssl_ca_certs="),
        ("certificate verify failed: self-signed certificate in certificate chain (_ssl.c:1006)", "?ssl_ca_certs="),
        ("certificate verify failed: path length constraint exceeded (_ssl.c:1006)", "cannot be verified"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)", "does not speak TLS on this port"),
        ("Connection refused", "start it, or check the URL"),
    ],
)
def test_what_is_wrong_with_a_certificate_is_said_with_what_to_do(found: str, expected: str) -> None:
    assert expected in advice(redis.ConnectionError(f"Error 1 connecting to db1:6379. {found}."))


@pytest.fixture
def sentinels() -> Iterator[tuple[Server, Server, Server]]:
    """A master, its replica, and a sentinel that watches both."""
    master = Server("valkey", "--repl-diskless-sync-delay", "0").start()  # else it waits 5 s for more replicas
    replica = Server("valkey", "--replicaof", "127.0.0.1", str(master.port)).start()
    with master.client() as client:
        wait_until(lambda: client.info("replication").get("slave0", {}).get("state") == "online")
    sentinel = Server("valkey", sentinel_of=master.port).start()
    yield master, replica, sentinel
    for server in (sentinel, replica, master):
        server.remove()


def test_the_master_that_the_sentinels_name(sentinels: tuple[Server, Server, Server]) -> None:
    assert works(RedisBroker(f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{sentinels[2].port}/mymaster/0"))


@pytest.mark.parametrize("way", [{"up": True, "down": True}, {"up": False, "down": True}], ids=["both_ways", "down"])
def test_a_silent_sentinel_costs_little_and_only_the_first_connection(
    sentinels: tuple[Server, Server, Server], way: dict[str, bool]
) -> None:
    with Proxy(sentinels[2].port) as silent:
        silent.black_hole(**way)
        url = f"redis+sentinel://127.0.0.1:{silent.port},127.0.0.1:{sentinels[2].port}/mymaster/0"
        broker = RedisBroker(url, timeout=60_000)
        started = time.monotonic()
        assert broker.wait_result("m", 1_000) is None
        first = time.monotonic() - started
        asked = silent.accepted
        broker.close()
        broker.enqueue([enqueue_op("m")])

        assert first < 30, "the timeout of the connection is a minute"
        assert silent.accepted == asked
        assert drain(broker) == ["m"]
        broker.close()


def test_a_sentinel_that_led_to_the_wrong_server_is_asked_after_the_others() -> None:
    discovery = Discovery((("a", 1), ("b", 1)), "none knows")
    asked: list[str] = []

    def ask(address: tuple[str, int], within: float | None) -> tuple[str, int]:
        asked.append(address[0])
        return address

    discovery.find(ask, None)
    discovery.demote_first()
    discovery.find(ask, None)

    assert asked == ["a", "b"]


def test_sentinels_none_of_which_knows_are_all_quoted() -> None:
    def ask(address: tuple[str, int], within: float | None) -> tuple[str, int]:
        raise redis.ConnectionError(f"{address[0]} is away")

    with pytest.raises(redis.ConnectionError, match=r"none knows: . is away; . is away; . is away") as error:
        Discovery((("a", 1), ("b", 1), ("c", 1)), "none knows").find(ask, None)

    assert all(f"{name} is away" in str(error.value) for name in "abc")


def test_a_silent_node_of_a_cluster_does_not_keep_the_others_from_answering() -> None:
    discovery, opened = Discovery((("silent", 1), ("other", 1)), "none knows"), threading.Event()

    def ask(address: tuple[str, int], within: float | None) -> tuple[str, int]:
        if address[0] == "silent":
            opened.wait(0.01 if within else 30)
            raise redis.TimeoutError("silent")
        return address

    assert discovery.find(ask, None) == ("other", 1)
    assert discovery.addresses[0] == ("other", 1)
    opened.set()


def test_a_client_that_asks_sentinels(sentinels: tuple[Server, Server, Server]) -> None:
    from redis.sentinel import Sentinel

    with Sentinel([("127.0.0.1", sentinels[2].port)]).master_for("mymaster") as own:
        assert works(RedisBroker(client=own))


@pytest.mark.chaos
def test_a_failover_is_followed(sentinels: tuple[Server, Server, Server]) -> None:
    master, replica, sentinel = sentinels
    broker = RedisBroker(f"redis+sentinel://127.0.0.1:{sentinel.port}/mymaster", patience=30_000)
    broker.enqueue([enqueue_op("m"), enqueue_op("n")])
    (first, _) = broker.turn((), WANT).deliveries
    waiter = idle(broker, ClaimRequest("other", ("q",), 10))
    with master.client() as client:
        client.set("marker", "all before it has been replicated too")
        assert client.wait(1, 20_000) == 1
    master.kill()
    turn = broker.turn(done([first]), ClaimRequest("w", (), 0))
    assert waiter.comes_back()
    waiter = idle(broker, ClaimRequest("other", ("q",), 10))
    broker.enqueue([enqueue_op("new")])

    assert turn.stale == ()
    assert waiter.comes_back()
    with replica.client() as client:
        assert client.info("replication")["role"] == "master"
    broker.close()


def test_sentinels_that_know_no_such_master_are_quoted(sentinels: tuple[Server, Server, Server]) -> None:
    broker = RedisBroker(f"redis+sentinel://127.0.0.1:{sentinels[2].port}/nobody", patience=100)
    with pytest.raises(BrokerUnavailable, match="knows no master 'nobody'"):
        broker.enqueue([enqueue_op("m")])


# Threads, forks, event loops.


def test_threads_share_a_broker(broker: RedisBroker) -> None:
    def work(name: str) -> int:
        request, ran = ClaimRequest(name, ("q",), 3), 0
        for number in range(100):
            broker.enqueue([enqueue_op(f"{name}-{number}")])
            deliveries = broker.turn((), request).deliveries
            ran += len(deliveries) - len(broker.turn(done(deliveries), ClaimRequest(name, ("q",), 0)).stale)
        return ran

    waits = [in_thread(lambda name=name: work(name)) for name in "abcdefgh"]

    assert sum(wait.result(30) for wait in waits) + len(drain(broker)) == 800


def test_a_forked_child_has_connections_of_its_own(connect: Callable[..., RedisBroker], client: redis.Redis) -> None:
    broker = connect()
    parent = idle(broker, ClaimRequest("parent", ("p",), 1))
    broker.enqueue([enqueue_op("before")])
    pid = os.fork()
    if pid == 0:
        try:
            asyncio.run(broker.aenqueue([enqueue_op("async")]))
            broker.enqueue([enqueue_op("child", "p")])
            assert broker.turn((), ClaimRequest("child", ("q",), 10)).deliveries
            broker.wait(ClaimRequest("child", ("q",), 10), 10)
            broker.close()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)

    assert parent.comes_back()
    assert [delivery.message_id for delivery in broker.turn((), ClaimRequest("parent", ("p",), 1)).deliveries] == ["child"]
    assert broker.release("child", {}) == 2


def test_coroutines_that_send_together_share_a_round_trip(connect: Callable[..., RedisBroker], client: redis.Redis) -> None:
    broker = connect()
    broker.enqueue([enqueue_op("first")])
    client.config_resetstat()

    async def send() -> None:
        await asyncio.gather(*(broker.aenqueue([enqueue_op(f"m{number}")]) for number in range(320)))

    asyncio.run(send())

    assert client.info("commandstats")["cmdstat_evalsha"]["calls"] <= 32
    assert len(drain(broker)) == 321


def test_event_loops_in_several_threads_send_by_one_broker(broker: RedisBroker) -> None:
    async def send(loop: int) -> None:
        for number in range(20):
            await asyncio.gather(*(broker.aenqueue([enqueue_op(f"m{loop}-{number}-{each}")]) for each in range(8)))

    for wait in [in_thread(lambda loop=loop: asyncio.run(send(loop))) for loop in range(4)]:
        wait.result(30)

    assert len(drain(broker)) == 4 * 20 * 8


def test_a_loop_that_ended_does_not_keep_the_next_one_from_sending(broker: RedisBroker) -> None:
    for number in range(5):
        asyncio.run(broker.aenqueue([enqueue_op(f"m{number}")]))

    assert drain(broker) == [f"m{number}" for number in range(5)]


def test_a_coroutine_that_is_cancelled_leaves_the_others_alone(broker: RedisBroker) -> None:
    async def send() -> None:
        tasks = [asyncio.create_task(broker.aenqueue([enqueue_op(f"m{number}")])) for number in range(20)]
        await asyncio.sleep(0)
        tasks[3].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in results if result is not None] == [asyncio.CancelledError]

    asyncio.run(send())

    assert len(drain(broker)) == 20


def test_a_refusal_reaches_all_senders_of_a_batch_and_no_later_one(broker: RedisBroker, client: redis.Redis) -> None:
    client.lpush("{fq}:messages", "element")

    async def send() -> list[object]:
        return await asyncio.gather(*(broker.aenqueue([enqueue_op(f"m{number}")]) for number in range(5)), return_exceptions=True)

    refused = asyncio.run(send())
    client.delete("{fq}:messages")

    assert {type(error) for error in refused} == {BrokerError}
    assert asyncio.run(send()) == [None] * 5


def test_a_broker_that_was_closed_connects_again(broker: RedisBroker) -> None:
    for number in range(3):
        asyncio.run(broker.aenqueue([enqueue_op(f"m{number}")]))
        waiter = idle(broker, ClaimRequest("w", ("elsewhere",), 1))
        broker.close()
        waiter.comes_back()

    assert drain(broker) == ["m0", "m1", "m2"]


def test_a_closed_broker_has_neither_threads_nor_connections(connect: Callable[..., RedisBroker], client: redis.Redis) -> None:
    left, connections = new_threads(), len(client.client_list())
    broker = connect()
    asyncio.run(broker.aenqueue([enqueue_op("m")]))
    broker.wait(WANT, 0)
    broker.wait_result("m", 1)
    broker.close()

    wait_until(lambda: left() == [], what="the end of its threads")
    wait_until(lambda: len(client.client_list()) == connections, what="the end of its connections, at the server")


ALLOWED = (
    "~{fq}:*",
    "resetchannels",
    "&{fq}:*",
    "+@read",
    "+@write",
    "+@scripting",
    "+@pubsub",
    "+@connection",
    "+time",
    "-@dangerous",
    "+info",
)
"""What docs/redis.md says that fq needs."""


def test_a_user_that_may_do_no_more_than_the_docs_say(shared: Server, client: redis.Redis) -> None:
    client.execute_command("ACL", "SETUSER", "fq", "reset", "on", ">secret", *ALLOWED)
    broker = RedisBroker(f"redis://fq:secret@127.0.0.1:{shared.port}/0")
    broker.enqueue([enqueue_op("a"), enqueue_op("b", delay=60_000)])
    broker.turn(done(broker.turn((), WANT).deliveries), WANT)
    broker.release("w", {})
    broker.status("b")
    broker.queues()
    broker.workers()
    broker.diagnose()

    assert works(broker)
    assert broker.purge("q") == 1
    assert broker.now()
    broker.close()
    client.execute_command("ACL", "DELUSER", "fq")
