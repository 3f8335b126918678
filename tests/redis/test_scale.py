"""However much there is, no single step keeps the server for long: 50 ms is the limit, as the server's own slow log sees it."""

from collections.abc import Callable

import redis

from fq.brokers.records import Bury, Join, Splice, Want
from fq.brokers.redis import RedisBroker
from fq.fault import Fault
from tests.brokers.kit import post
from tests.redis.kit import done, drain, fill, slowest, watch_for_slow
from tests.redis.servers import Server

LIMIT = 50.0


def test_100_000_delayed_messages_that_fall_due_at_once(connect: Callable[..., RedisBroker], client: redis.Redis, valkey: Server) -> None:
    broker = connect()
    fill(broker, 100_000, delay=3_600_000)
    broker.offset = 3_600_000
    assert broker.queues()[0].ready == 100_000
    watch_for_slow(client)
    ran = drain(broker)

    assert len(ran) == 100_000
    assert ran == sorted(ran), "by when they fell due, and then as they were sent"
    assert slowest(client) < LIMIT


def test_a_million_messages(connect: Callable[..., RedisBroker], client: redis.Redis, valkey: Server) -> None:
    """One test, since a million takes some seconds to put there."""
    broker = connect()
    fill(broker, 1_000_000)
    watch_for_slow(client)
    want = Want("w", ("q",), 256)
    turn = broker.turn((), want)
    assert [delivery.message_id for delivery in turn.deliveries[:2]] == ["m0000000", "m0000001"]
    for _ in range(100):
        turn = broker.turn(done(turn.deliveries), want)
    assert broker.status("m0999999").state == "ready"
    assert broker.queues()[0].ready == 1_000_000 - 101 * 256
    assert broker.discard([f"m{number:07}" for number in range(900_000, 901_000)]) == 1_000
    broker.pause("q")
    broker.resume("q")
    broker.turn(done(turn.deliveries), Want("w", (), 0))
    assert broker.purge("q") == 1_000_000 - 101 * 256 - 1_000

    assert slowest(client) < LIMIT


def test_100_000_dead_letters(connect: Callable[..., RedisBroker], client: redis.Redis, valkey: Server) -> None:
    broker = connect()
    fill(broker, 100_000)
    want = Want("w", ("q",), 1_000)
    watch_for_slow(client)
    turn = broker.turn((), want)
    while turn.deliveries:
        kinds = [Bury(Fault("Rare" if each.message_id.endswith("00000") else "Common", "m", "traceback " * 20)) for each in turn.deliveries]
        turn = broker.turn([done([each], kind)[0] for each, kind in zip(turn.deliveries, kinds, strict=True)], want)
    rare = broker.dead(error="Rare")

    assert [letter.message_id for letter in rare] == ["m0000000"]
    assert [letter.message_id for letter in broker.dead(limit=2)] == ["m0099999", "m0099998"]
    assert broker.requeue([f"m{number:07}" for number in range(50_000)]) == 50_000
    assert len(drain(broker)) == 50_000
    broker.offset = 8 * 24 * 3_600_000
    assert broker.dead() == ()
    assert broker.queues()[0].dead == 0
    for _ in range(500):
        broker.turn((), want)
    assert client.hlen("{fq}:letters") == 0
    assert slowest(client) < LIMIT


def test_a_group_of_50_000_members(connect: Callable[..., RedisBroker], client: redis.Redis, valkey: Server) -> None:
    broker, size = connect(), 50_000
    fill(broker, size)
    then = (Splice(post("then", "r"), b'{"args":', b"}"),)
    watch_for_slow(client)
    want = Want("w", ("q",), 1_000)
    turn, arrived = broker.turn((), want), 0
    while turn.deliveries:
        joins = [Join("g", int(each.message_id[1:]), size, each.message_id[1:].lstrip("0").encode() or b"0", then, 60_000) for each in turn.deliveries]
        arrived += len(joins)
        turn = broker.turn([done([each], *(done([each])[0].disposition,), join)[0] for each, join in zip(turn.deliveries, joins, strict=True)], want)
    (finale,) = broker.turn((), Want("w", ("r",), 1)).deliveries

    assert arrived == size
    assert finale.body == b'{"args":[' + b",".join(b"%d" % number for number in range(size)) + b"]}"
    assert slowest(client) < LIMIT


def test_one_call_may_post_more_than_lua_can_unpack(connect: Callable[..., RedisBroker], shared: Server) -> None:
    broker = connect()
    broker.enqueue([post(f"m{number:05}", f"q{number % 3}", delay=number % 2 * 60_000) for number in range(30_000)])

    assert [(stats.ready, stats.delayed) for stats in broker.queues()] == [(5_000, 5_000)] * 3


def test_a_thousand_queues(connect: Callable[..., RedisBroker], client: redis.Redis, valkey: Server) -> None:
    broker = connect()
    names = [f"q{number:03}" for number in range(1_000)]
    broker.enqueue([post(f"m-{name}", name) for name in names])
    watch_for_slow(client)
    ran = drain(broker, *names, limit=100)

    assert len(ran) == 1_000
    assert [stats.queue_name for stats in broker.queues()] == names
    assert slowest(client) < LIMIT


def test_bodies_of_a_megabyte(broker: RedisBroker) -> None:
    body = b"x" * 1_000_000
    broker.enqueue([post(f"m{number}", body=body) for number in range(10)])
    turn = broker.turn((), Want("w", ("q",), 100))

    assert [delivery.body for delivery in turn.deliveries] == [body] * 10
    broker.turn(done(turn.deliveries), Want("w", (), 0))
