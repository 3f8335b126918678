"""The metrics that users keep in a registry of their own, added up over all processes of ``fq worker``."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from fq.observe.meter import ROW_WIDTH, Meter
from fq.observe.shared_counters import BLOB_SIZE, SharedCounters
from fq.observe.user_metrics import Families, MergedMetrics, families_of, from_bytes, merged, metrics_of, to_bytes, without_live_values
from tests.observe.test_endpoint import Worker
from tests.wait_until import wait_until

MIDDLEWARE = """, middleware=compose(
    prometheus(http_port=0, registry=(registry := __import__("prometheus_client").CollectorRegistry())), default_middleware)"""
MORE = """
from prometheus_client import Counter, Histogram
emails = Counter("emails", "Emails sent", ["kind"], registry=registry)
sizes = Histogram("sizes", "Their sizes", buckets=(1, 10), registry=registry)

@app.actor
def send_mail(kind: str, size: int) -> None:
    emails.labels(kind).inc()
    sizes.observe(size)
    if kind == "late":
        Counter("late", "Declared where it is used", registry=registry).inc()

@app.actor
async def asend_mail(kind: str) -> None:
    emails.labels(kind).inc()
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    workers: list[Worker] = []

    def start(*flags: str) -> Worker:
        workers.append(Worker(tmp_path, *flags, middleware=MIDDLEWARE, more=MORE))
        return workers[-1]

    yield start
    for worker in workers:
        worker.stop()
        assert worker.process.stderr is not None
        worker.process.stderr.close()


@pytest.mark.parametrize("flags", [(), ("--spawn",), ("--max-tasks-per-child", "20")], ids=["fork", "spawn", "retiring"])
def test_what_actors_count_in_a_registry_of_the_app_is_served_from_all_processes(
    start: Callable[..., Worker], flags: tuple[str, ...]
) -> None:
    worker = start("--processes", "2", *flags)
    worker.send("app.send_many(send_mail.call('fast', n) for n in range(100)); app.send_many(asend_mail.call('slow') for _ in range(30))")
    wait_until(lambda: worker.sees("fq_messages_total", "send_mail", 100) and worker.sees("fq_messages_total", "asend_mail", 30))
    worker.send("send_mail.send('late', 1)")

    wait_until(lambda: total(worker, "emails_total") == 131)
    wait_until(lambda: total(worker, "sizes_count") == 101)
    wait_until(lambda: total(worker, "late_total") == 1)


def total(worker: Worker, name: str) -> float:
    return sum(sample.value for sample in worker.samples() if sample.name == name)


def said(count: float, level: float, mode: str = "all") -> Families:
    """What one process says."""
    registry = CollectorRegistry()
    Counter("mails", "Mails", ["kind"], registry=registry).labels("a").inc(count)
    Histogram("sizes", "Sizes", buckets=(1, 2), registry=registry).observe(count)
    Summary("times", "Times", registry=registry).observe(count)
    Gauge("level", "Level", registry=registry, multiprocess_mode=mode).set(level)  # type: ignore[arg-type]
    return families_of(metrics_of(registry))


def values(families: Families, name: str) -> list[float]:
    return [value for family in families.values() for (sample, _), value in family.samples.items() if sample == name]


def test_counters_histograms_and_summaries_are_added_up_from_when_the_first_began() -> None:
    first, second = said(1, 0), said(2, 0)
    together = merged((second, first))

    assert values(together, "mails_total") == [3]
    assert values(together, "sizes_bucket") == [1, 2, 2]
    assert values(together, "mails_created") == values(first, "mails_created")
    assert (values(together, "times_sum"), values(together, "times_count")) == ([3], [2])


@pytest.mark.parametrize(("mode", "expected"), [("sum", 7), ("livesum", 7), ("min", 3), ("max", 4), ("livemax", 4)])
def test_what_becomes_of_gauges_is_what_their_mode_says(mode: str, expected: float) -> None:
    assert values(merged((said(0, 3, mode), said(0, 4, mode))), "level") == [expected]


def test_a_gauge_without_a_mode_has_a_sample_for_each_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getpid", lambda: 11)
    first = said(0, 3)
    monkeypatch.setattr("os.getpid", lambda: 12)

    assert sorted(merged((first, said(0, 4)))["level"].samples.items()) == [
        (("level", (("pid", "11"),)), 3),
        (("level", (("pid", "12"),)), 4),
    ]


def test_of_a_process_that_has_ended_only_what_is_added_up_remains() -> None:
    assert set(without_live_values(said(1, 2))) == {"mails", "sizes", "times"}


def test_what_is_shared_arrives_as_it_was() -> None:
    families = said(1, float("inf"))

    assert from_bytes(to_bytes(families)) == families
    assert from_bytes(b"") == {}


def test_what_the_registry_asks_others_for_is_served_once() -> None:
    class Other(Collector):
        def collect(self) -> Iterator[Metric]:
            metric = Metric("other", "Of another", "gauge")
            metric.add_sample("other", {}, 5)
            yield metric

    registry = CollectorRegistry()
    registry.register(Other())
    Counter("mails", "Mails", registry=registry)
    served = CollectorRegistry()
    served.register(MergedMetrics(registry, Meter()))

    assert [(sample.name, sample.value) for metric in served.collect() for sample in metric.samples if "created" not in sample.name] == [
        ("mails_total", 0),
        ("other", 5),
    ]


def test_a_note_is_read_as_it_was_written_and_one_too_long_is_refused() -> None:
    table = SharedCounters(2, ROW_WIDTH)

    assert table.blob(1) == b""
    assert table.write_blob(1, b"x" * 1_000)
    assert table.write_blob(1, b"short")
    assert (table.blob(0), table.blob(1)) == (b"", b"short")
    assert not table.write_blob(1, b"x" * BLOB_SIZE)
    assert table.blob(1) == b"short"


def test_reading_its_own_note_does_not_cost_a_process_its_part() -> None:
    table = SharedCounters(1, ROW_WIDTH)
    part = table.claim()
    assert part is not None
    table.blob(part.number)

    if not (pid := os.fork()):
        os._exit(0 if table.claim() is None else 1)
    assert os.waitpid(pid, 0)[1] == 0
