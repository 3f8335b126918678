"""What is special about a store in several shards: which shard has what, what goes from one to another, and where shards are weaker than one store."""

from collections.abc import Callable

import pytest
import redis
from attrs import evolve

from fq.brokers import broker_from_url
from fq.brokers.operations import FINISHED, finished_key
from fq.brokers.records import (
    ABSENT,
    ACK,
    ArriveOp,
    Bury,
    ClaimRequest,
    DeferredEnqueue,
    EnqueueOp,
    SetMarkOp,
    StoreResultOp,
)
from fq.brokers.redis import RedisBroker
from fq.brokers.redis.shards import ShardedRedisBroker
from fq.brokers.redis.shards.carriers import OUTBOX, Carrier, carrier_op, read_carrier
from fq.brokers.redis.shards.routing import Routing
from fq.brokers.redis.shards.turns import MAX_STAY
from fq.core.derived_ids import child_id
from fq.core.fault import Fault
from fq.errors import ConfigError
from fq.execution.requeue_plan import plan_requeue
from tests.brokers.builders import after_op, enqueue_op, unique_op
from tests.brokers.redis.servers import Server
from tests.brokers.redis.shards.builders import SHARDS, commit, leaks_of, name_in, request, run_all

Connect = Callable[..., ShardedRedisBroker]
FAULT = Fault("ValueError", "boom")
KEY = name_in(2, "key")
AWAY = name_in(0, "away")  # the id of a message with that key, which is in another shard than its id says


def test_the_first_process_says_how_many_shards_there_are(sharded: Connect, valkey: Server) -> None:
    sharded().enqueue([enqueue_op("m")])

    with pytest.raises(ConfigError, match=r"found 3 shards in the namespace 'fq', expected shards=4.*type: \?shards=3"):
        sharded(shards=4).status("m")
    assert sharded().status("m").state == "ready"


CALLS: dict[str, Callable[[ShardedRedisBroker], object]] = {
    "turn": lambda broker: broker.turn((), request()),
    "result": lambda broker: broker.result("m"),
    "queues": lambda broker: broker.queues(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_no_call_goes_to_another_number_of_shards(sharded: Connect, call: Callable[[ShardedRedisBroker], object]) -> None:
    sharded().queues()

    with pytest.raises(ConfigError):
        call(sharded(shards=2))


def test_a_namespace_with_messages_is_not_divided(sharded: Connect, valkey: Server, client: redis.Redis) -> None:
    plain = RedisBroker(valkey.url)
    plain.enqueue([enqueue_op("m")])
    plain.close()

    with pytest.raises(ConfigError, match="found messages without shards in the namespace 'fq'"):
        sharded().enqueue([enqueue_op("n")])
    assert client.exists("{fq}:shards") == 0
    client.flushdb()


def test_one_shard_is_a_namespace_as_it_is_without() -> None:
    assert type(broker_from_url("redis://localhost:6379/0?shards=1")) is RedisBroker
    assert str(broker_from_url("redis://localhost:6379/0?shards=1&socket_timeout=3")) == "redis://localhost:6379/0?socket_timeout=3"


@pytest.mark.parametrize("count", ["0", "", "-1", "many", "1001"])
def test_a_number_of_shards_that_is_none_is_an_error(count: str) -> None:
    with pytest.raises(ConfigError, match=r"expected a whole number from 1 to 1000"):
        broker_from_url(f"redis://localhost:6379/0?shards={count}")


def test_the_shard_of_a_name_never_changes() -> None:
    routing = Routing(16)

    assert [routing.of_message(name) for name in ("m1", "m2", "order-12{customer-7}", "customer-7")] == [15, 5, 8, 8]
    assert {routing.of_mark(f"{kind}:m1") for kind in ("finished", "progress")} == {routing.of_mark("stream:m1:00:01")} == {15}
    assert routing.of_message("x" * 10_000) == routing.of_mark(finished_key("x" * 10_000))


def test_what_follows_a_message_with_a_tag_stays_in_its_shard() -> None:
    routing, names = Routing(16), [f"order-{number}{{customer-7}}" for number in range(20)]
    followers = [child_id(child_id(name, "pipe"), "then", 1) for name in names]

    assert len({routing.of_message(name) for name in (*names, *followers)}) == 1
    assert len({*names, *followers}) == 40


OPERATIONS = [
    EnqueueOp("m", "q", "act", -3, 7, b"\0\xff", True),
    after_op("m", "k", until="start", window=3, max_wait=4),
    StoreResultOp("m", b"\xff\0", 3, "g"),
    ArriveOp("g", 1, 2, b"\xff", (DeferredEnqueue(enqueue_op("n"), b"\xff", b"}", b"\0"),), 5),
    SetMarkOp("k", None, 1, b"\xff", "i", 2, 3, (enqueue_op("m"), unique_op("n"))),
    SetMarkOp("k", b"\0", expected=ABSENT),
]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: f"{type(operation).__name__}{OPERATIONS.index(operation)}")
def test_a_carrier_brings_what_it_was_given(operation: object) -> None:
    for carrier in (Carrier(2, (operation,)), Carrier(1, (enqueue_op("x", body=b"\0b"), operation, operation), True)):
        assert read_carrier(carrier_op(carrier).body) == carrier


def test_a_message_with_a_unique_key_is_found_by_its_id_in_the_shard_of_the_key(broker: ShardedRedisBroker) -> None:
    broker.enqueue([unique_op(AWAY, KEY, delay=60_000)])

    assert broker.status(AWAY).state == "delayed"
    assert broker.peek(AWAY).status.message_id == AWAY
    assert broker.replace(unique_op(AWAY, KEY, body=b"new"))
    assert broker.cancel(AWAY)
    (delivery,) = broker.turn((), request()).deliveries
    assert (delivery.body, delivery.interrupted) == (b"new", "cancelled")
    assert [each.message_id for each in broker.claimed_by("w")] == [AWAY]
    assert broker.status(AWAY).token == delivery.token
    broker.turn([commit(delivery, Bury(FAULT), StoreResultOp(AWAY, b"1", 60_000))], request(limit=0))
    assert broker.status(AWAY).state == "dead"
    assert broker.wait_result(AWAY, 0) == b"1"
    assert broker.requeue([AWAY], plan_requeue) == 1
    assert broker.place([unique_op("other", KEY)])[0].message_id == "other", "requeue_plan reads no key in this body"
    assert broker.discard([AWAY]) == 1


def test_a_key_is_held_whatever_the_ids(broker: ShardedRedisBroker) -> None:
    names = [name_in(shard, "m") for shard in range(SHARDS)]
    found = broker.place([unique_op(name, KEY) for name in names])

    assert [(each.message_id, each.is_new) for each in found] == [(names[0], True), (names[0], False), (names[0], False)]


def test_what_a_cancelled_message_sends_on_is_cancelled_in_any_shard(broker: ShardedRedisBroker) -> None:
    root, names = name_in(0, "root"), [name_in(shard, "next") for shard in range(SHARDS)]
    broker.enqueue([enqueue_op(root)])
    (delivery,) = broker.turn((), request()).deliveries
    broker.cancel(root)
    operations = [evolve(enqueue_op(name), continues=True) for name in names]
    turn = broker.turn([commit(delivery, ACK, *operations, enqueue_op(name_in(1, "plain")))], request())

    assert {each.message_id: each.interrupted for each in turn.deliveries} == {**dict.fromkeys(names, "cancelled"), name_in(1, "plain"): ""}


def test_what_follows_a_cancelled_group_is_cancelled_in_any_shard(broker: ShardedRedisBroker) -> None:
    names, group, runners = (
        [name_in(shard, "then") for shard in range(SHARDS)],
        name_in(1, "group"),
        [name_in(shard, "run") for shard in range(SHARDS)],
    )
    then = tuple(DeferredEnqueue(enqueue_op(name, "r"), b"{", b"}") for name in names)
    broker.enqueue([enqueue_op(name) for name in runners])
    deliveries = broker.turn((), request()).deliveries
    for number, delivery in enumerate(deliveries):
        if number == 1:
            broker.cancel_all([], [group])
        broker.turn([commit(delivery, ACK, ArriveOp(group, number, SHARDS, b"%d" % number, then, 60_000))], request(limit=0))
        assert broker.status(group).state == ("waiting" if number < SHARDS - 1 else "done")

    found = broker.turn((), request("w", "r")).deliveries
    assert {each.message_id: (each.body, each.interrupted) for each in found} == dict.fromkeys(names, (b"{[0,1,2]}", "cancelled"))


def test_an_index_keeps_its_bound_over_all_shards(broker: ShardedRedisBroker) -> None:
    for number in range(30):
        broker.set_marks([SetMarkOp(f"m{number}", b"1", index="recent", order=number, most=5)])
    broker.enqueue([enqueue_op("m")])
    (delivery,) = broker.turn((), request()).deliveries
    marks = [SetMarkOp(finished_key(f"m{number}"), b"1", index=FINISHED, order=number, most=7) for number in range(20)]
    broker.turn([commit(delivery, ACK, *marks)], request(limit=0))

    assert [mark.order for mark in broker.marks_in("recent")] == [25, 26, 27, 28, 29]
    assert [mark.order for mark in broker.marks_in(FINISHED, latest_first=True)] == list(range(19, 12, -1))
    assert (broker.count_marks("recent"), broker.count_marks(FINISHED)) == (5, 7)
    first = broker.marks_in("recent", limit=2)
    assert [mark.order for mark in broker.marks_in("recent", after=(first[-1].order, first[-1].key), limit=2)] == [27, 28]


def test_people_see_no_carriers(broker: ShardedRedisBroker, sharded: Connect) -> None:
    """Some that wait, and some that a worker holds, which has died."""
    dying = sharded()
    for shard in dying.shards:
        shard.enqueue([carrier_op(Carrier((shard.number + 1) % SHARDS, (enqueue_op(name_in(shard.number, "m")),))) for _ in range(2)])
        shard.turns.turn((), ClaimRequest("dead", (OUTBOX,), 1), "")

    assert broker.queues() == broker.claimed_by("dead") == broker.dead_letters() == ()
    assert [broker.browse(state).entries for state in ("ready", "running", "delayed", "dead")] == [()] * 4
    assert [(worker.worker, worker.queues) for worker in broker.workers()] == [("dead", ())]
    assert broker.release("dead", {}) == 0
    assert sorted(run_all(broker)) == sorted(name_in(shard, "m") for shard in range(SHARDS))


def test_what_is_no_carrier_is_a_dead_letter_and_keeps_no_other_back(broker: ShardedRedisBroker, silent: None) -> None:
    bodies = [b"", b"[]", b"{}", b"[1, false, []]", b'[1, false, [["no such kind"]]]', b"\xff"]
    broker.shards[0].enqueue([enqueue_op(f"c{number}", OUTBOX, body=body) for number, body in enumerate(bodies)])
    broker.shards[0].enqueue([carrier_op(Carrier(1, (enqueue_op(name_in(1, "m")),)))])

    assert run_all(broker) == [name_in(1, "m")]
    assert sorted(letter.message_id for letter in broker.dead_letters()) == [f"c{number}" for number in range(len(bodies))]
    assert {letter.fault.type for letter in broker.dead_letters()} == {"DecodeError"}
    assert broker.discard([letter.message_id for letter in broker.dead_letters()]) == len(bodies)


def test_pages_go_through_all_shards_and_end(broker: ShardedRedisBroker) -> None:
    names = [f"m{number:02}" for number in range(25)]
    broker.enqueue([enqueue_op(name, priority=number % 3) for number, name in enumerate(names)])
    found, after = [], None
    while after != "":
        page = broker.browse("ready", after=after or "", limit=4)
        found, after = [*found, *page.entries], page.after
        assert len(page.entries) <= 4

    assert sorted(entry.status.message_id for entry in found) == names
    assert [entry.priority for entry in found] == sorted(entry.priority for entry in found)


def test_claims_go_from_shard_to_shard(broker: ShardedRedisBroker) -> None:
    """No full shard keeps the others waiting."""
    broker.enqueue([enqueue_op(f"m{number}") for number in range(300)])
    broker._turns.visit_seconds = 3_600
    seen = [{each.token % SHARDS for each in broker.turn((), request(limit=2)).deliveries} for _ in range(2 * MAX_STAY * SHARDS)]

    assert [len(shards) for shards in seen] == [1] * len(seen)
    rounds = [seen[first : first + MAX_STAY] for first in range(0, len(seen), MAX_STAY)]
    assert [len(set.union(*each)) for each in rounds] == [1] * len(rounds), "it stays for a while, to commit and claim in one step"
    assert set.union(*seen[: len(seen) // 2]) == set.union(*seen[len(seen) // 2 :]) == set(range(SHARDS))


def test_a_worker_is_busy_in_one_shard_and_keeps_its_lease_in_the_others(broker: ShardedRedisBroker, client: redis.Redis) -> None:
    broker.enqueue([enqueue_op(f"m{number}") for number in range(30)])
    broker.turn((), request(limit=30))

    assert broker.renew(["w"], 60_000) == {}
    assert all(worker.lease_left > 14_000 for shard in broker.shards for worker in shard.workers())
    assert leaks_of(client) == []


def test_the_doctor_says_how_messages_are_spread(broker: ShardedRedisBroker) -> None:
    broker.enqueue([enqueue_op(name_in(0, "a")), enqueue_op(name_in(0, "b")), enqueue_op(name_in(1, "c"))])
    broker.shards[1].enqueue([carrier_op(Carrier(0, (enqueue_op("m"),)))])
    found = {finding.what: finding for finding in broker.diagnose()}

    assert found["shards"].found == "3, with 0 to 2 messages each"
    assert (found["outboxes"].level, found["outboxes"].found) == ("warn", "in shards 1 operations for other shards wait to be taken there")
    assert len([finding for finding in broker.diagnose() if finding.what == "server"]) == 1
    assert len(run_all(broker)) == 4


def test_messages_without_bodies_fit_into_a_claim_that_is_full(broker: ShardedRedisBroker) -> None:
    names = [name_in(shard, "m") for shard in range(SHARDS)]
    broker.enqueue([enqueue_op(name, body=b"") for name in names])

    assert sorted(each.message_id for each in broker.turn((), evolve(request(), max_bytes=0)).deliveries) == sorted(names)
