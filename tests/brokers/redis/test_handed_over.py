"""A message that finds its worker waiting is handed to it: published with its claim, so that no turn need ask for it. None is lost, and none runs twice."""

from collections.abc import Callable, Iterator
from unittest.mock import patch

import pytest
import redis
from attrs import evolve

from fq.brokers.records import RELEASE, ClaimRequest, Delivery, EnqueueOp, UniqueKey
from fq.brokers.redis import RedisBroker
from fq.brokers.redis.handed_over import HandedOver
from fq.brokers.redis.stored_records import read_memory
from fq.errors import BrokerUnavailable
from tests.brokers.builders import enqueue_op, ids
from tests.brokers.redis.builders import done
from tests.brokers.redis.test_waiting import calls
from tests.wait_until import wait_until

WANT = ClaimRequest("w", ("q", "r"), 5)
ONE = enqueue_op("m1", "q")
TWO = enqueue_op("m2", "q")


@pytest.fixture
def waiting(broker: RedisBroker) -> RedisBroker:
    """The broker of a worker that is registered as waiting."""
    wait(broker)
    return broker


@pytest.fixture
def deaf(waiting: RedisBroker) -> Iterator[RedisBroker]:
    """The same, but what is published to it gets lost."""
    with patch.object(HandedOver, "receive"):
        yield waiting


def wait(broker: RedisBroker, request: ClaimRequest = WANT) -> None:
    broker.wait(request, 0)
    assert broker.turn((), request).deliveries == ()


def arrived(broker: RedisBroker) -> None:
    wait_until(lambda: broker._state.turns.handed.has_arrived("w"), what="the publication")


def claimed(client: redis.Redis) -> set[bytes]:
    return set(client.hkeys("{fq}:claimed:q:w")) - {b""}


@pytest.mark.usefixtures("shared")
def test_it_is_there_without_a_call(waiting: RedisBroker, connect: Callable[..., RedisBroker], client: redis.Redis) -> None:
    connect().enqueue([evolve(ONE, body=b"\0body")])
    arrived(waiting)
    before = calls(client)
    turn = waiting.turn((), WANT)

    assert calls(client) == before
    assert [(each.message_id, each.queue_name, each.body, each.deliveries) for each in turn.deliveries] == [("m1", "q", b"\0body", 1)]
    assert 0 < turn.idle_for <= 60_000
    assert waiting.status("m1").state == "running"
    assert waiting.turn(done(turn.deliveries), WANT).stale == ()
    assert waiting.status("m1").state == "unknown"


def test_the_next_one_waits_until_the_worker_has_said_that_it_had_the_first(waiting: RedisBroker, client: redis.Redis) -> None:
    waiting.enqueue([ONE])
    arrived(waiting)
    first = waiting.turn((), WANT).deliveries
    waiting.wait(WANT, 0)  # it is registered again, and says nothing of the first
    waiting.enqueue([TWO])

    assert claimed(client) == {b"m1"}
    assert ids(waiting.turn(done(first), WANT).deliveries) == ["m2"]


def test_each_of_many_is_handed_over_when_each_finds_the_worker_waiting(waiting: RedisBroker, client: redis.Redis) -> None:
    for number in range(5):
        waiting.enqueue([enqueue_op(f"n{number}", "q")])
        arrived(waiting)
        deliveries = waiting.turn((), WANT).deliveries
        assert ids(deliveries) == [f"n{number}"]
        assert waiting.turn(done(deliveries), WANT).deliveries == ()


def test_what_was_published_and_lost_is_told_by_the_next_turn_once(deaf: RedisBroker) -> None:
    deaf.enqueue([ONE])
    first = deaf.turn((), WANT).deliveries
    second = deaf.turn((), WANT).deliveries

    assert (ids(first), second) == (["m1"], ())
    assert deaf.turn(done(first), WANT).stale == ()


def test_it_is_told_again_if_the_reply_that_told_it_is_lost(deaf: RedisBroker) -> None:
    deaf.enqueue([ONE])
    run = deaf._namespace.run

    def lose_reply(*arguments: object) -> object:
        run(*arguments)
        raise BrokerUnavailable("the reply was lost")

    with patch.object(deaf._namespace, "run", lose_reply), pytest.raises(BrokerUnavailable):
        deaf.turn((), WANT)
    first = deaf.turn((), WANT).deliveries

    assert (ids(first), deaf.turn((), WANT).deliveries) == (["m1"], ())
    assert deaf.turn(done(first), WANT).stale == ()


def test_it_is_told_by_the_first_turn_for_its_queue(deaf: RedisBroker) -> None:
    deaf.enqueue([ONE])

    assert deaf.turn((), ClaimRequest("w", ("r",), 5)).deliveries == ()
    assert ids(deaf.turn((), WANT).deliveries) == ["m1"]


def test_a_publication_that_comes_after_the_turn_that_told_it_adds_nothing(waiting: RedisBroker) -> None:
    late: list[tuple[str, bytes]] = []
    with patch.object(HandedOver, "receive", lambda _, *message: late.append(message)):
        waiting.enqueue([ONE])
        told = waiting.turn((), WANT).deliveries
        wait_until(lambda: late, what="the publication")
    waiting._state.turns.handed.receive(*late[0])

    assert ids(told) == ["m1"]
    assert waiting.turn((), WANT).deliveries == ()


def test_a_publication_that_comes_while_a_turn_tells_it_adds_nothing(waiting: RedisBroker) -> None:
    late: list[tuple[str, bytes]] = []
    with patch.object(HandedOver, "receive", lambda _, *message: late.append(message)):
        waiting.enqueue([ONE])
        wait_until(lambda: late, what="the publication")
    handed, run = waiting._state.turns.handed, waiting._namespace.run

    def run_and_receive(*arguments: object) -> object:
        reply = run(*arguments)
        handed.receive(*late[0])
        return reply

    with patch.object(waiting._namespace, "run", run_and_receive):
        told = waiting.turn((), WANT).deliveries

    assert (ids(told), waiting.turn((), WANT).deliveries) == (["m1"], ())


@pytest.mark.parametrize("hears", [True, False])
def test_a_worker_that_wants_nothing_by_then_hands_it_back(waiting: RedisBroker, connect: Callable[..., RedisBroker], hears: bool) -> None:
    with patch.object(HandedOver, "receive", HandedOver.receive if hears else lambda *_: None):
        waiting.enqueue([ONE])
        if hears:
            arrived(waiting)
        assert waiting.turn((), ClaimRequest("w", ("q", "r"), 0)).deliveries == ()

    (other,) = connect().turn((), ClaimRequest("v", ("q",), 1)).deliveries
    assert (other.message_id, other.deliveries) == ("m1", 1), "it has not begun"


def test_a_worker_that_wants_other_queues_by_then_hands_it_back(waiting: RedisBroker) -> None:
    waiting.enqueue([ONE])
    arrived(waiting)

    assert waiting.turn((), ClaimRequest("w", ("r",), 5)).deliveries == ()
    assert waiting.status("m1").state == "ready"


def test_what_comes_with_commits_is_part_of_that_turn(waiting: RedisBroker) -> None:
    waiting.enqueue([ONE])
    arrived(waiting)
    (first,) = waiting.turn((), WANT).deliveries
    assert waiting.turn(done([first]), WANT).deliveries == ()
    waiting.enqueue([TWO])
    arrived(waiting)
    turn = waiting.turn(done([first]), WANT)

    assert (ids(turn.deliveries), turn.stale) == (["m2"], ("m1",))


def test_a_worker_that_dies_leaves_it_to_others(deaf: RedisBroker, connect: Callable[..., RedisBroker]) -> None:
    deaf.enqueue([ONE])
    other = connect()

    assert other.release("w", {}, ()) == 1
    assert ids(other.turn((), ClaimRequest("v", ("q",), 5)).deliveries) == ["m1"]


def test_after_a_release_the_former_claim_is_stale(waiting: RedisBroker, connect: Callable[..., RedisBroker]) -> None:
    waiting.enqueue([ONE])
    arrived(waiting)
    (handed,) = waiting.turn((), WANT).deliveries
    waiting.turn(done([handed], RELEASE), WANT)

    assert waiting.turn(done([handed]), ClaimRequest("w", ("q",), 0)).stale == ("m1",)


def paused(broker: RedisBroker, client: redis.Redis) -> None:
    broker.pause("q")


def others_first(broker: RedisBroker, client: redis.Redis) -> None:
    client.zadd("{fq}:ready:q", {b"0" * 16 + b"other": 0})


def lease_ends(broker: RedisBroker, client: redis.Redis) -> None:
    client.zadd("{fq}:leases", {"w": broker.now() + 1_000})


def older_worker(broker: RedisBroker, client: redis.Redis) -> None:
    """What a worker remembers that knows nothing of this."""
    text = client.hget("{fq}:workers", "w")
    client.hset("{fq}:workers", "w", text.replace(b'"takes_handed":true,', b"").replace(b',"takes_handed":true', b""))


def forgotten(broker: RedisBroker, client: redis.Redis) -> None:
    client.hdel("{fq}:workers", "w")
    client.zrem("{fq}:leases", "w")


def other_queues(broker: RedisBroker, client: redis.Redis) -> None:
    """It is not known to claim from the queue, so that what it holds there would not be missed."""
    client.zadd("{fq}:waiting", {"elsewhere\0{fq}:bell:w": 0})


CONDITIONS: dict[str, tuple[Callable[[RedisBroker, redis.Redis], None], EnqueueOp]] = {
    "the queue is paused": (paused, ONE),
    "others are ready": (others_first, ONE),
    "the lease is nearly over": (lease_ends, ONE),
    "the worker is older": (older_worker, ONE),
    "the worker is not known": (forgotten, ONE),
    "the worker claims from other queues": (other_queues, enqueue_op("m1", "elsewhere")),
    "the message is large": (lambda *_: None, evolve(ONE, body=b"x" * 65_537)),
    "the message has a key": (lambda *_: None, evolve(ONE, unique=UniqueKey("k", "start", 0, "keep", 0))),
    "the message is delayed": (lambda *_: None, evolve(ONE, delay=60_000)),
}


@pytest.mark.parametrize(("prepare", "op"), CONDITIONS.values(), ids=CONDITIONS)
def test_it_is_not_handed_over_if(
    waiting: RedisBroker, client: redis.Redis, prepare: Callable[[RedisBroker, redis.Redis], None], op: EnqueueOp
) -> None:
    prepare(waiting, client)
    waiting.place([op]) if op.unique else waiting.enqueue([op])

    assert claimed(client) == set()
    assert waiting.status("m1").state == ("delayed" if op.delay else "ready")
    client.zrem("{fq}:ready:q", b"0" * 16 + b"other")


def test_a_worker_that_hears_nothing_is_passed_over(waiting: RedisBroker, connect: Callable[..., RedisBroker], client: redis.Redis) -> None:
    waiting.close()
    other = connect()
    other.wait(evolve(WANT, worker="v"), 0)
    assert other.turn((), evolve(WANT, worker="v")).deliveries == ()
    other.enqueue([ONE])

    assert ids(other.turn((), evolve(WANT, worker="v")).deliveries) == ["m1"]
    assert claimed(client) == set()


def test_its_claim_is_in_what_the_worker_remembers(deaf: RedisBroker, client: redis.Redis) -> None:
    names_before = read_memory(client.hget("{fq}:workers", "w")).queues
    deaf.enqueue([ONE])

    assert read_memory(client.hget("{fq}:workers", "w")).queues == names_before == ("q", "r")
    assert client.zcard("{fq}:waiting") == 0, "it waits no more, for none of its queues"


def test_tokens_grow(waiting: RedisBroker) -> None:
    tokens: list[Delivery] = []
    for number in range(3):
        waiting.enqueue([enqueue_op(f"n{number}", "q")])
        while len(tokens) <= number:
            tokens += waiting.turn((), WANT).deliveries
        waiting.turn(done(tokens[-1:]), WANT)

    assert [each.token for each in tokens] == sorted({each.token for each in tokens})
