"""Every broker: with `Continue` a message goes on running, and the operations of the commit apply, if its token is current."""

from collections.abc import Callable

import pytest
from attrs import evolve

from fq.brokers.protocol import Broker
from fq.brokers.records import (
    ACK,
    CONTINUE,
    RELEASE,
    Bury,
    Delivery,
    Disposition,
    EnqueueOp,
    QueueStats,
    Reschedule,
    SetMarkOp,
    StoreResultOp,
)
from fq.errors import BrokerError
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
    in_thread,
    mark,
    mark_body,
    outcome,
    settle,
    state,
)
from tests.brokers.harness import Harness


def progress(body: bytes, expected: bytes | None = None) -> SetMarkOp:
    return SetMarkOp("progress:m", body) if expected is None else SetMarkOp("progress:m", body, expected=expected)


def queues(broker: Broker) -> list[QueueStats]:
    """Return all queues, but for how long their messages have waited, which changes by itself where the clock runs."""
    return [evolve(stats, oldest=0) for stats in broker.queues()]


def test_a_message_that_goes_on_is_where_it_was(broker: Broker, other: Broker) -> None:
    broker.enqueue(enqueue_ops("m", "n"))
    m, _ = claim(broker)
    before = broker.peek("m"), broker.claimed_by("w1"), broker.workers()[0].in_flight, queues(broker)
    stale = commit(broker, m, CONTINUE)

    assert stale == ()
    assert (other.peek("m"), other.claimed_by("w1"), other.workers()[0].in_flight, queues(other)) == before
    assert claim(other, "w2") == ()
    assert commit(broker, m) == ()
    assert state(other, "m") == "unknown"


def test_the_operations_of_a_message_that_goes_on_apply_each_time(broker: Broker, other: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    delivery = claim_one(broker)
    for number in range(3):
        operations = (enqueue_op(f"n{number}", "r"), progress(b"%d" % number), StoreResultOp(f"part{number}", b"%d" % number, 60_000))
        assert commit(broker, delivery, CONTINUE, *operations) == ()

    assert ids(claim(other, "w2", "r")) == ["n0", "n1", "n2"]
    assert mark_body(other, "progress:m") == b"2"
    assert [other.result(f"part{number}") for number in range(3)] == [b"0", b"1", b"2"]
    assert state(broker, "m") == "running"


def test_a_member_of_a_group_may_arrive_and_go_on(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    delivery = claim_one(broker)
    then = deferred_enqueue("then")
    commit(broker, delivery, CONTINUE, arrive_op(0, 2, b"0", then))
    commit(broker, delivery, CONTINUE, arrive_op(0, 2, b"again", then))
    before = state(broker, "then")
    commit(broker, delivery, ACK, arrive_op(1, 2, b"1", then))

    assert before == "unknown"
    assert claim_one(broker).body == b'{"args":[0,1]}'


ENDS: dict[str, Callable[[Harness, Broker, Delivery], object]] = {
    "done": lambda harness, broker, delivery: commit(broker, delivery),
    "dead": lambda harness, broker, delivery: commit(broker, delivery, Bury(FAULT)),
    "retried": lambda harness, broker, delivery: commit(broker, delivery, Reschedule(enqueue_op("m"))),
    "handed back": lambda harness, broker, delivery: commit(broker, delivery, RELEASE),
    "taken back": lambda harness, broker, delivery: broker.release("w1", {}),
    "lost": lambda harness, broker, delivery: (harness.advance(LEASE_MS), settle(broker)),
    "claimed anew": lambda harness, broker, delivery: (commit(broker, delivery, RELEASE), claim_one(broker)),
    "another's": lambda harness, broker, delivery: (commit(broker, delivery, RELEASE), claim_one(broker, "w2")),
    "done by another": lambda harness, broker, delivery: (
        commit(broker, delivery, RELEASE),
        commit(broker, claim_one(broker, "w2"), worker="w2"),
    ),
}


@pytest.mark.parametrize("end", ENDS)
def test_with_a_token_that_is_not_current_nothing_of_it_applies(harness: Harness, broker: Broker, end: str) -> None:
    broker.enqueue(enqueue_ops("m"))
    delivery = claim_one(broker)
    commit(broker, delivery, CONTINUE, progress(b"current"))
    ENDS[end](harness, broker, delivery)
    before = broker.status("m"), queues(broker)
    stale = commit(broker, delivery, CONTINUE, progress(b"stale"), enqueue_op("never", "r"), StoreResultOp("m", b"1", 60_000))

    assert stale == ("m",)
    assert mark_body(broker, "progress:m") == b"current"
    assert (state(broker, "never"), broker.result("m")) == ("unknown", None)
    assert (broker.status("m"), queues(broker)) == before


def test_a_message_that_goes_on_is_still_taken_back_when_the_lease_of_its_worker_ends(
    harness: Harness, broker: Broker, other: Broker
) -> None:
    broker.enqueue(enqueue_ops("m"))
    first = claim_one(broker)
    commit(broker, first, CONTINUE, progress(b"1"))
    harness.advance(LEASE_MS)
    second = claim_one(other, "w2")
    stale = commit(broker, first, CONTINUE, progress(b"2"))

    assert (second.message_id, second.deliveries, stale) == ("m", 2, ("m",))
    assert commit(other, second, CONTINUE, progress(b"3", b"1"), worker="w2") == ()
    assert mark_body(broker, "progress:m") == b"3"


def test_the_turn_of_a_message_that_goes_on_renews_the_lease_of_its_worker(harness: Harness, broker: Broker, other: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    delivery = claim_one(broker, lease=100_000)
    for _ in range(5):
        harness.advance(50_000)
        turn = broker.turn([outcome(delivery, CONTINUE)], claim_request(limit=0, lease=100_000))
        assert turn.stale == ()
        assert claim(other, "w2") == ()


def test_a_message_that_goes_on_is_told_that_it_is_cancelled(broker: Broker, other: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    delivery = claim_one(broker)
    other.cancel("m")
    next_part = EnqueueOp("next", "r", "act", 0, 60_000, b"{}", continues=True)
    turn = broker.turn([outcome(delivery, CONTINUE, next_part, enqueue_op("other", "r"))], claim_request(limit=0))

    assert (turn.cancelled, turn.stale) == (("m",), ())
    assert [(each.message_id, each.interrupted) for each in claim(broker, "w1", "r")] == [("next", "cancelled"), ("other", "")]
    assert commit(broker, delivery) == ()


@pytest.mark.parametrize("last", [ACK, Bury(FAULT), RELEASE, Reschedule(enqueue_op("m"))], ids=lambda last: type(last).__name__)
def test_a_message_may_go_on_and_end_in_one_turn(broker: Broker, last: Disposition) -> None:
    broker.enqueue(enqueue_ops("m"))
    delivery = claim_one(broker)
    commits = [
        outcome(delivery, CONTINUE, progress(b"1")),
        outcome(delivery, CONTINUE, progress(b"2", b"1")),
        outcome(delivery, last, progress(b"3", b"2")),
    ]
    turn = broker.turn(commits, claim_request(limit=0))

    assert turn.stale == ()
    assert mark_body(broker, "progress:m") == b"3"
    assert state(broker, "m") == {ACK: "unknown", RELEASE: "ready"}.get(last, "dead" if isinstance(last, Bury) else "ready")


def test_what_goes_on_after_it_has_ended_in_one_turn_is_stale(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    delivery = claim_one(broker)
    turn = broker.turn([outcome(delivery), outcome(delivery, CONTINUE, progress(b"1"))], claim_request(limit=0))

    assert turn.stale == ("m",)
    assert mark(broker, "progress:m") is None


def test_messages_go_on_and_end_side_by_side(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("a", "b", "c", "d"))
    a, b, c, d = claim(broker)
    turn = broker.turn(
        [outcome(d, CONTINUE, enqueue_op("1", "r")), outcome(c), outcome(b, CONTINUE, enqueue_op("2", "r")), outcome(a, RELEASE)],
        claim_request(limit=0),
    )

    assert turn.stale == ()
    assert [state(broker, name) for name in "abcd"] == ["ready", "running", "unknown", "running"]
    assert ids(claim(broker, "w1", "r")) == ["1", "2"]
    assert [held.message_id for held in broker.claimed_by("w1") if held.queue_name == "q"] == ["b", "d"]


def test_a_result_of_a_message_that_goes_on_reaches_who_waits_for_it(broker: Broker, other: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    delivery = claim_one(broker)
    waiting = in_thread(lambda: other.wait_result("m", 60_000))
    commit(broker, delivery, CONTINUE, StoreResultOp("m", b"half", 60_000))

    assert waiting.result(30) == b"half"
    assert state(broker, "m") == "running"


def test_with_one_malformed_operation_nothing_of_it_is_applied(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    delivery = claim_one(broker)
    with pytest.raises(BrokerError, match=r"found .* expected .*"):
        commit(broker, delivery, CONTINUE, progress(b"1"), SetMarkOp("", b"1"))

    assert mark(broker, "progress:m") is None
    assert commit(broker, delivery, CONTINUE, progress(b"1")) == ()
