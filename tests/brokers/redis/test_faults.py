"""
Every operation is struck at every one of its steps: the network fails before a command has left, or after the server has done it.

While the broker repeats its calls its caller notices nothing; if its process dies instead, each step was applied wholly or not at all.
"""

from collections.abc import Callable

import pytest
import redis

from fq.brokers.records import (
    ACK,
    DUE,
    RELEASE,
    ArriveOp,
    Bury,
    ClaimRequest,
    Commit,
    DeferredEnqueue,
    Delivery,
    Disposition,
    EnqueueOp,
    Operation,
    Release,
    Reschedule,
    StoreResultOp,
)
from fq.brokers.redis import RedisBroker
from fq.core.fault import Fault
from fq.errors import BrokerUnavailable
from fq.execution.requeue_plan import plan_requeue
from tests.brokers.builders import enqueue_op
from tests.brokers.redis.builders import tune
from tests.brokers.redis.faults import break_at, mend
from tests.brokers.redis.leaks import leaks
from tests.brokers.redis.record_operations import OPERATIONS as RECORD_OPERATIONS
from tests.brokers.redis.servers import Server

FAULT = Fault("ValueError", "boom")
WANT = ClaimRequest("w", ("q",), 3)


def prepare(broker: RedisBroker) -> None:
    """Three messages held by w, three ready, one delayed, one dead; one held by a worker that is gone."""
    broker.enqueue([enqueue_op(f"m{number}") for number in range(7)])
    broker.enqueue([enqueue_op("late", delay=60_000)])
    (dying, *_), gone = broker.turn((), ClaimRequest("w", ("q",), 1)).deliveries, broker.turn((), ClaimRequest("gone", ("q",), 1))
    assert gone.deliveries
    broker.turn([commit(dying, Bury(FAULT))], ClaimRequest("w", ("q",), 0))


def commit(delivery: Delivery, disposition: Disposition = ACK, *operations: Operation) -> Commit:
    return Commit(delivery.message_id, delivery.queue_name, delivery.token, disposition, operations)


def enqueue(broker: RedisBroker) -> object:
    broker.enqueue([enqueue_op("new1")])
    broker.enqueue([enqueue_op("new2"), enqueue_op("new3", delay=60_000)])
    return None


def turns(broker: RedisBroker) -> object:
    """Everything that a commit can say, with claims in the same turn."""
    first = broker.turn((), WANT)
    a, b, c = first.deliveries
    arrive_op = ArriveOp("g", 0, 1, b"1", (DeferredEnqueue(EnqueueOp("joined", "q", "act", 0, 60_000, b""), b"{", b"}"),), 60_000)
    follow_up = EnqueueOp("child", "r", "act", 0, 0, b"{}")
    second = broker.turn([commit(a, ACK, StoreResultOp(a.message_id, b"1", 60_000), follow_up, arrive_op), commit(b, Bury(FAULT))], WANT)
    replaced = Reschedule(EnqueueOp(c.message_id, "q", "act", 0, 60_000, b"{}"), FAULT)
    third = broker.turn([commit(c, replaced), *(commit(each, RELEASE) for each in second.deliveries)], ClaimRequest("w", ("q",), 0))
    return [[each.message_id for each in turn.deliveries] for turn in (first, second, third)], second.stale, third.stale


def release_one(broker: RedisBroker) -> object:
    (held,) = broker.turn((), ClaimRequest("w", ("q",), 1)).deliveries
    return broker.turn([commit(held, Release(True, "why"))], ClaimRequest("w", ("q",), 0)).stale


def operate(broker: RedisBroker) -> object:
    broker.pause("q")
    broker.resume("q")
    broker.renew(["w"], 60_000)
    broker.status("m2")
    broker.queues()
    broker.workers()
    broker.dead_letters()
    broker.claimed_by("gone")
    for state in ("ready", "delayed", "running", "dead"):
        broker.browse(state)
    broker.peek("m0")
    return None


def uncounted(operation: Callable[[RedisBroker], int]) -> Callable[[RedisBroker], object]:
    """How many there were is what a lost reply said: a repeated call counts what was left."""

    def run(broker: RedisBroker) -> None:
        operation(broker)

    return run


def begin_enqueue(broker: RedisBroker) -> None:
    """Two calls under way at a time."""
    first = broker.begin_enqueue([enqueue_op("new1", queue="q"), enqueue_op("new2", queue="other", delay=1_000)])
    second = broker.begin_enqueue([enqueue_op("new3", queue="q")])
    first()
    second()


OPERATIONS: dict[str, Callable[[RedisBroker], object]] = {
    "enqueue": enqueue,
    "begin_enqueue": begin_enqueue,
    "turns": turns,
    "release_one": release_one,
    "requeue": uncounted(lambda broker: broker.requeue(["m0"], plan_requeue)),
    "discard": uncounted(lambda broker: broker.discard(["m3", "late"])),
    "purge": uncounted(lambda broker: broker.purge("q")),
    "release": uncounted(lambda broker: broker.release("gone", {"m1": "time_limit"})),
    "cancel": lambda broker: broker.cancel("late"),
    "run_now": lambda broker: broker.run_now(["late", "m3"]),
    "operate": operate,
    **RECORD_OPERATIONS,
}


def contents(broker: RedisBroker) -> object:
    """Return all that can be seen from outside, without times."""
    ids = [*(f"m{number}" for number in range(7)), "late", "new1", "new2", "new3", "child", "joined"]
    states = [
        (status.message_id, status.state, status.queue_name, status.deliveries, status.worker, status.fault)
        for status in map(broker.status, ids)
    ]
    queues = [(stats.queue_name, stats.ready, stats.delayed, stats.in_flight, stats.dead, stats.paused) for stats in broker.queues()]
    dead = sorted((letter.message_id, letter.fault) for letter in broker.dead_letters())
    marks = [(mark.key, mark.body) for index in (DUE, "streams") for mark in broker.marks_in(index)]
    return states, queues, dead, broker.result("m2"), marks


def exchanges_of(broker: RedisBroker, client: redis.Redis, operation: Callable[[RedisBroker], object]) -> int:
    """Return how many exchanges *operation* takes when nothing fails, and the server knows the scripts."""
    prepare(broker)
    operation(broker)
    client.flushdb()
    prepare(broker)
    counter = break_at(broker, 10**9, replied=False)
    operation(broker)
    mend(broker)
    return counter.exchanges


@pytest.mark.parametrize("replied", [False, True], ids=["before_it_was_sent", "after_it_was_done"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_that_is_struck_anywhere_comes_out_the_same(
    connect: Callable[..., RedisBroker], client: redis.Redis, shared: Server, name: str, replied: bool
) -> None:
    broker, operation = connect(), OPERATIONS[name]
    steps = exchanges_of(broker, client, operation)
    expected: object = None
    for at in [10**9, *range(steps)]:
        client.flushdb()
        prepare(broker)
        break_at(broker, at, replied=replied)
        reply = operation(broker)
        mend(broker)
        found = reply, contents(broker)
        expected = expected or found

        assert found == expected, f"struck at exchange {at} of {steps}"
        assert leaks(client) == []


@pytest.mark.parametrize("replied", [False, True], ids=["before_it_was_sent", "after_it_was_done"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_process_that_dies_anywhere_leaves_everything_in_its_place(
    connect: Callable[..., RedisBroker], client: redis.Redis, shared: Server, name: str, replied: bool
) -> None:
    operation = OPERATIONS[name]
    survivor = connect()
    steps = exchanges_of(survivor, client, operation)
    for at in range(steps):
        client.flushdb()
        prepare(survivor)
        dying = connect(patience=0)
        break_at(dying, at, replied=replied, times=float("inf"))
        with pytest.raises(BrokerUnavailable):
            operation(dying)
        survivor.release("w", {})
        survivor.release("gone", {})

        assert leaks(client) == []
        assert client.hlen("{fq}:workers") == 0
        assert client.keys("{fq}:claimed:*") == []


@pytest.mark.parametrize("replied", [False, True], ids=["before_it_was_sent", "after_it_was_done"])
def test_a_turn_that_was_given_up_is_gone_on_with_by_the_next(
    connect: Callable[..., RedisBroker], client: redis.Redis, shared: Server, replied: bool
) -> None:
    """With small scripts, so that a turn has many steps: 30 commits, 25 claims, and 12 messages of a dead worker among them."""
    request, at, struck = ClaimRequest("w", ("q",), 25), 0, True
    while struck:
        client.flushdb()
        broker = tune(connect(patience=0), max_per_script=10, max_reclaimed=5)
        broker.enqueue([enqueue_op(f"m{number:02}") for number in range(80)])
        held = broker.turn((), ClaimRequest("w", ("q",), 30)).deliveries
        assert len(broker.turn((), ClaimRequest("gone", ("q",), 12, 1_000)).deliveries) == 12
        broker.offset = 1_000
        commits = [*(commit(each, ACK, StoreResultOp(each.message_id, b"1", 60_000)) for each in held), Commit("nobody", "q", 1)]
        faulty = break_at(broker, at, replied=replied, times=2)
        try:
            turn = broker.turn(commits, request)
        except BrokerUnavailable:
            mend(broker)
            turn = broker.turn(commits, request)
        mend(broker)
        struck, at = faulty.exchanges > at, at + 1

        assert [each.message_id for each in turn.deliveries] == [f"m{number:02}" for number in range(30, 55)]
        assert turn.stale == ("nobody",)
        assert all(broker.result(each.message_id) == b"1" for each in held)
        assert leaks(client) == []
    assert at > 8


def test_a_worker_that_wants_less_by_then_hands_back_what_the_lost_reply_gave_it(connect: Callable[..., RedisBroker]) -> None:
    broker = connect(patience=0)
    broker.enqueue([enqueue_op("a"), enqueue_op("b"), enqueue_op("c")])
    break_at(broker, 0, replied=True)
    with pytest.raises(BrokerUnavailable):
        broker.turn((), WANT)
    mend(broker)
    turn = broker.turn((), ClaimRequest("w", ("q",), 1))

    assert [each.message_id for each in turn.deliveries] == ["a"]
    assert [(broker.status(id_).state, broker.status(id_).deliveries) for id_ in "abc"] == [("running", 1), ("ready", 0), ("ready", 0)]
