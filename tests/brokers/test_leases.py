"""Every broker: leases are per worker; the next turn of any worker takes back what a dead worker held."""

import pytest

from fq.brokers.protocol import Broker
from fq.brokers.records import Release
from tests.brokers.builders import LEASE_MS, claim, claim_one, claim_request, commit, enqueue_op, enqueue_ops, ids, outcome, settle, state
from tests.brokers.harness import Harness

# The lease runs out.


def test_a_message_is_held_as_long_as_the_lease_runs(harness: Harness, broker: Broker, other: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    delivery = claim_one(broker, "w1")
    harness.advance(LEASE_MS - 5_000)

    assert claim(other, "w2") == ()
    assert commit(broker, delivery) == ()


def test_the_first_turn_of_anybody_after_its_end_takes_the_message_back(harness: Harness, broker: Broker, other: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    claim(broker, "w1")
    harness.advance(LEASE_MS)
    delivery = claim_one(other, "w2")

    assert (delivery.message_id, delivery.deliveries, delivery.interrupted) == ("m", 2, "")
    assert [worker.worker for worker in other.workers()] == ["w2"]


def test_a_turn_that_wants_nothing_takes_back_too(harness: Harness, broker: Broker, other: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    claim(broker, "w1")
    harness.advance(LEASE_MS)
    settle(other, "w2")

    assert state(other, "m") == "ready"


def test_what_is_taken_back_keeps_its_place_in_the_order(harness: Harness, broker: Broker, other: Broker) -> None:
    broker.enqueue(enqueue_ops("a", "b", "c"))
    claim(broker, "w1", limit=2)
    harness.advance(LEASE_MS)
    other.enqueue(enqueue_ops("d"))

    assert ids(claim(other, "w2")) == ["a", "b", "c", "d"]


def test_an_earlier_interruption_is_forgotten_when_the_worker_dies(harness: Harness, broker: Broker, other: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    commit(broker, claim_one(broker), Release(interrupted="shutdown"))
    claim(broker, "w1")
    harness.advance(LEASE_MS)

    assert claim_one(other, "w2").interrupted == ""


def test_thousands_of_messages_of_a_dead_worker_come_back_turn_by_turn_without_a_pause(
    harness: Harness, broker: Broker, other: Broker
) -> None:
    names = [f"m{number}" for number in range(2_500)]
    broker.enqueue(enqueue_ops(*names))
    claim(broker, "w1", limit=5_000)
    harness.advance(LEASE_MS)

    found: list[str] = []
    while len(found) < len(names):
        turn = other.turn((), claim_request("w2", limit=400, lease=1_000_000))
        found += ids(turn.deliveries)
        assert turn.deliveries or turn.idle_for == 0, "idle while there is something to take back"

    assert sorted(found) == sorted(names)


def test_the_dead_of_several_workers_come_back_and_the_living_keep_theirs(harness: Harness, broker: Broker, other: Broker) -> None:
    broker.enqueue(enqueue_ops("a", "b", "c"))
    for worker, lease in (("w1", 10_000), ("w2", 60_000), ("w3", 20_000)):
        claim(broker, worker, limit=1, lease=lease)
    harness.advance(20_000)

    assert ids(claim(other, "w4")) == ["a", "c"]


# The lease is renewed.


def test_a_renewed_lease_runs_from_then_on(harness: Harness, broker: Broker, other: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    claim(broker, "w1")
    harness.advance(10_000)
    other.renew(["w1"], 30_000)
    harness.advance(25_000)
    before = claim(other, "w2")
    harness.advance(5_000)

    assert before == ()
    assert ids(claim(other, "w2")) == ["m"]


@pytest.mark.parametrize("limit", [0, 5])
def test_every_turn_renews_the_lease_of_its_worker(harness: Harness, broker: Broker, other: Broker, limit: int) -> None:
    broker.enqueue(enqueue_ops("m"))
    claim(broker, "w1")
    for _ in range(3):
        harness.advance(10_000)
        broker.turn((), claim_request("w1", limit=limit))

    assert claim(other, "w2") == ()


def test_several_leases_are_renewed_at_once(harness: Harness, broker: Broker, other: Broker) -> None:
    broker.enqueue(enqueue_ops("a", "b", "c"))
    for worker in ("w1", "w2", "w3"):
        claim(broker, worker, limit=1)
    broker.renew(["w1", "w3"], 100_000)
    harness.advance(LEASE_MS)

    assert ids(claim(other, "w4")) == ["b"]


def test_who_never_took_a_turn_has_nothing_to_renew(broker: Broker) -> None:
    broker.renew(["stranger"], 30_000)
    broker.renew([], 30_000)

    assert broker.workers() == ()


def test_what_has_been_taken_back_is_not_renewed(harness: Harness, broker: Broker, other: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    delivery = claim_one(broker, "w1")
    harness.advance(LEASE_MS)
    settle(other, "w2")
    broker.renew(["w1"], 30_000)

    assert [worker.worker for worker in other.workers()] == ["w2"]
    assert commit(broker, delivery) == ("m",)


def test_a_worker_that_comes_too_late_but_before_anybody_else_keeps_what_it_holds(harness: Harness, broker: Broker, other: Broker) -> None:
    broker.enqueue(enqueue_ops("m", "n"))
    delivery = claim_one(broker, "w1")
    harness.advance(2 * LEASE_MS)
    turn = broker.turn([outcome(delivery)], claim_request("w1"))

    assert turn.stale == ()
    assert ids(turn.deliveries) == ["n"]


def test_a_worker_that_was_taken_back_registers_anew_with_its_next_turn(harness: Harness, broker: Broker, other: Broker) -> None:
    claim(broker, "w1")
    harness.advance(LEASE_MS)
    settle(other, "w2")
    settle(broker, "w1")

    assert [worker.worker for worker in other.workers()] == ["w1", "w2"]


# A worker is known to be dead.


def test_release_takes_back_everything_at_once(broker: Broker, other: Broker) -> None:
    broker.enqueue(enqueue_ops("a", "b", "c"))
    claim(broker, "w1", limit=2)

    assert other.release("w1", {}) == 2
    assert other.workers() == ()
    assert [(delivery.message_id, delivery.deliveries) for delivery in claim(other, "w2")] == [("a", 2), ("b", 2), ("c", 1)]


def test_release_leaves_what_others_hold(broker: Broker, other: Broker) -> None:
    broker.enqueue(enqueue_ops("a", "b"))
    claim(broker, "w1", limit=1)
    held = claim_one(broker, "w2")

    assert other.release("w1", {}) == 1
    assert commit(broker, held, worker="w2") == ()


def test_release_says_which_messages_were_interrupted_and_why(broker: Broker, other: Broker) -> None:
    broker.enqueue(enqueue_ops("a", "b"))
    commit(broker, claim_one(broker), Release(interrupted="an earlier reason"))
    claim(broker, "w1")
    other.release("w1", {"b": "time_limit", "unknown": "time_limit"})

    assert [(delivery.message_id, delivery.interrupted) for delivery in claim(other, "w2")] == [("a", ""), ("b", "time_limit")]


def test_release_says_for_which_messages_the_delivery_counts(broker: Broker, other: Broker) -> None:
    broker.enqueue(enqueue_ops("a", "b", "c"))
    claim(broker, "w1")
    other.release("w1", {"b": "time_limit"}, ["b"])

    assert [(delivery.message_id, delivery.deliveries) for delivery in claim(other, "w2")] == [("a", 1), ("b", 2), ("c", 1)]


def test_release_may_count_no_delivery_at_all(broker: Broker, other: Broker) -> None:
    broker.enqueue(enqueue_ops("a"))
    claim(broker, "w1")
    other.release("w1", {}, ())

    assert claim_one(other, "w2").deliveries == 1


def test_release_of_many_is_wholly_done_in_one_call(broker: Broker, other: Broker) -> None:
    broker.enqueue(enqueue_ops(*(f"m{number}" for number in range(3_000))))
    claim(broker, "w1", limit=5_000)

    assert other.release("w1", {}) == 3_000
    assert other.queues()[0].ready == 3_000


def test_release_of_a_stranger_takes_back_nothing(broker: Broker) -> None:
    assert broker.release("stranger", {"m": "time_limit"}) == 0


def test_a_released_worker_commits_nothing(broker: Broker, other: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    delivery = claim_one(broker, "w1")
    other.release("w1", {})

    assert commit(broker, delivery) == ("m",)
    assert state(other, "m") == "ready"


# Who has a lease.


def test_workers_are_listed_by_name_with_what_is_left_and_what_they_hold(harness: Harness, broker: Broker) -> None:
    broker.enqueue(enqueue_ops("a", "b", "c"))
    claim(broker, "zeta", limit=2, lease=50_000)
    claim(broker, "alpha", limit=1, lease=20_000)
    harness.advance(5_000)
    alpha, zeta = broker.workers()

    assert (alpha.worker, alpha.in_flight, zeta.worker, zeta.in_flight) == ("alpha", 1, "zeta", 2)
    assert 15_000 - harness.slack <= alpha.lease_left <= 15_000
    assert 45_000 - harness.slack <= zeta.lease_left <= 45_000


def test_a_worker_without_messages_is_listed_until_its_lease_ends(harness: Harness, broker: Broker, other: Broker) -> None:
    claim(broker, "w1")
    before = [worker.worker for worker in other.workers()]
    harness.advance(LEASE_MS)
    settle(other, "w2")

    assert before == ["w1"]
    assert [worker.worker for worker in other.workers()] == ["w2"]


def test_workers_are_listed_with_the_queues_that_they_ask_for(broker: Broker, other: Broker) -> None:
    broker.turn((), claim_request("w1", "mail", 'Ünïcode "q"', "mail", limit=0))
    claim(broker, "w2", "b", "a")

    assert {worker.worker: worker.queues for worker in other.workers()} == {"w1": ("mail", 'Ünïcode "q"'), "w2": ("a", "b")}


def test_a_worker_that_asks_for_other_queues_is_listed_with_all_of_them(broker: Broker, other: Broker) -> None:
    for queues in (("b",), ("c", "a"), ("b",)):
        claim(broker, "w1", *queues)

    assert [worker.queues for worker in other.workers()] == [("a", "b", "c")]


def test_what_a_worker_asked_for_is_forgotten_with_its_lease(harness: Harness, broker: Broker, other: Broker) -> None:
    claim(broker, "released", "a")
    claim(broker, "expired", "a")
    other.release("released", {})
    harness.advance(LEASE_MS)
    settle(other, "heir")
    for worker in ("released", "expired"):
        claim(broker, worker, "b")

    assert {worker.worker: worker.queues for worker in other.workers()} == {"released": ("b",), "expired": ("b",), "heir": ("q",)}


def test_a_post_while_nobody_works_waits_for_somebody(harness: Harness, broker: Broker, other: Broker) -> None:
    broker.enqueue([enqueue_op("m")])
    harness.advance(10 * LEASE_MS)

    assert ids(claim(other, "w1")) == ["m"]
