"""What another program does to fq's keys while workers run tears nothing: a call is refused before its first write, and works once that is undone."""

from collections.abc import Callable, Iterator

import pytest
import redis
from attrs import evolve

from fq.brokers.records import CONTINUE, DUE, Bury, ClaimRequest, Commit, EnqueueOp, Reschedule, SetMarkOp, StoreResultOp, UniqueKey
from fq.brokers.redis import RedisBroker
from fq.core.fault import Fault
from fq.errors import BrokerError
from fq.execution.requeue_plan import plan_requeue
from tests.brokers.builders import bury, enqueue_op
from tests.brokers.redis.builders import done
from tests.brokers.redis.leaks import ONCE
from tests.brokers.redis.servers import Server, binaries
from tests.brokers.redis.test_errors import contents

WANT = ClaimRequest("w", ("q",), 10)
FAULT = Fault("E", "boom", "Traceback")
UNIQUE = evolve(enqueue_op("new"), unique=UniqueKey("k", window=60_000))
KEYS = [f"{{fq}}:{name}" for name in ONCE] + ["{fq}:ready:q", "{fq}:delayed:q", "{fq}:dead:q"]

CALLS: dict[str, Callable[[RedisBroker, Commit, Commit], object]] = {
    "a retry after a failure": lambda broker, one, two: broker.turn(
        [Commit(one.message_id, "q", one.token, Reschedule(enqueue_op("held", delay=5_000), FAULT))], WANT
    ),
    "a dead letter": lambda broker, one, two: broker.turn([Commit(one.message_id, "q", one.token, Bury(FAULT))], WANT),
    "a follow-up": lambda broker, one, two: broker.turn([Commit(one.message_id, "q", one.token, operations=(enqueue_op("child"),))], WANT),
    "two of them": lambda broker, one, two: broker.turn([one, two], WANT),
    "a claim": lambda broker, one, two: broker.turn((), WANT),
    "a dead worker": lambda broker, one, two: broker.release("w", {}),
    "a renewal": lambda broker, one, two: broker.renew(["w"], 5_000),
    "a dead letter put back": lambda broker, one, two: broker.requeue(["dead"], plan_requeue),
    "a dead letter thrown away": lambda broker, one, two: broker.discard(["dead"]),
    "a cancellation": lambda broker, one, two: broker.cancel("waits"),
    "a purge": lambda broker, one, two: broker.purge("q"),
    "a pause": lambda broker, one, two: broker.pause("q"),
    "a send": lambda broker, one, two: broker.enqueue([enqueue_op("new")]),
    "sends with unique keys": lambda broker, one, two: broker.place([UNIQUE, enqueue_op("newer", delay=5_000)]),
    "a replacement": lambda broker, one, two: broker.replace(enqueue_op("waits", delay=5_000, body=b"2")),
    "marks": lambda broker, one, two: broker.set_marks([SetMarkOp("m", b"1", 60_000, index=DUE, order=1, then=(UNIQUE,))]),
    "a commit that goes on": lambda broker, one, two: broker.turn(
        [Commit(one.message_id, "q", one.token, CONTINUE, (UNIQUE, SetMarkOp("m", b"1", 60_000, index=DUE, order=1)))], WANT
    ),
    "several sends": lambda broker, one, two: broker.enqueue([enqueue_op("new"), enqueue_op("newer", delay=5_000)]),
}


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_key_that_becomes_another_type_while_a_worker_runs_tears_nothing(
    connect: Callable[..., RedisBroker], client: redis.Redis, key: str, call: Callable[[RedisBroker, Commit, Commit], object]
) -> None:
    broker = connect()
    bury(broker, enqueue_op("dead"), FAULT)
    broker.enqueue([enqueue_op("held"), enqueue_op("also")])
    one, two = done(broker.turn((), WANT).deliveries)
    broker.enqueue([enqueue_op("waits"), enqueue_op("later", delay=60_000)])
    own = client.dump(key)
    client.set(key, "something else")
    before = contents(client)
    refused = True
    try:
        call(broker, one, two)
        refused = False  # it has no need of that key: one message is sent without most of them
    except BrokerError as error:
        assert "WRONGTYPE" in str(error)  # noqa: PT017

    assert not refused or contents(client) == before
    client.delete(key)
    if own is not None:
        client.restore(key, 0, own)
    if refused:
        call(broker, one, two)


def test_a_server_without_memory_renews_leases_and_lets_who_waits_wait(connect: Callable[..., RedisBroker], client: redis.Redis) -> None:
    broker = connect()
    broker.enqueue([enqueue_op("m")])
    (delivery,) = broker.turn((), ClaimRequest("w", ("q",), 1, 1_000)).deliveries
    client.config_set("maxmemory", "1")
    try:
        broker.renew(["w"], 500_000)
        assert broker.workers()[0].lease_left > 400_000
        assert broker.wait_result("m", 1) is None
        broker.wait(WANT, 1)
        broker.pause("q")
        broker.resume("q")
        assert broker.cancel("m")
        broker.turn(done([delivery], Bury(FAULT), StoreResultOp("m", b"1", 60_000)), WANT)
        assert broker.wait_result("m", 1) == b"1"
        with pytest.raises(BrokerError, match="the server's memory is full"):
            broker.enqueue([EnqueueOp("n", "q", "act", 0, 0, b"{}")])
    finally:
        client.config_set("maxmemory", "0")


def test_a_send_is_remembered_for_longer_than_it_is_repeated(connect: Callable[..., RedisBroker], client: redis.Redis) -> None:
    connect(patience=600_000).enqueue([enqueue_op("one")])
    connect(patience=600_000).enqueue([enqueue_op("two"), enqueue_op("three")])

    assert [client.pttl(key) > 600_000 for key in client.scan_iter("{fq}:sent:*")] == [True, True]


@pytest.mark.parametrize("flavour", ["valkey", "redis", "redis62"])
def test_a_full_server_refuses_none_but_producers(flavour: str) -> None:
    if flavour not in binaries():
        pytest.skip(f"no {flavour} here")
    server = Server(flavour, "--maxmemory-policy", "noeviction").start()
    broker = RedisBroker(server.url)
    broker.enqueue([enqueue_op("late", delay=60_000), enqueue_op("x"), enqueue_op("y"), enqueue_op("z")])
    turn = broker.turn((), WANT)
    broker.turn(done(turn.deliveries[:2], Bury(FAULT)), ClaimRequest("w", (), 0))
    with server.client() as client:
        client.config_set("maxmemory", "1")

    with pytest.raises(BrokerError, match="used memory > 'maxmemory'"):
        broker.enqueue([enqueue_op("new")])
    assert broker.wait_result("z", 1) is None
    assert broker.cancel("late")
    assert broker.requeue(["x"], plan_requeue) == broker.discard(["y"]) == 1
    broker.pause("q")
    broker.resume("q")
    broker.renew(["w"], 5_000)
    assert [each.message_id for each in broker.turn((), ClaimRequest("another", ("q",), 10)).deliveries] == ["late", "x"]
    assert broker.release("another", {}) == 2
    assert broker.purge("q") == 2
    broker.close()
    server.remove()


@pytest.fixture
def forgetful() -> Iterator[Server]:
    """A server that comes back as it was when it saved."""
    server = Server("valkey", "--save", "3600 1").start()
    yield server
    server.remove()


def goes_back(server: Server) -> None:
    server.kill()
    server.start()


def test_what_was_committed_and_lost_with_the_server_runs_again_at_the_next_turn_of_its_worker(forgetful: Server) -> None:
    broker, others = RedisBroker(forgetful.url), RedisBroker(forgetful.url)
    broker.enqueue([enqueue_op("m"), enqueue_op("n"), enqueue_op("o")])
    turn = broker.turn((), ClaimRequest("w", ("q",), 2))
    with forgetful.client() as client:
        client.save()
    broker.turn(done(turn.deliveries[:1]), ClaimRequest("w", ("q",), 0))
    goes_back(forgetful)

    assert broker.status("m").state == "running", "the server takes it for held"
    late = broker.turn(done(turn.deliveries[1:]), ClaimRequest("w", ("q",), 0))
    assert late.stale == ("n",), "all that the worker holds there comes back, once"
    assert [each.message_id for each in others.turn((), ClaimRequest("other", ("q",), 10)).deliveries] == ["m", "n", "o"]
    assert broker.turn((), ClaimRequest("w", ("q",), 10)).deliveries == ()
    broker.close()
    others.close()


def test_what_was_claimed_and_lost_with_the_server_is_stale_and_nothing_else_is(forgetful: Server) -> None:
    broker = RedisBroker(forgetful.url)
    broker.enqueue([enqueue_op("m"), enqueue_op("n")])
    first = broker.turn((), ClaimRequest("w", ("q",), 1))
    broker.turn(done(first.deliveries), ClaimRequest("w", ("q",), 0))
    with forgetful.client() as client:
        client.save()
    second = broker.turn((), ClaimRequest("w", ("q",), 1))
    goes_back(forgetful)

    turn = broker.turn(done(second.deliveries), ClaimRequest("w", ("q",), 1))
    assert turn.stale == ("n",)
    assert [each.message_id for each in turn.deliveries] == ["n"]
    assert broker.turn(done(turn.deliveries), ClaimRequest("w", ("q",), 1)).stale == ()
    broker.close()


def test_a_server_that_has_lost_everything_is_begun_with_anew(forgetful: Server) -> None:
    broker = RedisBroker(forgetful.url)
    broker.enqueue([enqueue_op("m")])
    turn = broker.turn((), WANT)
    with forgetful.client() as client:
        client.flushall()

    assert broker.turn(done(turn.deliveries), WANT).stale == ("m",)
    broker.enqueue([enqueue_op("n")])
    turn = broker.turn((), WANT)
    assert broker.turn(done(turn.deliveries), WANT).stale == ()
    broker.close()
