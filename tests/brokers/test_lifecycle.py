"""Every broker: nothing connects before the first call, and a closed broker connects again."""

from pathlib import Path

from fq.brokers.protocol import Broker
from fq.brokers.records import StoreResultOp
from tests.brokers.builders import claim, claim_one, claim_request, commit, enqueue_op, enqueue_ops, ids, in_thread, run, state
from tests.brokers.harness import Harness, Kind


def test_a_store_begins_empty(broker: Broker) -> None:
    assert broker.queues() == broker.workers() == broker.dead_letters() == ()


def test_making_a_broker_and_closing_it_does_nothing(kind: Kind, tmp_path: Path) -> None:
    harness = kind(tmp_path)
    harness.broker().close()
    harness.close()

    assert list(tmp_path.iterdir()) == []


def test_a_closed_broker_opens_again_with_everything_in_its_place(broker: Broker) -> None:
    run(broker, StoreResultOp("r", b"1", 60_000))
    broker.enqueue([enqueue_op("running"), enqueue_op("ready"), enqueue_op("late", delay=10_000)])
    delivery = claim_one(broker)
    broker.close()
    broker.close()

    assert [state(broker, name) for name in ("running", "ready", "late")] == ["running", "ready", "delayed"]
    assert broker.result("r") == b"1"
    assert commit(broker, delivery) == ()


def test_closing_one_handle_leaves_the_others_alone(broker: Broker, other: Broker) -> None:
    broker.enqueue(enqueue_ops("a"))
    broker.close()
    other.enqueue(enqueue_ops("b"))

    assert ids(claim(other)) == ["a", "b"]


def test_a_broker_can_be_used_from_many_threads_at_once(broker: Broker) -> None:
    def work(name: str) -> int:
        count = 0
        for number in range(20):
            broker.enqueue(enqueue_ops(f"{name}-{number}"))
            turn = broker.turn((), claim_request(name, limit=2))
            for delivery in turn.deliveries:
                count += not commit(broker, delivery, worker=name)
        return count

    counts = [in_thread(lambda name=f"w{number}": work(name)) for number in range(8)]

    assert sum(count.result(60) for count in counts) + len(claim(broker, limit=1_000)) == 160


def test_the_clock_is_the_same_for_all(harness: Harness, broker: Broker, other: Broker) -> None:
    harness.advance(10_000)

    assert abs(broker.now() - other.now()) <= harness.slack


def test_a_broker_says_where_it_is(broker: Broker) -> None:
    assert "://" in str(broker) or "://" in repr(broker)
