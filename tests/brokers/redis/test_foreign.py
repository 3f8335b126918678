"""What something else has written among fq's messages becomes a dead letter, and the messages run."""

import logging
from collections.abc import Callable, Iterator

import pytest
import redis

from fq.brokers.records import ACK, RELEASE, Bury, ClaimRequest, EnqueueOp
from fq.brokers.redis import RedisBroker
from fq.core.fault import Fault
from fq.errors import BrokerError, BrokerUnavailable
from fq.execution.requeue_plan import plan_requeue
from tests.brokers.builders import enqueue_op, enqueue_ops, ids, in_thread, state
from tests.brokers.redis.builders import done, drain
from tests.brokers.redis.servers import Server

WANT = ClaimRequest("w", ("q",), 10)
PLACE = b"0000000000000001"
GOOD = PLACE + b"0\0q\0act\0{}"

JUNK = {
    "no record at all": (b"x1", b"hello"),
    "a record without an end": (b"x1", PLACE + b"0\0q\0act"),
    "a record of nothing": (b"x1", b""),
    "an id that is no text": (b"\xff\xfe", GOOD),
    "an actor that is no text": (b"x1", PLACE + b"0\0q\0\xff\0{}"),
    "an id and a record that are no text": (b"\xff", b"\xff" * 100),
}
every_junk = pytest.mark.parametrize(("message_id", "record"), JUNK.values(), ids=JUNK)


def put(client: redis.Redis, message_id: bytes, record: bytes) -> None:
    """Do what a program does that uses fq's keys for its own ends."""
    client.hset("{fq}:messages", message_id, record)
    client.zadd("{fq}:ready:q", {PLACE + message_id: 0})


def in_flight(broker: RedisBroker) -> int:
    return sum(stats.in_flight for stats in broker.queues())


@every_junk
def test_what_is_no_message_is_a_dead_letter_and_the_rest_is_delivered(
    broker: RedisBroker, client: redis.Redis, shared: Server, message_id: bytes, record: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    broker.enqueue(enqueue_ops("a", "b"))
    put(client, message_id, record)
    turn = broker.turn((), WANT)
    (letter,) = broker.dead_letters()
    (line,) = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]

    assert ids(turn.deliveries) == ["a", "b"]
    assert letter.message_id == message_id.decode("utf-8", "backslashreplace")
    assert (letter.queue_name, letter.fault.type, letter.body) == ("q", "DecodeError", record)
    assert line.startswith(f"{message_id!r} in queue q is no message of fq's and is now a dead letter: found ")
    assert repr(record[:80]) in line
    assert in_flight(broker) == 2
    assert broker.turn(done(turn.deliveries), WANT).deliveries == ()
    assert in_flight(broker) == 0


@pytest.mark.parametrize("member", [PLACE + b"gone", b"short", b""])
def test_what_is_ready_and_not_there_is_let_go(
    broker: RedisBroker, client: redis.Redis, shared: Server, member: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    broker.enqueue(enqueue_ops("a"))
    client.zadd("{fq}:ready:q", {member: 0})
    turn = broker.turn((), WANT)

    assert ids(turn.deliveries) == ["a"]
    assert "was removed from it: found no message" in caplog.text
    assert in_flight(broker) == 1
    assert broker.dead_letters() == ()
    assert broker.turn(done(turn.deliveries), WANT).stale == ()


@pytest.mark.parametrize("member", [b"junk", PLACE + b"high\0x1", PLACE + b"nan\0x1", PLACE])
def test_what_is_delayed_and_no_message_is_let_go_when_it_is_due(
    broker: RedisBroker, client: redis.Redis, shared: Server, member: bytes
) -> None:
    broker.enqueue(enqueue_ops("a"))
    client.zadd("{fq}:delayed:q", {member: 1})

    assert drain(broker) == ["a"]
    assert client.zcard("{fq}:delayed:q") == 0


def test_a_whole_claim_of_it_ends_and_the_worker_waits_for_the_next_message(broker: RedisBroker, client: redis.Redis) -> None:
    for number in range(1_200):
        put(client, b"x%d" % number, b"junk")
    request = ClaimRequest("w", ("q",), 1_000)
    while client.zcard("{fq}:ready:q"):
        assert broker.turn((), request).deliveries == ()
    waiting = in_thread(lambda: broker.wait(request, 60_000))
    while not client.exists("{fq}:waiting"):
        assert not waiting.done()
    broker.enqueue(enqueue_ops("a"))
    waiting.result(60)

    assert drain(broker) == ["a"]
    assert broker.queues()[0].dead == 1_200


@every_junk
def test_what_a_dead_worker_held_is_taken_back_whatever_became_of_its_record(
    broker: RedisBroker, client: redis.Redis, shared: Server, message_id: bytes, record: bytes
) -> None:
    broker.enqueue(enqueue_ops("a", "b"))
    broker.turn((), WANT)
    client.hset("{fq}:messages", "a", record)
    client.hset("{fq}:again", mapping={"a": "junk", "b": "junk"})

    assert broker.release("w", {}) == 2
    assert "b" in drain(broker)
    assert in_flight(broker) == 0


@pytest.mark.parametrize("disposition", [ACK, RELEASE, Bury(Fault("E", "m"))], ids=["done", "handed back", "dead"])
def test_a_message_whose_record_was_written_over_meanwhile_is_committed(
    broker: RedisBroker, client: redis.Redis, shared: Server, disposition: object
) -> None:
    broker.enqueue(enqueue_ops("a", "b"))
    turn = broker.turn((), WANT)
    client.hset("{fq}:messages", "a", "junk")
    client.hset("{fq}:again", "a", "junk")

    assert broker.turn(done(turn.deliveries, disposition), ClaimRequest("w", (), 0)).stale == ()
    assert drain(broker) == (["b"] if disposition is RELEASE else [])
    client.delete("{fq}:letters", "{fq}:dead:q")  # a record that was junk when it was buried is junk there, too


def test_what_is_known_of_earlier_deliveries_may_be_junk(broker: RedisBroker, client: redis.Redis, shared: Server) -> None:
    broker.enqueue(enqueue_ops("a"))
    client.hset("{fq}:again", "a", "junk")
    (delivery,) = broker.turn((), WANT).deliveries

    assert (delivery.deliveries, delivery.interrupted) == (1, "")
    broker.turn(done([delivery]), WANT)


def test_such_a_dead_letter_can_be_put_back_and_thrown_away(broker: RedisBroker, client: redis.Redis) -> None:
    put(client, b"\xff", b"junk")
    broker.turn((), WANT)
    (letter,) = broker.dead_letters()
    assert broker.requeue([letter.message_id], plan_requeue) == 1
    (delivery,) = broker.turn((), WANT).deliveries

    assert (delivery.message_id, delivery.actor_name, delivery.body) == ("\\xff", "", b"junk")
    broker.turn(done([delivery], Bury(Fault("E", "m"))), WANT)
    assert broker.discard([letter.message_id]) == 1


def test_a_letter_whose_actor_is_no_text_can_be_put_back(broker: RedisBroker, client: redis.Redis) -> None:
    broker.enqueue([EnqueueOp("x1", "q", "actor", 0, 0, b"{}")])
    broker.turn(done(broker.turn((), WANT).deliveries, Bury(Fault("E", "m"))), WANT)
    client.hset("{fq}:letters", "x1", client.hget("{fq}:letters", "x1").replace(b"\0actor\0", b"\0\xff\0"))
    assert broker.requeue(["x1"], plan_requeue) == 1
    (delivery,) = broker.turn((), WANT).deliveries

    assert delivery.actor_name == "\\xff"
    broker.turn(done([delivery]), WANT)


def test_a_server_that_is_away_just_then_loses_neither_the_claim_nor_the_junk(
    broker: RedisBroker, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.enqueue(enqueue_ops("a"))
    put(client, b"x1", b"junk")
    run = broker._namespace.run

    def fails(name: str, *arguments: object) -> object:
        if name == "bury_foreign":
            raise BrokerUnavailable("away")
        return run(name, *arguments)

    monkeypatch.setattr(broker._namespace, "run", fails)
    with pytest.raises(BrokerUnavailable):
        broker.turn((), WANT)
    monkeypatch.undo()
    turn = broker.turn((), WANT)

    assert ids(turn.deliveries) == ["a"]
    assert [letter.message_id for letter in broker.dead_letters()] == ["x1"]
    broker.turn(done(turn.deliveries), WANT)
    assert in_flight(broker) == 0


@pytest.mark.parametrize("look", ["status", "cancel"])
def test_asking_for_it_says_that_something_else_writes_there(broker: RedisBroker, client: redis.Redis, look: str) -> None:
    broker.enqueue(enqueue_ops("a"))
    put(client, b"x1", b"junk")
    with pytest.raises(BrokerError, match=r"check whether another program writes to \{fq\}:\*"):
        getattr(broker, look)("x1")

    assert broker.discard(["x1"]) == 0
    assert broker.queues()[0].ready == 2
    assert broker.purge("q") == 2


def test_a_later_letter_in_another_queue_takes_the_place_of_the_first(connect: Callable[..., RedisBroker], client: redis.Redis) -> None:
    broker = connect()
    broker.enqueue([enqueue_op("x1", "r")])
    broker.turn(done(broker.turn((), ClaimRequest("w", ("r",), 1)).deliveries, Bury(Fault("E", "m"))), ClaimRequest("w", ("r",), 1))
    put(client, b"x1", b"junk")
    broker.turn((), WANT)

    assert [(letter.queue_name, letter.body) for letter in broker.dead_letters()] == [("q", b"junk")]
    assert state(broker, "x1") == "dead"


# What is missing may have been deleted by the server itself.


@pytest.fixture
def policy(client: redis.Redis) -> Iterator[Callable[[str], None]]:
    """Set the eviction policy of the server, until the end of the test."""
    yield lambda name: client.config_set("maxmemory-policy", name)
    client.config_set("maxmemory-policy", "noeviction")


@pytest.mark.parametrize(
    ("name", "is_blamed"), [("allkeys-lru", True), ("allkeys-random", True), ("volatile-lru", False), ("noeviction", False)]
)
def test_a_server_that_deletes_messages_is_blamed_by_its_policy_and_nothing_else_is(
    broker: RedisBroker, client: redis.Redis, caplog: pytest.LogCaptureFixture, policy: Callable[[str], None], name: str, is_blamed: bool
) -> None:
    policy(name)
    broker.enqueue(enqueue_ops("a"))
    client.delete("{fq}:messages")
    broker.turn((), WANT)
    (line,) = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]

    assert (f"maxmemory-policy is {name}" in line and "CONFIG SET maxmemory-policy noeviction" in line) is is_blamed
    assert ("something else writes to these keys" in line) is not is_blamed
