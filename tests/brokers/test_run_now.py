"""Every broker: `run_now` makes delayed messages ready, many in one call."""

import pytest

from fq.brokers.protocol import Broker
from fq.brokers.records import Reschedule
from tests.brokers.builders import FAULT, after_op, bury, claim, claim_one, commit, enqueue_op, enqueue_ops, ids, run, state, unique_op
from tests.brokers.harness import Harness

HOUR = 3_600_000


def test_delayed_messages_are_ready_at_once(harness: Harness, broker: Broker, other: Broker) -> None:
    broker.enqueue([enqueue_op("later", delay=HOUR), enqueue_op("other", "r", delay=2 * HOUR), enqueue_op("stays", delay=HOUR)])
    harness.advance(10)
    count = other.run_now(["later", "other"])
    entry = broker.peek("later")

    assert count == 2
    assert [state(broker, name) for name in ("later", "other", "stays")] == ["ready", "ready", "delayed"]
    assert entry is not None
    assert abs(entry.since - broker.now()) <= harness.slack
    assert (ids(claim(broker)), ids(claim(broker, "w1", "r"))) == (["later"], ["other"])


def test_a_retry_keeps_its_fault_and_is_run_now(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    commit(broker, claim_one(broker), Reschedule(enqueue_op("m", priority=3, delay=HOUR, body=b"again"), FAULT))

    assert broker.run_now(["m"]) == 1
    assert broker.status("m").fault == FAULT
    (delivery,) = claim(broker)
    assert (delivery.body, delivery.deliveries) == (b"again", 1)


def test_a_ready_message_keeps_its_place(harness: Harness, broker: Broker) -> None:
    broker.enqueue(enqueue_ops("first"))
    harness.advance(10)
    broker.enqueue(enqueue_ops("second"))
    harness.advance(10)

    assert broker.run_now(["first"]) == 1
    assert ids(claim(broker)) == ["first", "second"]


def test_what_is_due_already_keeps_its_time(harness: Harness, broker: Broker) -> None:
    broker.enqueue([enqueue_op("m", delay=1_000)])
    due = broker.status("m").due
    harness.advance(60_000)
    entry = broker.run_now(["m"]) and broker.peek("m")

    assert entry and (entry.status.state, entry.since) == ("ready", due)


def test_what_does_not_wait_stays_as_it_is(broker: Broker) -> None:
    bury(broker, enqueue_op("dead"))
    run(broker, message_id="done")
    broker.enqueue(enqueue_ops("runs"))
    claim_one(broker)

    assert broker.run_now(["dead", "done", "runs", "unknown"]) == 0
    assert [state(broker, name) for name in ("dead", "runs", "unknown")] == ["dead", "running", "unknown"]


def test_what_is_put_aside_waits_for_the_holder_of_its_key(broker: Broker) -> None:
    broker.enqueue([unique_op("holder")])
    holder = claim_one(broker)
    broker.enqueue([after_op("aside")])

    assert broker.run_now(["aside"]) == 1, "it waits"
    assert claim(broker) == ()
    commit(broker, holder)
    assert ids(claim(broker)) == ["aside"]


def test_a_message_runs_once_though_it_was_made_ready(harness: Harness, broker: Broker) -> None:
    broker.enqueue([enqueue_op("m", delay=1_000)])
    broker.run_now(["m"])
    delivery = claim_one(broker)
    commit(broker, delivery, Reschedule(enqueue_op("m", delay=HOUR), FAULT))
    harness.advance(60_000)

    assert claim(broker) == ()
    harness.advance(HOUR)
    assert ids(claim(broker)) == ["m"]


def test_a_name_may_come_twice_and_no_name_is_no_error(broker: Broker) -> None:
    broker.enqueue([enqueue_op("m", delay=HOUR)])

    assert (broker.run_now(["m", "m"]), broker.run_now([])) == (1, 0)


@pytest.mark.parametrize("count", [1_100])
def test_many_messages_of_many_queues_are_made_ready_in_their_order(broker: Broker, count: int) -> None:
    names = [f"m{number}" for number in range(count)]
    broker.enqueue([enqueue_op(name, f"q{number % 3}", delay=HOUR) for number, name in enumerate(names)])

    assert broker.run_now(names) == count
    for queue in range(3):
        assert ids(claim(broker, "w1", f"q{queue}", limit=count)) == names[queue::3]
