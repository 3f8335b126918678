"""Every broker: the four dispositions of a commit, and the operations that go with them."""

import pytest

from fq.brokers.protocol import Broker
from fq.brokers.records import ACK, RELEASE, Bury, Disposition, EnqueueOp, Release, Reschedule, StoreResultOp
from fq.core.fault import Fault
from fq.errors import BrokerError
from tests.brokers.builders import (
    FAULT,
    arrive_op,
    claim,
    claim_one,
    claim_request,
    commit,
    deferred_enqueue,
    enqueue_op,
    enqueue_ops,
    ids,
    outcome,
    state,
)
from tests.brokers.harness import Harness

# Ack.


def test_a_message_that_is_acknowledged_is_forgotten(harness: Harness, broker: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    commit(broker, claim_one(broker))
    harness.advance(1_000_000)

    assert state(broker, "m") == "unknown"
    assert claim(broker) == ()


# Replace.


def test_a_replacement_takes_the_place_of_the_message(broker: Broker) -> None:
    broker.enqueue([enqueue_op("m", body=b"old")])
    commit(broker, claim_one(broker), Reschedule(enqueue_op("m", body=b"new")))

    assert [(delivery.message_id, delivery.body) for delivery in claim(broker)] == [("m", b"new")]


def test_a_replacement_waits_for_its_delay(harness: Harness, broker: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    commit(broker, claim_one(broker), Reschedule(enqueue_op("m", delay=30_000)))
    status = broker.status("m")
    harness.advance(25_000)
    before = claim(broker)
    harness.advance(5_000)

    assert status.state == "delayed"
    assert abs(status.due - broker.now()) <= harness.slack
    assert before == ()
    assert ids(claim(broker)) == ["m"]


def test_a_replacement_counts_its_deliveries_from_nought(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    commit(broker, claim_one(broker), Release(counted=True, interrupted="shutdown"))
    commit(broker, claim_one(broker), Reschedule(enqueue_op("m")))

    delivery = claim_one(broker)
    assert (delivery.deliveries, delivery.interrupted) == (1, "")


def test_a_replacement_may_be_for_another_queue_actor_and_priority(broker: Broker) -> None:
    broker.enqueue([enqueue_op("m"), enqueue_op("n", "r")])
    commit(broker, claim_one(broker), Reschedule(EnqueueOp("m", "r", "other", -1, 0, b"new")))

    assert claim(broker) == ()
    assert broker.status("m").actor_name == "other"
    assert ids(claim(broker, "w1", "r")) == ["m", "n"]


def test_the_fault_of_a_replacement_can_be_inspected(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    commit(broker, claim_one(broker), Reschedule(enqueue_op("m", delay=1_000), FAULT))

    assert broker.status("m").fault == FAULT


def test_the_latest_fault_stays_when_a_replacement_has_none(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    commit(broker, claim_one(broker), Reschedule(enqueue_op("m"), FAULT))
    commit(broker, claim_one(broker), Reschedule(enqueue_op("m")))

    assert broker.status("m").fault == FAULT


def test_a_replaced_message_goes_behind_those_that_were_ready_before(harness: Harness, broker: Broker) -> None:
    broker.enqueue(enqueue_ops("a", "b"))
    delivery = claim_one(broker)
    harness.advance(10)
    commit(broker, delivery, Reschedule(enqueue_op("a")))

    assert ids(claim(broker)) == ["b", "a"]


# Bury.


def test_a_buried_message_is_a_dead_letter(harness: Harness, broker: Broker) -> None:
    broker.enqueue([enqueue_op("m", actor="add", body=b"\xff body")])
    delivery = claim_one(broker)
    harness.advance(5_000)
    commit(broker, delivery, Bury(FAULT))
    (letter,) = broker.dead_letters()

    assert (letter.message_id, letter.queue_name, letter.actor_name, letter.body, letter.fault) == ("m", "q", "add", b"\xff body", FAULT)
    assert abs(letter.died_at - broker.now()) <= harness.slack
    assert (state(broker, "m"), broker.status("m").fault) == ("dead", FAULT)
    assert claim(broker) == ()


def test_a_buried_message_has_its_latest_body(broker: Broker) -> None:
    broker.enqueue([enqueue_op("m", body=b"first")])
    commit(broker, claim_one(broker), Reschedule(EnqueueOp("m", "r", "later", 0, 0, b"second")))
    commit(broker, claim_one(broker, "w1", "r"), Bury(FAULT))

    assert [(letter.queue_name, letter.actor_name, letter.body) for letter in broker.dead_letters()] == [("r", "later", b"second")]


@pytest.mark.parametrize("text", ["", "line\nline", "grüße 😀", "nul \0", "lone \udc80 surrogate", '"quoted" \\ {}', "x" * 100_000])
def test_a_fault_may_say_anything(broker: Broker, text: str) -> None:
    broker.enqueue(enqueue_ops("m", "n"))
    fault = Fault("Strange", text, text)
    first, second = claim(broker)
    broker.turn([outcome(first, Bury(fault)), outcome(second, Reschedule(enqueue_op("n"), fault))], claim_request(limit=0))

    assert broker.dead_letters()[0].fault == fault
    assert broker.status("n").fault == fault


# Release.


def test_a_released_message_is_ready_at_once(broker: Broker, other: Broker) -> None:
    broker.enqueue([enqueue_op("m", body=b"body")])
    commit(broker, claim_one(broker), RELEASE)

    assert state(broker, "m") == "ready"
    assert [(delivery.message_id, delivery.body) for delivery in claim(other, "w2")] == [("m", b"body")]


@pytest.mark.parametrize(("counted", "deliveries"), [(False, 1), (True, 2)])
def test_a_release_says_whether_the_delivery_counts(broker: Broker, counted: bool, deliveries: int) -> None:
    broker.enqueue(enqueue_ops("m"))
    commit(broker, claim_one(broker), Release(counted))

    assert broker.status("m").deliveries == deliveries - 1
    assert claim_one(broker).deliveries == deliveries


@pytest.mark.parametrize("counted", [False, True])
def test_a_released_message_keeps_its_place_in_the_order(harness: Harness, broker: Broker, counted: bool) -> None:
    broker.enqueue([enqueue_op("a", priority=1), enqueue_op("b"), enqueue_op("c"), enqueue_op("d")])
    _, c = claim(broker, limit=2)
    harness.advance(1_000)
    broker.enqueue(enqueue_ops("e"))
    commit(broker, c, Release(counted))

    assert ids(claim(broker)) == ["c", "d", "e", "a"]


def test_a_release_tells_the_next_claim_why_the_last_one_was_interrupted(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    commit(broker, claim_one(broker), Release(interrupted="shutdown"))

    assert claim_one(broker).interrupted == "shutdown"


def test_only_the_next_claim_is_told(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    commit(broker, claim_one(broker), Release(interrupted="shutdown"))
    commit(broker, claim_one(broker), RELEASE)

    assert claim_one(broker).interrupted == ""


# Changes.

DISPOSITIONS = [ACK, Reschedule(enqueue_op("m", delay=60_000)), Bury(FAULT), RELEASE]


@pytest.mark.parametrize("disposition", DISPOSITIONS, ids=lambda disposition: type(disposition).__name__)
def test_changes_go_with_every_disposition(broker: Broker, disposition: Disposition) -> None:
    broker.enqueue(enqueue_ops("m"))
    operations = (
        enqueue_op("follow-up", "r"),
        StoreResultOp("m", b"1", 60_000),
        arrive_op(0, 1, b"7", deferred_enqueue("after", "r")),
        enqueue_op("last", "r"),
    )
    commit(broker, claim_one(broker), disposition, *operations)

    assert ids(claim(broker, "w1", "r")) == ["follow-up", "after", "last"]
    assert broker.result("m") == b"1"


def test_changes_of_several_commits_come_in_their_order(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("a", "b", "c"))
    a, b, c = claim(broker)
    commits = [
        outcome(a, ACK, enqueue_op("1", "r")),
        outcome(b, ACK, arrive_op(0, 1, b"0", deferred_enqueue("2", "r"), deferred_enqueue("3", "r"))),
        outcome(c, ACK, enqueue_op("4", "r")),
    ]
    broker.turn(commits, claim_request(limit=0))

    assert ids(claim(broker, "w1", "r")) == ["1", "2", "3", "4"]


def test_a_follow_up_is_delayed_from_the_commit_on(harness: Harness, broker: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    delivery = claim_one(broker, lease=200_000)
    harness.advance(100_000)
    commit(broker, delivery, ACK, enqueue_op("follow-up", delay=10_000))
    before = claim(broker)
    harness.advance(10_000)

    assert before == ()
    assert ids(claim(broker)) == ["follow-up"]


def test_a_follow_up_that_waits_already_is_not_posted_twice(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("m", "n"))
    m, n = claim(broker)
    broker.turn(
        [outcome(m, ACK, enqueue_op("child", "r", body=b"first")), outcome(n, ACK, enqueue_op("child", "r", body=b"second"))],
        claim_request(limit=0),
    )

    assert [delivery.body for delivery in claim(broker, "w1", "r")] == [b"first"]


def test_all_kinds_of_commits_share_a_turn(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("a", "b", "c", "d"))
    a, b, c, d = claim(broker)
    turn = broker.turn(
        [outcome(d, Release()), outcome(c, Bury(FAULT)), outcome(b, Reschedule(enqueue_op("b"))), outcome(a)], claim_request(limit=0)
    )

    assert turn.stale == ()
    assert [state(broker, name) for name in "abcd"] == ["unknown", "ready", "dead", "ready"]


MALFORMED = [
    (ACK, enqueue_op("child", body="text")),  # type: ignore[arg-type]
    (ACK, StoreResultOp("m", "text", 1_000)),  # type: ignore[arg-type]
    (ACK, StoreResultOp("m", b"1", 10**30)),
    (ACK, arrive_op(0, 1, "text")),  # type: ignore[arg-type]
    (ACK, arrive_op(0, 1, b"0", deferred_enqueue("nul \0"))),
    (ACK, arrive_op(10**400, 10**400 + 1, b"0")),
    (ACK, arrive_op(-1, 1, b"0")),
    (ACK, arrive_op(0, 0, b"0")),
    (ACK, arrive_op(0, 10**400, b"0")),
    (Reschedule(enqueue_op("m", delay=10**30)),),
]


@pytest.mark.parametrize("malformed", MALFORMED, ids=repr)
def test_with_one_malformed_change_nothing_of_the_turn_is_applied(broker: Broker, malformed: tuple[object, ...]) -> None:
    broker.enqueue(enqueue_ops("sound", "m", "waiting"))
    sound, m = claim(broker, limit=2)
    commits = [outcome(sound, ACK, enqueue_op("child-of-sound")), outcome(m, *malformed)]  # type: ignore[arg-type]
    with pytest.raises(BrokerError, match=r"found .* expected"):
        broker.turn(commits, claim_request())

    assert [state(broker, name) for name in ("sound", "m", "waiting", "child-of-sound", "child")] == [
        "running",
        "running",
        "ready",
        "unknown",
        "unknown",
    ]
    assert commit(broker, sound) == commit(broker, m) == ()
