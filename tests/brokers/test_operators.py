"""Every broker: what operators see, and what they can do: dead letters, queues, pauses, one message."""

import pytest

from fq.brokers.protocol import Broker
from fq.brokers.records import RELEASE, Bury, EnqueueOp, Reschedule, StoreResultOp
from fq.brokers.validation import DEAD_TTL_MS
from fq.core.fault import Fault
from fq.execution.requeue_plan import plan_requeue
from tests.brokers.harness import Harness
from tests.brokers.kit import (
    FAULT,
    LEASE,
    bury,
    claim,
    claim_one,
    claim_request,
    commit,
    enqueue_op,
    enqueue_ops,
    ids,
    outcome,
    run,
    settle,
    state,
)

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


# Dead letters.


def test_the_latest_dead_letters_come_first(harness: Harness, broker: Broker) -> None:
    for name in ("a", "b", "c"):
        bury(broker, enqueue_op(name))
        harness.advance(10)

    assert [letter.message_id for letter in broker.dead_letters()] == ["c", "b", "a"]
    assert [letter.message_id for letter in broker.dead_letters(limit=2)] == ["c", "b"]


def test_dead_letters_of_one_turn_come_the_last_first(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("a", "b", "c"))
    broker.turn([outcome(delivery, Bury(FAULT)) for delivery in claim(broker)], claim_request(limit=0))

    assert [letter.message_id for letter in broker.dead_letters()] == ["c", "b", "a"]


def test_dead_letters_are_found_by_queue_actor_and_error(broker: Broker) -> None:
    bury(broker, enqueue_op("a", "q1", actor="add"), FAULT)
    bury(broker, enqueue_op("b", "q2", actor="add"), TYPE_ERROR)
    bury(broker, enqueue_op("c", "q1", actor="mul"), TYPE_ERROR)

    def found(**filters: str) -> str:
        return "".join(letter.message_id for letter in broker.dead_letters(**filters))

    assert (found(queue="q1"), found(actor="add"), found(error="TypeError")) == ("ca", "ba", "cb")
    assert (found(queue="q1", actor="mul"), found(queue="q2", error="ValueError"), found(queue="q1", actor="mul", error="TypeError")) == (
        "c",
        "",
        "c",
    )
    assert found(queue="nothing-here") == found(actor="nobody") == found(error="Error") == ""


def test_dead_letters_are_found_by_until_when_they_died(harness: Harness, broker: Broker) -> None:
    bury(broker, enqueue_op("early"))
    harness.advance(1_000)
    (early,) = broker.dead_letters()
    until = broker.now()
    harness.advance(1_000)
    bury(broker, enqueue_op("late"))

    assert [letter.message_id for letter in broker.dead_letters(until=until)] == ["early"]
    assert [letter.message_id for letter in broker.dead_letters(until=early.died_at)] == ["early"]
    assert broker.dead_letters(until=early.died_at - 1) == ()


def test_a_limit_counts_what_the_filters_let_pass(broker: Broker) -> None:
    for number in range(6):
        bury(broker, enqueue_op(str(number), actor=("even", "odd")[number % 2]))

    assert [letter.message_id for letter in broker.dead_letters(actor="even", limit=2)] == ["4", "2"]


def test_of_two_deaths_of_one_id_the_latest_is_kept(broker: Broker) -> None:
    bury(broker, enqueue_op("m", body=b"first"), FAULT)
    bury(broker, enqueue_op("other"))
    bury(broker, enqueue_op("m", body=b"second"), TYPE_ERROR)

    assert [(letter.message_id, letter.fault) for letter in broker.dead_letters()] == [("m", TYPE_ERROR), ("other", FAULT)]
    assert broker.queues()[0].dead == 2


def test_dead_letters_are_kept_for_seven_days(harness: Harness, broker: Broker) -> None:
    bury(broker, enqueue_op("old"))
    harness.advance(DEAD_TTL_MS - 60_000)
    bury(broker, enqueue_op("young"))
    before = [letter.message_id for letter in broker.dead_letters()]
    harness.advance(60_000)
    settle(broker)

    assert before == ["young", "old"]
    assert [letter.message_id for letter in broker.dead_letters()] == ["young"]
    assert (state(broker, "old"), broker.queues()[0].dead) == ("unknown", 1)
    assert (broker.requeue(["old"], plan_requeue), broker.discard(["old"])) == (0, 0)


# Requeue.


def test_a_requeued_letter_is_ready_at_once_as_it_was_sent(broker: Broker, other: Broker) -> None:
    broker.enqueue([enqueue_op("first")])
    bury(broker, EnqueueOp("m", "r", "add", -1, 0, b"\xffbody"))
    broker.enqueue([enqueue_op("n", "r")])

    assert other.requeue(["m"], plan_requeue) == 1
    assert broker.status("m").actor_name == "add"
    assert [(delivery.message_id, delivery.body, delivery.deliveries) for delivery in claim(broker, "w1", "r")] == [
        ("m", b"\xffbody", 1),
        ("n", b"{}", 1),
    ]
    assert broker.dead_letters() == ()


def test_requeue_counts_only_dead_letters(broker: Broker) -> None:
    for name in ("a", "b"):
        bury(broker, enqueue_op(name))
    broker.enqueue(enqueue_ops("waiting"))

    assert broker.requeue(["a", "waiting", "unknown", "b", "a"], plan_requeue) == 2
    assert broker.requeue(["a"], plan_requeue) == broker.requeue([], plan_requeue) == 0


def test_a_letter_whose_id_waits_again_gives_way_to_the_message_that_waits(broker: Broker) -> None:
    bury(broker, enqueue_op("m", body=b"dead"))
    broker.enqueue([enqueue_op("m", body=b"alive")])
    broker.requeue(["m"], plan_requeue)

    assert [delivery.body for delivery in claim(broker)] == [b"alive"]
    assert broker.dead_letters() == ()


def test_thousands_of_letters_can_be_requeued_at_once(broker: Broker) -> None:
    names = [f"m{number}" for number in range(3_000)]
    broker.enqueue(enqueue_ops(*names))
    broker.turn([outcome(delivery, Bury(FAULT)) for delivery in claim(broker, limit=5_000)], claim_request(limit=0))

    assert broker.requeue(names, plan_requeue) == 3_000
    assert ids(claim(broker, limit=5_000)) == names


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
    harness.advance(LEASE)

    assert claim(other, "w2") == ()
    assert state(other, "a") == "ready"
