"""Every broker: a heartbeat renews leases, sets marks and returns marks, in one step."""

import pytest

from fq.brokers.protocol import Broker
from fq.brokers.records import Mark, SetMarkOp
from fq.errors import BrokerError
from tests.brokers.builders import LEASE_MS, claim_one, enqueue_op, enqueue_ops, state
from tests.brokers.harness import Harness


def test_a_heartbeat_leaves_its_report_where_others_find_it(broker: Broker, other: Broker) -> None:
    found = broker.renew(["w1"], LEASE_MS, [SetMarkOp("report", b'"well"', ttl=1_000)])

    assert found == {}
    assert other.marks(["report"])["report"].body == b'"well"'


def test_a_heartbeat_returns_what_is_asked_of_the_worker(broker: Broker, other: Broker) -> None:
    other.set_marks([SetMarkOp("order", b'"stop"')])

    assert broker.renew([], LEASE_MS, asked=["order", "other order"]) == {"order": Mark("order", b'"stop"')}


def test_the_report_comes_before_the_question(broker: Broker, other: Broker) -> None:
    other.set_marks([SetMarkOp("order", b'"stop"')])
    done = SetMarkOp("order", None, expected=b'"stop"')

    assert broker.renew([], LEASE_MS, [done], ["order"]) == {}


def test_a_later_order_outlives_the_report_that_the_former_is_done(broker: Broker, other: Broker) -> None:
    other.set_marks([SetMarkOp("order", b'"quiet"')])
    other.set_marks([SetMarkOp("order", b'"stop"')])
    found = broker.renew([], LEASE_MS, [SetMarkOp("order", None, expected=b'"quiet"')], ["order"])

    assert found["order"].body == b'"stop"'


def test_marks_that_have_ended_are_not_returned(harness: Harness, broker: Broker) -> None:
    broker.set_marks([SetMarkOp("order", b'"stop"', ttl=1_000)])
    harness.advance(1_000)

    assert broker.renew([], LEASE_MS, asked=["order"]) == {}


def test_a_heartbeat_with_a_report_renews_the_lease(harness: Harness, broker: Broker, other: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    claim_one(broker, "w1")
    harness.advance(LEASE_MS - 5_000)
    broker.renew(["w1"], LEASE_MS, [SetMarkOp("report", b"1")])
    harness.advance(LEASE_MS - 5_000)

    assert state(other, "m") == "running"
    assert [worker.lease_left > 0 for worker in other.workers()] == [True]


def test_a_report_that_enqueues_something_is_refused(broker: Broker) -> None:
    with pytest.raises(BrokerError, match="expected no messages in a heartbeat"):
        broker.renew(["w1"], LEASE_MS, [SetMarkOp("report", b"1", then=(enqueue_op("m"),))])

    assert broker.marks(["report"]) == {}
