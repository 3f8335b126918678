"""Every broker: only the holder of the current token commits. A worker that lost its lease, a zombie, changes nothing."""

import pytest

from fq.brokers.protocol import Broker
from fq.brokers.records import ACK, CONTINUE, RELEASE, Bury, Commit, Delivery, Disposition, Reschedule, StoreResultOp
from tests.brokers.builders import (
    FAULT,
    LEASE_MS,
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

DISPOSITIONS = [ACK, Reschedule(enqueue_op("m", "elsewhere", delay=5_000, body=b"zombie"), FAULT), Bury(FAULT), RELEASE]
every_disposition = pytest.mark.parametrize("disposition", DISPOSITIONS, ids=lambda disposition: type(disposition).__name__)


def lose(harness: Harness, broker: Broker, other: Broker) -> tuple[Delivery, Delivery]:
    """Claim a message, lose the lease, let another worker claim it, and return both deliveries."""
    broker.enqueue(enqueue_ops("m"))
    lost = claim_one(broker, "zombie")
    harness.advance(LEASE_MS)
    return lost, claim_one(other, "alive")


@every_disposition
def test_a_zombie_changes_nothing_while_another_worker_runs_its_message(
    harness: Harness, broker: Broker, other: Broker, disposition: Disposition
) -> None:
    lost, held = lose(harness, broker, other)
    operations = (StoreResultOp("m", b'"zombie"', 60_000), enqueue_op("follow-up"), arrive_op(0, 1, b"0", deferred_enqueue("after")))
    stale = commit(broker, lost, disposition, *operations, worker="zombie")
    status = other.status("m")

    assert stale == ("m",)
    assert (status.state, status.worker, status.deliveries) == ("running", "alive", 2)
    assert [state(other, name) for name in ("follow-up", "after")] == ["unknown", "unknown"]
    assert other.result("m") is None
    assert other.dead_letters() == ()
    assert commit(other, held, worker="alive") == ()


@every_disposition
def test_a_zombie_changes_nothing_when_another_worker_has_finished(
    harness: Harness, broker: Broker, other: Broker, disposition: Disposition
) -> None:
    lost, held = lose(harness, broker, other)
    commit(other, held, ACK, StoreResultOp("m", b'"right"', 60_000), arrive_op(0, 2, b'"right"', deferred_enqueue("after")), worker="alive")
    operations = (StoreResultOp("m", b'"zombie"', 60_000), enqueue_op("follow-up"), arrive_op(1, 2, b'"zombie"', deferred_enqueue("after")))
    stale = commit(broker, lost, disposition, *operations, worker="zombie")

    assert stale == ("m",)
    assert other.result("m") == b'"right"'
    assert [state(other, name) for name in ("follow-up", "after")] == ["unknown", "unknown"]
    assert claim(other, "w", "q", "elsewhere") == ()
    assert other.dead_letters() == ()


@every_disposition
def test_a_zombie_leaves_a_message_alone_that_has_been_replaced(
    harness: Harness, broker: Broker, other: Broker, disposition: Disposition
) -> None:
    lost, held = lose(harness, broker, other)
    commit(other, held, Reschedule(enqueue_op("m", body=b"retry")), worker="alive")

    assert commit(broker, lost, disposition, worker="zombie") == ("m",)
    assert [(delivery.body, delivery.deliveries) for delivery in claim(other, "alive")] == [(b"retry", 1)]


def test_a_zombie_leaves_a_new_message_of_the_same_id_alone(harness: Harness, broker: Broker, other: Broker) -> None:
    lost, held = lose(harness, broker, other)
    commit(other, held, worker="alive")
    other.enqueue(enqueue_ops("m"))
    again = claim_one(other, "alive")

    assert commit(broker, lost, worker="zombie") == ("m",)
    assert commit(other, again, worker="alive") == ()


def test_the_same_worker_needs_its_latest_token_too(harness: Harness, broker: Broker, other: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    first = claim_one(broker, "w1")
    harness.advance(LEASE_MS)
    broker.turn((), claim_request("w2", limit=0))
    second = claim_one(broker, "w1")

    assert commit(broker, first, worker="w1") == ("m",)
    assert commit(broker, second, worker="w1") == ()


def test_a_message_that_was_taken_back_is_no_longer_held_even_if_nobody_else_has_it(
    harness: Harness, broker: Broker, other: Broker
) -> None:
    broker.enqueue(enqueue_ops("m"))
    lost = claim_one(broker, "zombie")
    harness.advance(LEASE_MS)
    other.turn((), claim_request("alive", limit=0))

    assert commit(broker, lost, worker="zombie") == ("m",)
    assert state(other, "m") == "ready"


def test_a_message_is_committed_once(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    delivery = claim_one(broker)

    assert commit(broker, delivery, ACK, StoreResultOp("m", b"1", 60_000)) == ()
    assert commit(broker, delivery, ACK, StoreResultOp("m", b"2", 60_000)) == ("m",)
    assert broker.result("m") == b"1"


def test_of_two_commits_of_one_message_in_a_turn_the_second_is_stale(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    delivery = claim_one(broker)
    turn = broker.turn([outcome(delivery, RELEASE), outcome(delivery, Bury(FAULT), enqueue_op("follow-up"))], claim_request(limit=0))

    assert turn.stale == ("m",)
    assert [state(broker, name) for name in ("m", "follow-up")] == ["ready", "unknown"]


def test_a_message_that_does_not_run_cannot_be_committed(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("waits"))
    commits = [Commit(name, "q", token) for name in ("waits", "unknown") for token in (0, 1, -1, 2**40)]

    assert set(broker.turn(commits, claim_request(limit=0)).stale) == {"waits", "unknown"}
    assert state(broker, "waits") == "ready"


def test_the_other_commits_of_a_turn_are_applied(harness: Harness, broker: Broker, other: Broker) -> None:
    lost, _ = lose(harness, broker, other)
    broker.enqueue(enqueue_ops("a", "b"))
    a, b = claim(broker, "zombie")
    turn = broker.turn(
        [outcome(a), outcome(lost, ACK, enqueue_op("no")), outcome(b, ACK, enqueue_op("yes"))], claim_request("zombie", limit=0)
    )

    assert turn.stale == ("m",)
    assert [state(other, name) for name in ("a", "b", "no", "yes")] == ["unknown", "unknown", "unknown", "ready"]


def test_tokens_are_new_after_everything_was_closed(harness: Harness, broker: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    first = claim_one(broker)
    commit(broker, first, RELEASE)
    broker.close()
    second = claim_one(broker)

    assert commit(broker, first) == ("m",)
    assert commit(broker, second) == ()
    assert ids([first, second]) == ["m", "m"]


def test_the_status_of_a_message_has_the_token_of_its_claim_while_it_runs(broker: Broker, other: Broker) -> None:
    broker.enqueue([*enqueue_ops("m"), enqueue_op("later", delay=60_000)])
    waiting = [other.status(name).token for name in ("m", "later", "never")]
    first = claim_one(broker)
    running = other.status("m"), other.peek("m"), other.browse("running").entries[0]
    commit(broker, first, RELEASE)
    back = other.status("m").token
    second = claim_one(broker)
    again = other.status("m").token
    commit(broker, second, Bury(FAULT))

    assert waiting == [0, 0, 0]
    assert [found and getattr(found, "status", found).token for found in running] == [first.token] * 3
    assert (back, again) == (0, second.token)
    assert first.token != second.token
    assert (other.status("m").token, other.browse("dead").entries[0].status.token) == (0, 0)


def test_of_two_commits_of_one_message_in_a_turn_the_stale_one_is_told_once(broker: Broker) -> None:
    """A worker that has lost a claim may have claimed the message again: both of its runs end in one turn."""
    broker.enqueue(enqueue_ops("m"))
    lost = claim_one(broker)
    broker.release("w1", {}, ())
    held = claim_one(broker)
    operations = [StoreResultOp("m", name, 60_000) for name in (b'"lost"', b'"held"')]
    turn = broker.turn([outcome(lost, ACK, operations[0]), outcome(held, ACK, operations[1])], claim_request(limit=0))

    assert (turn.stale, broker.result("m")) == (("m",), b'"held"')
    assert broker.turn([outcome(held), outcome(lost, CONTINUE)], claim_request(limit=0)).stale == ("m", "m")
