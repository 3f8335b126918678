"""Orders reach a worker program by its heartbeats, each once; its answers go with the next. On every broker."""

import pytest

from fq.brokers.protocol import Broker
from fq.errors import BrokerUnavailable
from fq.execution.worker_orders import Order, ask_for_stacks, pending, read_stacks, want
from fq.execution.worker_reports import KEPT_HEARTBEATS, WorkerReport, read_reports
from fq.worker.order_desk import OrderDesk
from tests.brokers.harness import Harness
from tests.every_broker import harness, kind

__all__ = ["harness", "kind"]

REPORT = WorkerReport(
    program="host:1:a-program", pid=7, version="1.2", python="3.11", memory=5, uptime=9, threads=8, concurrency=1_000, heartbeat=1_000
)


@pytest.fixture
def broker(harness: Harness) -> Broker:
    return harness.broker()


@pytest.fixture
def desk() -> OrderDesk:
    return OrderDesk(REPORT.program)


def beat(desk: OrderDesk, broker: Broker):
    return desk.heartbeat(broker, ["host:1:a-1"], 5_000, {"host:1:a-1": REPORT})


def test_a_report_is_believed_for_some_heartbeats(harness: Harness, broker: Broker, desk: OrderDesk) -> None:
    beat(desk, broker)
    found = read_reports(broker, ["host:1:a-1", "host:2:b-1"])
    assert (list(found), found["host:1:a-1"].pid, found["host:1:a-1"].running) == (["host:1:a-1"], 7, ())

    harness.advance(KEPT_HEARTBEATS * REPORT.heartbeat)
    assert read_reports(broker, ["host:1:a-1"]) == {}


def test_an_order_is_seen_once_and_is_pending_until_the_next_heartbeat(broker: Broker, desk: OrderDesk) -> None:
    want(broker, [desk.program], "quiet", "ann", broker.now())
    first = beat(desk, broker)
    assert (first.wanted.wanted, first.wanted.who) == ("quiet", "ann")
    assert pending(broker, [desk.program], ())

    assert beat(desk, broker).wanted == Order()
    assert pending(broker, [desk.program], ()) == {}


def test_of_two_orders_the_latest_counts(broker: Broker, desk: OrderDesk) -> None:
    want(broker, [desk.program], "quiet", "ann", broker.now())
    want(broker, [desk.program], "stop", "bob", broker.now())

    assert beat(desk, broker).wanted.wanted == "stop"


def test_an_order_that_comes_after_one_was_seen_is_not_lost(broker: Broker, desk: OrderDesk) -> None:
    want(broker, [desk.program], "quiet", "ann", broker.now())
    beat(desk, broker)
    want(broker, [desk.program], "active", "ann", broker.now())

    assert beat(desk, broker).wanted.wanted == "active"


def test_an_order_is_for_one_program_and_a_question_for_one_process(broker: Broker, desk: OrderDesk) -> None:
    want(broker, ["host:2:b-program"], "stop", "ann", broker.now())
    ask_for_stacks(broker, ["host:1:a-1", "host:2:b-1"], "ann", broker.now())
    orders = beat(desk, broker)

    assert (orders.wanted.wanted, list(orders.stacks)) == ("", ["host:1:a-1"])


def test_stacks_say_which_question_they_answer(broker: Broker, desk: OrderDesk) -> None:
    ask_for_stacks(broker, ["host:1:a-1"], "ann", broker.now())
    order = beat(desk, broker).stacks["host:1:a-1"]
    desk.answer("host:1:a-1", order, "Thread <main>")
    beat(desk, broker)
    found = read_stacks(broker, ["host:1:a-1"])["host:1:a-1"]

    assert (found.text, found.order_id) == ("Thread <main>", order.order_id)
    assert pending(broker, (), ["host:1:a-1"]) == {}


def test_an_answer_goes_again_if_the_broker_could_not_be_reached(broker: Broker, desk: OrderDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(*_: object) -> None:
        raise BrokerUnavailable("gone")

    desk.answer("host:1:a-1", Order("o1"), "Thread main")
    with monkeypatch.context() as patched:
        patched.setattr(broker, "renew", unavailable)
        with pytest.raises(BrokerUnavailable):
            beat(desk, broker)
    beat(desk, broker)

    assert read_stacks(broker, ["host:1:a-1"])["host:1:a-1"].text == "Thread main"
    assert not desk.has_answers


def test_what_another_version_of_fq_has_written_is_no_report(broker: Broker, desk: OrderDesk) -> None:
    from fq.brokers.records import SetMarkOp
    from fq.execution.worker_reports import report_key

    broker.set_marks([SetMarkOp(report_key("w1"), b'{"heartbeat": 5}', ttl=60_000), SetMarkOp(report_key("w2"), b"[]", ttl=60_000)])

    assert read_reports(broker, ["w1", "w2"]) == {}
