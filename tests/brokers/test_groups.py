"""Every broker: exactly one commit enqueues a group's follow-up: that of the last member to arrive, with the values in member order."""

import pytest

from fq.brokers.protocol import Broker
from fq.brokers.records import ACK, RELEASE, ArriveOp, Bury, DeferredEnqueue, Disposition, EnqueueOp, Reschedule
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
    run,
    state,
)
from tests.brokers.harness import Harness

DAY = 24 * 60 * 60 * 1000


def arrive(broker: Broker, *arrive_ops: ArriveOp) -> None:
    """Let one message after the other bring one of *joins*."""
    for arrival in arrive_ops:
        run(broker, arrival)


def found(broker: Broker) -> list[bytes]:
    return [delivery.body for delivery in claim(broker)]


def test_the_values_come_in_the_order_of_the_members_not_of_their_arrival(broker: Broker) -> None:
    then = deferred_enqueue("after")
    arrive(broker, arrive_op(2, 3, b'"c"', then), arrive_op(0, 3, b'"a"', then))
    before = claim(broker)
    arrive(broker, arrive_op(1, 3, b'"b"', then))

    assert before == ()
    assert found(broker) == [b'{"args":["a","b","c"]}']


def test_a_group_of_one_is_complete_at_once(broker: Broker) -> None:
    arrive(broker, arrive_op(0, 1, b"7", deferred_enqueue("after")))

    assert found(broker) == [b'{"args":[7]}']


def test_the_members_may_come_in_one_turn(broker: Broker) -> None:
    broker.enqueue(enqueue_ops(*(f"m{number}" for number in range(12))))
    commits = [
        outcome(delivery, ACK, arrive_op(int(delivery.message_id[1:]), 12, delivery.message_id[1:].encode(), deferred_enqueue("after")))
        for delivery in claim(broker)
    ]
    broker.turn(commits[::-1], claim_request(limit=0))

    assert found(broker) == [b'{"args":[0,1,2,3,4,5,6,7,8,9,10,11]}']


def test_the_members_may_come_through_several_handles(broker: Broker, other: Broker) -> None:
    arrive(broker, arrive_op(0, 2, b"0", deferred_enqueue("after")))
    arrive(other, arrive_op(1, 2, b"1", deferred_enqueue("after")))

    assert found(broker) == [b'{"args":[0,1]}']


def test_a_group_may_be_large(broker: Broker) -> None:
    size = 3_000
    broker.enqueue(enqueue_ops(*(f"m{number}" for number in range(size))))
    claimed = claim(broker, limit=size)
    for start in range(0, size, 500):
        broker.turn(
            [
                outcome(claimed[at], ACK, arrive_op(at, size, str(at).encode(), deferred_enqueue("after")))
                for at in range(start, start + 500)
            ],
            claim_request(limit=0),
        )

    assert found(broker) == [b'{"args":[' + b",".join(str(number).encode() for number in range(size)) + b"]}"]


@pytest.mark.parametrize("value", [b"", b"null", "ä😀".encode(), b"\xff\x00", b"x" * 100_000])
def test_a_value_is_taken_as_it_is(broker: Broker, value: bytes) -> None:
    arrive(broker, arrive_op(0, 2, value, deferred_enqueue("after")), arrive_op(1, 2, value, deferred_enqueue("after")))

    assert found(broker) == [b'{"args":[' + value + b"," + value + b"]}"]


def test_all_that_is_to_follow_is_posted_in_its_order_where_and_when_it_belongs(harness: Harness, broker: Broker) -> None:
    then = (
        deferred_enqueue("x", "r"),
        DeferredEnqueue(EnqueueOp("y", "r", "report", -1, 0, b""), b"<", b">"),
        deferred_enqueue("z", "r", delay=10_000),
    )
    arrive(broker, arrive_op(0, 1, b"0", *then))
    before = ids(claim(broker, "w1", "r"))
    actor = broker.status("y").actor_name
    harness.advance(10_000)

    assert before == ["y", "x"]
    assert actor == "report"
    assert ids(claim(broker, "w1", "r")) == ["z"]


def test_a_group_without_a_follow_up_ends_quietly(broker: Broker) -> None:
    arrive(broker, arrive_op(0, 2), arrive_op(1, 2))

    assert claim(broker) == ()


def test_groups_do_not_meet(broker: Broker) -> None:
    arrive(
        broker, arrive_op(0, 2, b"1", deferred_enqueue("after-g"), group="g"), arrive_op(1, 2, b"2", deferred_enqueue("after-h"), group="h")
    )

    assert claim(broker) == ()


# Once.


def test_the_first_arrival_of_a_member_counts(broker: Broker) -> None:
    then = deferred_enqueue("after")
    arrive(broker, arrive_op(0, 2, b'"first"', then), arrive_op(0, 2, b'"second"', then))
    before = claim(broker)
    arrive(broker, arrive_op(1, 2, b'"other"', then))

    assert before == ()
    assert found(broker) == [b'{"args":["first","other"]}']


def test_the_first_arrival_of_a_member_counts_within_a_turn_too(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("a", "b", "c"))
    a, b, c = claim(broker)
    then = deferred_enqueue("after")
    broker.turn(
        [
            outcome(a, ACK, arrive_op(0, 2, b"1", then)),
            outcome(b, ACK, arrive_op(0, 2, b"2", then)),
            outcome(c, ACK, arrive_op(1, 2, b"3", then)),
        ],
        claim_request(limit=0),
    )

    assert found(broker) == [b'{"args":[1,3]}']


def test_arrivals_at_a_complete_group_change_nothing(broker: Broker) -> None:
    then = deferred_enqueue("after")
    arrive(broker, arrive_op(0, 2, b"0", then), arrive_op(1, 2, b"1", then))
    commit(broker, claim_one(broker))
    arrive(broker, arrive_op(0, 2, b"0", then), arrive_op(1, 2, b"1", then), arrive_op(2, 2, b"2", then))

    assert claim(broker) == ()


def test_a_member_that_runs_twice_arrives_once(harness: Harness, broker: Broker, other: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    lost = claim_one(broker, "zombie")
    harness.advance(100_000)
    held = claim_one(other, "alive")
    commit(other, held, ACK, arrive_op(0, 2, b'"right"', deferred_enqueue("after"), ttl=600_000), worker="alive")
    stale = commit(broker, lost, ACK, arrive_op(1, 2, b'"zombie"', deferred_enqueue("after"), ttl=600_000), worker="zombie")
    arrive(broker, arrive_op(1, 2, b'"last"', deferred_enqueue("after"), ttl=600_000))

    assert stale == ("m",)
    assert found(broker) == [b'{"args":["right","last"]}']


@pytest.mark.parametrize(
    "disposition", [ACK, RELEASE, Bury(FAULT), Reschedule(enqueue_op("runner", "runners", delay=1_000))], ids=lambda it: type(it).__name__
)
def test_a_member_arrives_whatever_becomes_of_its_message(broker: Broker, disposition: Disposition) -> None:
    run(broker, arrive_op(0, 1, b"0", deferred_enqueue("after")), disposition=disposition)

    assert state(broker, "after") == "ready"


# Not for ever.


def test_a_group_is_kept_for_its_time_after_the_latest_arrival(harness: Harness, broker: Broker) -> None:
    then = deferred_enqueue("after")
    arrive(broker, arrive_op(0, 3, b"0", then, ttl=30_000))
    harness.advance(20_000)
    arrive(broker, arrive_op(1, 3, b"1", then, ttl=30_000))
    harness.advance(20_000)
    arrive(broker, arrive_op(2, 3, b"2", then, ttl=30_000))

    assert found(broker) == [b'{"args":[0,1,2]}']


def test_what_is_past_its_time_is_forgotten(harness: Harness, broker: Broker) -> None:
    then = deferred_enqueue("after")
    arrive(broker, arrive_op(0, 2, b'"old"', then, ttl=30_000))
    harness.advance(30_000)
    arrive(broker, arrive_op(1, 2, b'"new"', then, ttl=30_000))
    before = claim(broker)
    arrive(broker, arrive_op(0, 2, b'"also new"', then, ttl=30_000))

    assert before == ()
    assert found(broker) == [b'{"args":["also new","new"]}']


def test_a_complete_group_is_remembered_for_seven_days_at_the_most(harness: Harness, broker: Broker) -> None:
    then = deferred_enqueue("after")
    arrive(broker, arrive_op(0, 1, b"0", then, ttl=45 * DAY))
    commit(broker, claim_one(broker))
    harness.advance(7 * DAY - 60_000)
    arrive(broker, arrive_op(0, 1, b"0", then, ttl=45 * DAY))
    during = claim(broker)
    harness.advance(120_000)
    arrive(broker, arrive_op(0, 1, b"1", then, ttl=45 * DAY))

    assert during == ()
    assert found(broker) == [b'{"args":[1]}']


def test_a_complete_group_is_remembered_for_its_time(harness: Harness, broker: Broker) -> None:
    then = deferred_enqueue("after")
    arrive(broker, arrive_op(0, 1, b"0", then, ttl=30_000))
    commit(broker, claim_one(broker))
    harness.advance(20_000)
    arrive(broker, arrive_op(0, 1, b"0", then, ttl=30_000))
    during = claim(broker)
    harness.advance(60_000)
    arrive(broker, arrive_op(0, 1, b"1", then, ttl=30_000))

    assert during == ()
    assert found(broker) == [b'{"args":[1]}']


def test_old_groups_go_away_in_passing(harness: Harness, broker: Broker) -> None:
    for number in range(18):
        run(broker, *(arrive_op(member, 100, b"0", deferred_enqueue("after"), group=f"g{number}", ttl=10_000) for member in range(60)))
    for _ in range(10):
        harness.advance(10_000)
        run(broker)
    for number in range(18):
        arrive(broker, *(arrive_op(member, 41, b"1", deferred_enqueue(f"after{number}"), group=f"g{number}") for member in range(60, 100)))

    assert claim(broker) == ()
