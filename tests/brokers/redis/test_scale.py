"""However much there is, no single step keeps the server for long, but for what one call sends, which is all or nothing."""

from collections.abc import Callable

import pytest
import redis

from fq import App
from fq.brokers.records import ACK, ArriveOp, Bury, ClaimRequest, Commit, DeferredEnqueue, Delivery
from fq.brokers.redis import RedisBroker
from fq.core.fault import Fault
from fq.execution.requeue_plan import plan_requeue
from tests.brokers.builders import enqueue_op
from tests.brokers.redis.builders import Efforts, done, drain, fill
from tests.brokers.redis.servers import Server

LIMIT = 100.0
"""In ms. On a machine with nothing else to do no step takes half of it."""
MILLION = pytest.param(1_000_000, marks=pytest.mark.chaos)


@pytest.mark.parametrize("count", [30_000, MILLION])
def test_very_many_delayed_messages_that_fall_due_at_once(
    connect: Callable[..., RedisBroker], client: redis.Redis, valkey: Server, count: int
) -> None:
    broker = connect()
    fill(broker, count, delay=3_600_000)
    broker.offset = 3_600_000
    efforts = Efforts(broker, client)
    assert broker.queues()[0].ready == count
    ran = drain(broker)

    assert len(ran) == count
    assert ran == sorted(ran), "by when they fell due, and then as they were sent"
    assert efforts.worst < LIMIT


@pytest.mark.parametrize("count", [30_000, MILLION])
def test_a_queue_that_holds_very_much(connect: Callable[..., RedisBroker], client: redis.Redis, valkey: Server, count: int) -> None:
    broker = connect()
    fill(broker, count)
    efforts = Efforts(broker, client)
    request = ClaimRequest("w", ("q",), 256)
    turn = broker.turn((), request)
    assert [delivery.message_id for delivery in turn.deliveries[:2]] == ["m0000000", "m0000001"]
    for _ in range(50):
        turn = broker.turn(done(turn.deliveries), request)
    assert broker.status(f"m{count - 1:07}").state == "ready"
    assert broker.queues()[0].ready == count - 51 * 256
    assert broker.discard([f"m{number:07}" for number in range(count - 3_000, count - 2_000)]) == 1_000
    broker.pause("q")
    broker.resume("q")
    broker.turn(done(turn.deliveries), ClaimRequest("w", (), 0))
    assert broker.purge("q") == count - 51 * 256 - 1_000

    assert efforts.worst < LIMIT


@pytest.mark.parametrize("count", [12_000, MILLION])
def test_very_many_dead_letters(connect: Callable[..., RedisBroker], client: redis.Redis, valkey: Server, count: int) -> None:
    broker = connect()
    fill(broker, count)
    efforts = Efforts(broker, client)
    request = ClaimRequest("w", ("q",), 500)
    turn = broker.turn((), request)
    while turn.deliveries:
        turn = broker.turn([buried(each) for each in turn.deliveries], request)
    rare = broker.dead_letters(error="Rare")

    assert [letter.message_id for letter in rare] == ["m0000000"]
    assert [letter.message_id for letter in broker.dead_letters(limit=2)] == [f"m{count - 1:07}", f"m{count - 2:07}"]
    assert broker.requeue([f"m{number:07}" for number in range(10_000)], plan_requeue) == 10_000
    assert len(drain(broker)) == 10_000
    broker.offset = 8 * 24 * 3_600_000
    assert broker.dead_letters() == ()
    assert broker.queues()[0].dead == 0
    for _ in range((count - 10_000) // 100):
        broker.turn((), request)
    assert client.hlen("{fq}:letters") == 0
    assert efforts.worst < LIMIT


def buried(delivery: Delivery) -> Commit:
    kind = "Rare" if delivery.message_id == "m0000000" else "Common"
    return Commit(delivery.message_id, "q", delivery.token, Bury(Fault(kind, "m", "traceback " * 20)))


def test_a_group_of_10_000_members(connect: Callable[..., RedisBroker], client: redis.Redis, valkey: Server) -> None:
    broker, size = connect(), 10_000
    fill(broker, size)
    efforts = Efforts(broker, client)
    request = ClaimRequest("w", ("q",), 500)
    turn, arrived = broker.turn((), request), 0
    while turn.deliveries:
        arrived += len(turn.deliveries)
        turn = broker.turn([joined(each, size) for each in turn.deliveries], request)
    (finale,) = broker.turn((), ClaimRequest("w", ("r",), 1)).deliveries

    assert arrived == size
    assert finale.body == b'{"args":[' + b",".join(b"%d" % number for number in range(size)) + b"]}"
    assert efforts.worst < LIMIT


def joined(delivery: Delivery, size: int) -> Commit:
    member = int(delivery.message_id[1:])
    then = (DeferredEnqueue(enqueue_op("then", "r"), b'{"args":', b"}"),)
    return Commit(delivery.message_id, "q", delivery.token, ACK, (ArriveOp("g", member, size, b"%d" % member, then, 60_000),))


def test_one_call_may_post_more_than_lua_can_unpack(connect: Callable[..., RedisBroker], shared: Server) -> None:
    broker = connect()
    broker.enqueue([enqueue_op(f"m{number:05}", f"q{number % 3}", delay=number % 2 * 60_000) for number in range(30_000)])

    assert [(stats.ready, stats.delayed) for stats in broker.queues()] == [(5_000, 5_000)] * 3


def test_groups_after_steps_are_sent_one_by_one_and_those_without_all_at_once(
    connect: Callable[..., RedisBroker], client: redis.Redis, shared: Server
) -> None:
    app = App("memory://")

    @app.actor
    def start(part: int) -> int:
        return part

    @app.actor
    def size(at: int, part: int) -> int:
        return part + at

    @app.actor
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    with app.using_broker(broker := connect()):
        stepped = (
            app.group([start.call(part) | app.group([size.call(at) for at in range(100)]) | total for part in range(5)]) | total
        ).send()
        assert client.hlen("{fq}:messages") == 5
        app.run_until_idle()
        assert stepped.get_result() == 100 * sum(range(5)) + 5 * sum(range(100))
        app.group([app.group([size.call(at, part) for at in range(100)]) | total for part in range(5)]).then(total).send()
        assert client.hlen("{fq}:messages") == 500
        broker.purge("default")


def test_send_many_keeps_the_server_for_a_thousand_messages_at_a_time(
    connect: Callable[..., RedisBroker], client: redis.Redis, valkey: Server
) -> None:
    app = App("memory://")

    @app.actor
    def add(a: int, b: int) -> int:
        return a + b

    with app.using_broker(broker := connect()):
        app.send_many(add.call(n, n) for n in range(5_500))
        calls = client.info("commandstats")["cmdstat_evalsha"]["calls"]

    assert broker.queues()[0].ready == 5_500
    assert calls == 6


def test_a_thousand_queues(connect: Callable[..., RedisBroker], client: redis.Redis, valkey: Server) -> None:
    broker = connect()
    names = [f"q{number:03}" for number in range(1_000)]
    broker.enqueue([enqueue_op(f"m-{name}", name) for name in names])
    efforts = Efforts(broker, client)
    ran = drain(broker, *names, limit=100)

    assert len(ran) == 1_000
    assert [stats.queue_name for stats in broker.queues()] == names
    assert efforts.worst < LIMIT


def test_bodies_of_a_megabyte(broker: RedisBroker) -> None:
    body = b"x" * 1_000_000
    broker.enqueue([enqueue_op(f"m{number}", body=body) for number in range(10)])
    turn = broker.turn((), ClaimRequest("w", ("q",), 100))

    assert [delivery.body for delivery in turn.deliveries] == [body] * 10
    broker.turn(done(turn.deliveries), ClaimRequest("w", (), 0))
