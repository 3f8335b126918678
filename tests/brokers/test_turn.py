"""Every broker: what a turn claims, and how long it says to be idle."""

import pytest

from fq.brokers.protocol import Broker
from fq.brokers.records import ACK, EnqueueOp, StoreResultOp
from tests.brokers.builders import claim, claim_one, claim_request, enqueue_op, enqueue_ops, ids, outcome, settle, state
from tests.brokers.harness import Harness


def test_a_turn_claims_no_more_than_its_limit(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("a", "b", "c"))

    assert len(claim(broker, limit=2)) == 2


def test_a_turn_of_limit_0_claims_nothing(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("a"))

    assert claim(broker, limit=0) == ()
    assert state(broker, "a") == "ready"


def test_what_is_claimed_is_claimed_by_nobody_else(broker: Broker, other: Broker) -> None:
    broker.enqueue(enqueue_ops("a", "b"))

    assert ids(claim(broker, "w1", limit=1)) == ["a"]
    assert ids(claim(other, "w2")) == ["b"]
    assert claim(broker, "w1") == claim(other, "w2") == ()


def test_a_delivery_says_what_was_claimed_and_when(harness: Harness, broker: Broker) -> None:
    broker.enqueue([enqueue_op("m", "mail", body=b"body")])
    harness.advance(5_000)
    delivery = claim_one(broker, "w1", "mail")

    assert (delivery.message_id, delivery.queue_name, delivery.body) == ("m", "mail", b"body")
    assert (delivery.deliveries, delivery.interrupted) == (1, "")
    assert abs(delivery.received_at - broker.now()) <= harness.slack


def test_a_claimed_message_runs(broker: Broker) -> None:
    broker.enqueue([enqueue_op("m", actor="add")])
    claim(broker, "w1")
    status = broker.status("m")

    assert (status.state, status.queue_name, status.actor_name, status.worker, status.deliveries) == ("running", "q", "add", "w1", 1)


def test_every_turn_gives_new_tokens(broker: Broker, other: Broker) -> None:
    broker.enqueue(enqueue_ops(*map(str, range(6))))
    tokens = [{delivery.token for delivery in claim(handle, limit=2)} for handle in (broker, other, broker)]

    assert not tokens[0] & tokens[1] and not tokens[1] & tokens[2] and not tokens[0] & tokens[2]


# Several queues.


def test_a_turn_claims_from_all_the_queues_that_it_names_and_from_no_other(broker: Broker) -> None:
    broker.enqueue([enqueue_op("a", "qa"), enqueue_op("b", "qb"), enqueue_op("c", "qc")])

    assert sorted(ids(claim(broker, "w1", "qa", "qc"))) == ["a", "c"]


def test_within_each_queue_the_order_holds(broker: Broker) -> None:
    broker.enqueue([enqueue_op(f"{queue}{number}", queue, priority=number % 2) for number in range(4) for queue in ("a", "b")])
    found = ids(claim(broker, "w1", "a", "b"))

    assert [name for name in found if name[0] == "a"] == ["a0", "a2", "a1", "a3"]
    assert [name for name in found if name[0] == "b"] == ["b0", "b2", "b1", "b3"]


def test_what_one_queue_does_not_fill_the_next_does(broker: Broker) -> None:
    broker.enqueue([enqueue_op("a", "qa"), *(enqueue_op(f"b{number}", "qb") for number in range(5))])

    assert len(claim(broker, "w1", "qa", "qb", "qc", limit=4)) == 4


@pytest.mark.parametrize("limit", [1, 3])
def test_a_full_queue_starves_no_other(broker: Broker, limit: int) -> None:
    queues = ("full", "b", "c")
    broker.enqueue([enqueue_op(f"full{number}", "full") for number in range(20)])
    broker.enqueue([enqueue_op("in-b", "b"), enqueue_op("in-c", "c")])
    found = [name for _ in queues for name in ids(claim(broker, "w1", *queues, limit=limit))]

    assert {"in-b", "in-c"} <= set(found)


def test_two_workers_starve_no_queue_either(broker: Broker, other: Broker) -> None:
    broker.enqueue([enqueue_op(f"{queue}{number}", queue) for queue in ("a", "b") for number in range(20)])
    found = [
        name
        for _ in range(4)
        for handle, worker in ((broker, "w1"), (other, "w2"))
        for name in ids(claim(handle, worker, "a", "b", limit=1))
    ]

    assert {name[0] for name in found[::2]} == {name[0] for name in found[1::2]} == {"a", "b"}


def test_a_queue_that_is_named_twice_counts_once(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("a", "b"))

    assert ids(claim(broker, "w1", "q", "q")) == ["a", "b"]


# Large turns.


def test_a_turn_may_claim_and_commit_more_than_ten_thousand(broker: Broker) -> None:
    names = [f"m{number}" for number in range(12_000)]
    for start in range(0, len(names), 4_000):
        broker.enqueue(enqueue_ops(*names[start : start + 4_000]))
    claimed = claim(broker, limit=20_000)
    kept = {f"m{number}": StoreResultOp(f"m{number}", str(number).encode(), 60_000) for number in range(0, len(names), 10)}
    commits = [outcome(delivery, ACK, *filter(None, [kept.get(delivery.message_id)])) for delivery in claimed]
    turn = broker.turn(commits, claim_request())

    assert ids(claimed) == names
    assert turn.deliveries == turn.stale == ()
    assert state(broker, "m11999") == "unknown"
    assert broker.result("m0") == b"0" and broker.result("m11990") == b"11990"


# When to come back.


def test_with_nothing_to_do_a_turn_allows_to_idle_but_not_for_ever(broker: Broker) -> None:
    turn = settle(broker)

    assert 1_000 <= turn.idle_for <= 60_000


def test_a_turn_says_when_the_next_delayed_message_is_due(harness: Harness, broker: Broker) -> None:
    broker.enqueue([enqueue_op("late", delay=20_000), enqueue_op("later", delay=30_000)])
    harness.advance(5_000)

    assert 15_000 - harness.slack <= settle(broker).idle_for <= 15_000


def test_a_turn_says_when_the_lease_of_another_worker_ends(harness: Harness, broker: Broker) -> None:
    claim(broker, "w1", lease=20_000)
    harness.advance(5_000)

    assert 15_000 - harness.slack <= settle(broker, "w2").idle_for <= 15_000


def test_the_lease_of_the_worker_itself_is_no_reason_to_come_back(broker: Broker) -> None:
    assert broker.turn((), claim_request(lease=500)).idle_for >= 1_000


def test_a_message_that_a_commit_delays_counts(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    turn = broker.turn([outcome(claim_one(broker), ACK, enqueue_op("later", delay=7_000))], claim_request())

    assert turn.idle_for <= 7_000


def test_commits_and_claims_share_a_turn(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("a", "b"))
    first = claim_one(broker)
    turn = broker.turn([outcome(first)], claim_request(limit=1))

    assert ids(turn.deliveries) == ["b"]
    assert state(broker, "a") == "unknown"


def test_what_a_commit_posts_can_be_claimed_in_the_same_turn(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("a"))
    turn = broker.turn([outcome(claim_one(broker), ACK, enqueue_op("b"))], claim_request())

    assert ids(turn.deliveries) == ["b"]


# How many bytes.


def sized(*sizes: int) -> list[EnqueueOp]:
    return [enqueue_op(f"m{number}", body=size * b"x") for number, size in enumerate(sizes)]


@pytest.mark.parametrize(
    ("sizes", "claims"),
    [
        ((40, 40, 20, 1), ["m0 m1 m2", "m3"]),
        ((101, 1), ["m0", "m1"]),
        ((1, 101, 101), ["m0", "m1", "m2"]),
        ((100, 0, 0, 1), ["m0 m1 m2", "m3"]),
        ((99, 2, 1), ["m0", "m1 m2"]),
        (40 * (10,), [" ".join(f"m{number}" for number in range(first, first + 10)) for first in range(0, 40, 10)]),
    ],
)
def test_the_bodies_of_a_claim_come_to_no_more_than_is_wanted_and_a_larger_message_comes_alone(
    broker: Broker, sizes: tuple[int, ...], claims: list[str]
) -> None:
    broker.enqueue(sized(*sizes))
    found = [" ".join(ids(broker.turn((), claim_request(max_bytes=100)).deliveries)) for _ in claims]

    assert found == claims
    assert claim(broker) == ()


def test_what_does_not_fit_into_a_claim_keeps_its_place_and_is_untouched(broker: Broker, other: Broker) -> None:
    broker.enqueue([enqueue_op("a", body=60 * b"x"), enqueue_op("b", body=60 * b"x", priority=1), enqueue_op("c", priority=2)])
    broker.turn((), claim_request(max_bytes=100))

    assert [state(broker, name) for name in "abc"] == ["running", "ready", "ready"]
    assert [(each.message_id, each.deliveries, each.interrupted) for each in claim(other, "w2")] == [("b", 1, ""), ("c", 1, "")]


def test_the_bytes_of_a_claim_are_those_from_all_queues_together(broker: Broker) -> None:
    broker.enqueue([enqueue_op("a", "q", body=60 * b"x"), enqueue_op("b", "other", body=60 * b"x")])
    first, second = (broker.turn((), claim_request("w1", "q", "other", max_bytes=100)).deliveries for _ in range(2))

    assert len(first) == len(second) == 1
    assert {first[0].message_id, second[0].message_id} == {"a", "b"}


def test_messages_of_some_megabytes_are_not_all_claimed_at_once(broker: Broker) -> None:
    for number in range(6):
        broker.enqueue([enqueue_op(f"m{number}", body=6_000_000 * b"x")])
    turns = [claim(broker) for _ in range(3)]

    assert [ids(deliveries) for deliveries in turns] == [["m0", "m1"], ["m2", "m3"], ["m4", "m5"]]
    assert {len(delivery.body) for deliveries in turns for delivery in deliveries} == {6_000_000}
    assert broker.turn([outcome(delivery) for deliveries in turns for delivery in deliveries], claim_request()).stale == ()
