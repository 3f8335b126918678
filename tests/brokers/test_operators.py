"""Every broker: the calls of operators: queues, pauses, the status of a message."""

import pytest

from fq.brokers.protocol import Broker
from fq.brokers.records import RELEASE, Bury, Reschedule, StoreResultOp
from fq.core.fault import Fault
from tests.brokers.builders import FAULT, LEASE_MS, bury, claim, claim_one, commit, enqueue_op, enqueue_ops, ids, run, settle, state
from tests.brokers.harness import Harness

TYPE_ERROR = Fault("TypeError", "not an int")


# Where a message is.


def test_a_message_that_nobody_knows_is_unknown(broker: Broker) -> None:
    status = broker.status("nobody")

    assert (status.message_id, status.state) == ("nobody", "unknown")


def test_the_status_follows_a_message_through_its_life(harness: Harness, broker: Broker, other: Broker) -> None:
    broker.enqueue([enqueue_op("m", actor="add", delay=10_000)])
    life = [other.status("m")]
    harness.advance(10_000)
    settle(broker)
    life.append(other.status("m"))
    delivery = claim_one(broker, "w1")
    life.append(other.status("m"))
    commit(broker, delivery, Reschedule(enqueue_op("m", actor="add", delay=5_000), FAULT))
    life.append(other.status("m"))
    harness.advance(5_000)
    commit(broker, claim_one(broker, "w1"), Bury(TYPE_ERROR))
    life.append(other.status("m"))

    assert [status.state for status in life] == ["delayed", "ready", "running", "delayed", "dead"]
    assert {(status.message_id, status.queue_name, status.actor_name) for status in life} == {("m", "q", "add")}
    assert [status.worker for status in life] == ["", "", "w1", "", ""]
    assert [status.deliveries for status in life[:4]] == [0, 0, 1, 0]
    assert [status.fault for status in life] == [None, None, None, FAULT, TYPE_ERROR]


def test_only_what_is_delayed_has_a_due_time(harness: Harness, broker: Broker) -> None:
    broker.enqueue([enqueue_op("late", delay=10_000), enqueue_op("ready")])

    assert abs(broker.status("late").due - broker.now() - 10_000) <= harness.slack
    assert broker.status("ready").due == 0


def test_what_is_due_is_ready_before_any_turn_has_come_by(harness: Harness, broker: Broker) -> None:
    broker.enqueue([enqueue_op("m", delay=10_000), enqueue_op("later", delay=30_000)])
    harness.advance(10_000)
    (queue,) = broker.queues()

    assert [state(broker, "m"), state(broker, "later")] == ["ready", "delayed"]
    assert (queue.ready, queue.delayed) == (1, 1)


def test_a_message_with_a_result_is_done(broker: Broker) -> None:
    run(broker, StoreResultOp("runner", b"1", 60_000))

    assert state(broker, "runner") == "done"


# Queues.


def test_queues_are_counted(broker: Broker) -> None:
    bury(broker, enqueue_op("dead", "a"))
    broker.enqueue(
        [
            enqueue_op("running", "a"),
            enqueue_op("ready1", "a"),
            enqueue_op("ready2", "a"),
            enqueue_op("late", "a", delay=10_000),
            enqueue_op("other", "b", delay=1_000),
        ]
    )
    claim_one(broker, "w1", "a")
    a, b = broker.queues()

    assert (a.queue_name, a.ready, a.delayed, a.in_flight, a.dead, a.paused) == ("a", 2, 1, 1, 1, False)
    assert (b.queue_name, b.ready, b.delayed, b.in_flight, b.dead) == ("b", 0, 1, 0, 0)


def test_a_queue_that_has_held_something_stays_listed(broker: Broker) -> None:
    broker.enqueue([enqueue_op("m", "once")])
    commit(broker, claim_one(broker, "w1", "once"))

    assert [(queue.queue_name, queue.ready, queue.oldest) for queue in broker.queues()] == [("once", 0, 0)]


def test_a_queue_that_was_only_asked_for_is_not_listed(broker: Broker) -> None:
    claim(broker, "w1", "nothing-here")

    assert broker.queues() == ()


def test_queues_that_follow_ups_made_are_listed(broker: Broker) -> None:
    run(broker, enqueue_op("follow-up", "b"), disposition=Reschedule(enqueue_op("runner", "c", delay=1_000)))

    assert [queue.queue_name for queue in broker.queues()] == ["b", "c", "runners"]


@pytest.mark.parametrize("urgent", [1, 600])
def test_a_queue_tells_the_age_of_its_oldest_message_however_urgent_others_are(harness: Harness, broker: Broker, urgent: int) -> None:
    broker.enqueue([enqueue_op("starved", priority=1_000)])
    harness.advance(30_000)
    broker.enqueue([enqueue_op(f"urgent-{number}", priority=-number) for number in range(urgent)])
    broker.enqueue([enqueue_op("as-late", priority=1_000)])

    assert 30_000 <= broker.queues()[0].oldest <= 30_000 + harness.slack


def test_a_queue_tells_how_long_its_first_message_has_waited(harness: Harness, broker: Broker) -> None:
    broker.enqueue([enqueue_op("late", delay=10_000)])
    broker.enqueue([enqueue_op("other", "r", delay=40_000)])
    harness.advance(30_000)
    q, r = broker.queues()

    assert 20_000 <= q.oldest <= 20_000 + harness.slack
    assert r.oldest == 0


def test_what_is_replaced_on_its_old_queue_is_counted_on_its_new_one(broker: Broker) -> None:
    broker.enqueue([enqueue_op("m", "a")])
    commit(broker, claim_one(broker, "w1", "a"), Reschedule(enqueue_op("m", "b")))

    assert [(queue.queue_name, queue.ready) for queue in broker.queues()] == [("a", 0), ("b", 1)]


# Discard and purge.


def test_discard_deletes_what_waits_and_what_is_dead_and_leaves_what_runs(broker: Broker) -> None:
    bury(broker, enqueue_op("dead"))
    broker.enqueue([enqueue_op("running"), enqueue_op("ready"), enqueue_op("late", delay=10_000), enqueue_op("kept")])
    delivery = claim_one(broker)

    assert broker.discard(["dead", "running", "ready", "late", "unknown", "ready"]) == 3
    assert [state(broker, name) for name in ("dead", "running", "ready", "late", "kept")] == [
        "unknown",
        "running",
        "unknown",
        "unknown",
        "ready",
    ]
    assert commit(broker, delivery) == ()
    assert broker.discard([]) == 0


def test_what_was_discarded_never_comes_back(harness: Harness, broker: Broker) -> None:
    broker.enqueue([enqueue_op("ready"), enqueue_op("late", delay=10_000)])
    broker.discard(["ready", "late"])
    harness.advance(20_000)
    settle(broker)
    (queue,) = broker.queues()

    assert claim(broker) == ()
    assert (queue.ready, queue.delayed, queue.oldest) == (0, 0, 0)


def test_an_id_that_was_discarded_can_be_used_again(broker: Broker) -> None:
    broker.enqueue([enqueue_op("m", body=b"first", delay=10_000)])
    broker.discard(["m"])
    broker.enqueue([enqueue_op("m", body=b"second")])

    assert [delivery.body for delivery in claim(broker)] == [b"second"]


def test_purge_deletes_what_waits_in_one_queue(broker: Broker) -> None:
    bury(broker, enqueue_op("dead", "a"))
    broker.enqueue(
        [
            enqueue_op("running", "a"),
            enqueue_op("ready1", "a"),
            enqueue_op("ready2", "a"),
            enqueue_op("late", "a", delay=10_000),
            enqueue_op("other", "b"),
        ]
    )
    delivery = claim_one(broker, "w1", "a")

    assert broker.purge("a") == 3
    assert [state(broker, name) for name in ("dead", "running", "ready1", "late", "other")] == [
        "dead",
        "running",
        "unknown",
        "unknown",
        "ready",
    ]
    assert commit(broker, delivery) == ()
    assert broker.purge("a") == broker.purge("nothing-here") == 0


def test_a_purged_queue_takes_new_messages(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("a", "b"))
    broker.purge("q")
    broker.enqueue(enqueue_ops("b", "c"))

    assert ids(claim(broker)) == ["b", "c"]


# Pause.


def test_nobody_claims_from_a_paused_queue(broker: Broker, other: Broker) -> None:
    broker.enqueue([enqueue_op("a", "qa"), enqueue_op("b", "qb")])
    broker.pause("qa")

    assert ids(claim(other, "w1", "qa", "qb")) == ["b"]
    assert [(queue.queue_name, queue.paused, queue.ready) for queue in other.queues()] == [("qa", True, 1), ("qb", False, 0)]


def test_a_resumed_queue_is_claimed_from_again(broker: Broker, other: Broker) -> None:
    broker.enqueue(enqueue_ops("a", "b"))
    broker.pause("q")
    broker.enqueue(enqueue_ops("c"))
    before = claim(other)
    broker.resume("q")

    assert before == ()
    assert ids(claim(other)) == ["a", "b", "c"]


def test_what_runs_when_its_queue_is_paused_may_be_committed_or_handed_back(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("a", "b"))
    a, b = claim(broker)
    broker.pause("q")
    stale = commit(broker, a) + commit(broker, b, RELEASE)

    assert stale == ()
    assert claim(broker) == ()
    assert [state(broker, name) for name in ("a", "b")] == ["unknown", "ready"]


def test_what_falls_due_in_a_paused_queue_waits_for_it(harness: Harness, broker: Broker) -> None:
    broker.enqueue([enqueue_op("late", delay=10_000)])
    broker.pause("q")
    harness.advance(20_000)
    before = claim(broker)
    broker.resume("q")

    assert before == ()
    assert ids(claim(broker)) == ["late"]


@pytest.mark.parametrize("times", [1, 2])
def test_pausing_and_resuming_twice_is_the_same_as_once(broker: Broker, times: int) -> None:
    broker.enqueue(enqueue_ops("a"))
    for _ in range(times):
        broker.pause("q")
    for _ in range(times):
        broker.resume("q")

    assert ids(claim(broker)) == ["a"]


def test_a_queue_can_be_paused_before_it_holds_anything(broker: Broker) -> None:
    broker.pause("q")
    broker.enqueue(enqueue_ops("a"))

    assert claim(broker) == ()


def test_what_a_dead_worker_held_in_a_paused_queue_stays_there(harness: Harness, broker: Broker, other: Broker) -> None:
    broker.enqueue(enqueue_ops("a"))
    claim(broker, "w1")
    broker.pause("q")
    harness.advance(LEASE_MS)

    assert claim(other, "w2") == ()
    assert state(other, "a") == "ready"
