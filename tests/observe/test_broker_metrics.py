"""Metrics without a worker: what only the broker knows."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from fq import App, BrokerUnavailable
from fq.brokers import SqliteBroker
from fq.brokers.clock import ManualClock
from fq.brokers.memory import MemoryBroker
from fq.brokers.records import DUE, ClaimRequest, EnqueueOp, SetMarkOp
from fq.observe import broker_metrics
from fq.observe.broker_metrics import BrokerCollector


def registry_of(app: App) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(BrokerCollector(app))
    return registry


def test_depth_and_age_are_known_while_no_worker_runs() -> None:
    broker = MemoryBroker(clock=ManualClock(1_000))
    broker.enqueue([EnqueueOp("m1", "mail", "send", 5, 0, b"{}"), EnqueueOp("m2", "mail", "send", 0, 60_000, b"{}")])
    broker.advance(3_000)
    registry = registry_of(App(broker=broker))

    labels = {"queue_name": "mail"}
    assert registry.get_sample_value("fq_ready_messages", labels) == 1
    assert registry.get_sample_value("fq_delayed_messages", labels) == 1
    assert registry.get_sample_value("fq_oldest_message_age_seconds", labels) == 3
    assert registry.get_sample_value("fq_broker_up") == 1
    assert registry.get_sample_value("fq_workers_total") == 0


def test_a_worker_whose_lease_is_over_is_not_alive() -> None:
    broker = MemoryBroker()
    registry = registry_of(App(broker=broker))
    broker.turn([], ClaimRequest("w1", ("mail",), 0, lease=1_000))
    assert registry.get_sample_value("fq_workers_total") == 1

    broker.advance(1_001)

    assert registry.get_sample_value("fq_workers_total") == 0


def test_a_broker_that_does_not_answer_is_one_metric() -> None:
    class Down(MemoryBroker):
        def queues(self, most: int = 0) -> tuple[()]:
            raise BrokerUnavailable("down")

        workers = queues

    registry = registry_of(App(broker=Down()))

    assert registry.get_sample_value("fq_broker_up") == 0
    assert [metric.name for metric in registry.collect()] == ["fq_broker_up"]


def test_a_tick_that_no_worker_sends_is_late() -> None:
    broker = MemoryBroker(clock=ManualClock(1_000))
    registry = registry_of(App(broker=broker))
    assert registry.get_sample_value("fq_schedules") == registry.get_sample_value("fq_schedule_lateness_seconds") == 0
    broker.set_marks([SetMarkOp("schedule:a", b"{}", index=DUE, order=broker.now() + 1_000)])
    assert registry.get_sample_value("fq_schedules") == 1
    assert registry.get_sample_value("fq_schedule_lateness_seconds") == 0

    broker.advance(3_500)

    assert registry.get_sample_value("fq_schedule_lateness_seconds") == 2.5


def test_a_metric_says_that_there_are_more_messages_than_were_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_metrics, "MOST_MEASURED", 2)
    broker = SqliteBroker(tmp_path / "jobs.db")
    broker.enqueue([EnqueueOp(f"m{n}", "mail", "send", 0, 0, b"{}") for n in range(3)])
    broker.enqueue([EnqueueOp(f"d{n}", "mail", "send", 0, 60_000, b"{}") for n in range(2)])
    registry = registry_of(App(broker=broker))
    partial = {
        state: registry.get_sample_value("fq_depth_is_partial", {"queue_name": "mail", "state": state})
        for state in ("ready", "delayed", "claimed", "dead")
    }

    assert registry.get_sample_value("fq_ready_messages", {"queue_name": "mail"}) == 2
    assert partial == {"ready": 1, "delayed": 0, "claimed": 0, "dead": 0}
    broker.close()
