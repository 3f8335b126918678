"""Every broker: what member 0 brings follows the group, and results wait for the end of their workflow."""

import json
import time

import pytest

from fq.brokers.protocol import Broker
from fq.brokers.records import ACK, OPEN_GROUP_TTL_MS, DeferredEnqueue, EnqueueOp, StoreResultOp
from tests.brokers.builders import arrive_op, claim, claim_request, deferred_enqueue, enqueue_ops, ids, outcome, run
from tests.brokers.harness import Harness

HOUR = 60 * 60 * 1000


def found(broker: Broker, *queues: str) -> list[bytes]:
    return [delivery.body for delivery in claim(broker, "w1", *(queues or ("q",)))]


# What follows a group.


@pytest.mark.parametrize("bringing", range(3))
def test_what_one_member_brings_follows_the_group_whoever_is_the_last(broker: Broker, bringing: int) -> None:
    for member in (1, 0, 2):
        then = (deferred_enqueue("after"),) if member == bringing else ()
        run(broker, arrive_op(member, 3, str(member).encode(), *then))

    assert found(broker) == [b'{"args":[0,1,2]}']


def test_what_was_brought_first_follows_and_what_the_last_brings_goes_before_it(broker: Broker) -> None:
    run(broker, arrive_op(0, 3, b"0", deferred_enqueue("first")), arrive_op(1, 3, b"1", deferred_enqueue("second")), arrive_op(2, 3, b"2"))
    run(broker, arrive_op(0, 2, b"0", deferred_enqueue("first-h"), group="h"), arrive_op(1, 2, b"1", deferred_enqueue("last-h"), group="h"))

    assert ids(claim(broker)) == ["first", "last-h"]


def test_it_is_kept_whole_with_its_queues_priorities_and_delays(harness: Harness, broker: Broker) -> None:
    large = b"x" * 200_000
    then = (
        DeferredEnqueue(EnqueueOp("low", "r", "report", 5, 0, b""), b'{"large":"' + large + b'","args":', b',"end":"\xff"}'),
        DeferredEnqueue(EnqueueOp("high", "r", "report", -5, 0, b""), b"<", b">"),
        DeferredEnqueue(EnqueueOp("later", "s", "other", 0, 10_000, b""), b"", b""),
    )
    run(broker, arrive_op(0, 2, b"0", *then))
    run(broker, arrive_op(1, 2, b"1"))
    claimed = claim(broker, "w1", "r")
    before = claim(broker, "w1", "s")
    harness.advance(10_000 + harness.slack)

    assert [(delivery.message_id, delivery.actor_name) for delivery in claimed] == [("high", "report"), ("low", "report")]
    assert [delivery.body for delivery in claimed] == [b"<[0,1]>", b'{"large":"' + large + b'","args":[0,1],"end":"\xff"}']
    assert before == ()
    assert found(broker, "s") == [b"[0,1]"]


def test_the_members_of_a_group_may_come_in_one_turn_with_what_follows(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("a", "b", "c"))
    a, b, c = claim(broker)
    operations = (arrive_op(1, 3, b"1"), arrive_op(0, 3, b"0", deferred_enqueue("after")), arrive_op(2, 3, b"2"))
    broker.turn(
        [outcome(delivery, ACK, operation) for delivery, operation in zip((a, b, c), operations, strict=True)], claim_request(limit=0)
    )

    assert found(broker) == [b'{"args":[0,1,2]}']


def test_what_follows_goes_with_its_group(harness: Harness, broker: Broker) -> None:
    run(broker, arrive_op(0, 2, b"0", deferred_enqueue("forgotten"), ttl=HOUR))
    harness.advance(2 * HOUR)
    run(broker, arrive_op(1, 2, b"1"))
    run(broker, arrive_op(0, 2, b"0", deferred_enqueue("after")))

    assert found(broker) == [b'{"args":[0,1]}']


def test_the_time_in_what_follows_is_that_of_the_last_arrival(harness: Harness, broker: Broker) -> None:
    then = DeferredEnqueue(EnqueueOp("after", "q", "report", 0, 0, b""), b'{"args":', b',"at":', b',"more":1}')
    run(broker, arrive_op(0, 2, b"0", then, ttl=OPEN_GROUP_TTL_MS))
    harness.advance(HOUR)
    expected = broker.now()
    run(broker, arrive_op(1, 2, b"1"))
    (body,) = found(broker)

    assert json.loads(body) == {"args": [0, 1], "at": pytest.approx(expected, abs=5_000), "more": 1}


# Results that wait.


def test_a_result_waits_for_its_group_and_is_kept_for_its_own_time_from_then(harness: Harness, broker: Broker) -> None:
    run(broker, StoreResultOp("quick", b"1", HOUR, "g"), arrive_op(0, 2, ttl=OPEN_GROUP_TTL_MS))
    harness.advance(10 * HOUR)
    waiting = broker.result("quick")
    run(broker, StoreResultOp("slow", b"2", HOUR, "g"), arrive_op(1, 2))
    harness.advance(HOUR // 2)
    at_the_end = broker.result("quick"), broker.result("slow")
    harness.advance(HOUR)

    assert waiting == b"1"
    assert at_the_end == (b"1", b"2")
    assert (broker.result("quick"), broker.result("slow")) == (None, None)


def test_a_group_of_one_that_nothing_follows_lets_go_each_time(harness: Harness, broker: Broker) -> None:
    for name in ("first", "second"):
        run(broker, StoreResultOp(name, b"1", HOUR, "g"))
        harness.advance(2 * HOUR)
        assert broker.result(name) == b"1"
        run(broker, arrive_op(0, 1))
        harness.advance(2 * HOUR)
        assert broker.result(name) is None


def test_the_end_of_another_group_changes_nothing(harness: Harness, broker: Broker) -> None:
    run(broker, StoreResultOp("m", b"1", HOUR, "g"), arrive_op(0, 1, group="h"))
    harness.advance(2 * HOUR)

    assert broker.result("m") == b"1"


def test_a_result_that_comes_after_the_end_waits_for_nothing(harness: Harness, broker: Broker) -> None:
    run(broker, arrive_op(0, 2), arrive_op(1, 2))
    run(broker, StoreResultOp("m", b"1", HOUR, "g"))
    harness.advance(2 * HOUR)

    assert broker.result("m") is None


def test_a_result_whose_workflow_never_ends_has_an_end_itself(harness: Harness, broker: Broker) -> None:
    run(broker, StoreResultOp("m", b"1", HOUR, "g"))
    harness.advance(OPEN_GROUP_TTL_MS - HOUR)
    before = broker.result("m")
    harness.advance(2 * HOUR)

    assert (before, broker.result("m")) == (b"1", None)


def test_a_later_result_that_waits_for_nothing_does_not_wait(harness: Harness, broker: Broker) -> None:
    run(broker, StoreResultOp("m", b"1", HOUR, "g"))
    run(broker, StoreResultOp("m", b"2", HOUR))
    harness.advance(2 * HOUR)

    assert broker.result("m") is None


# Which results are there.


def test_it_is_told_at_once_which_results_are_kept(harness: Harness, broker: Broker, other: Broker) -> None:
    run(broker, StoreResultOp("a", b"", 60_000), StoreResultOp("b", b"W", 10_000), StoreResultOp("c", b"R", HOUR))
    harness.advance(30_000)

    assert broker.ids_with_results([]) == set()
    assert other.ids_with_results(["a", "b", "c", "d", "a"]) == {"a", "c"}


def test_a_result_that_is_waited_for_is_not_there(broker: Broker) -> None:
    broker.wait_result("m", 10)

    assert broker.ids_with_results(["m"]) == set()


def test_to_look_for_twenty_thousand_results_takes_no_time(broker: Broker) -> None:
    names = [f"m{number}" for number in range(20_000)]
    run(broker, *(StoreResultOp(name, b"1", HOUR) for name in names[::200]))
    began = time.process_time()

    assert broker.ids_with_results(names) == set(names[::200])
    assert time.process_time() - began < 0.5
