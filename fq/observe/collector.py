"""`Collector`: exports the counters of a `Meter` and the state of the queues as metrics of prometheus_client."""

import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector as Base

from fq.observe.broker_metrics import broker_metrics
from fq.observe.meter import BOUNDS_MS, ERRORS, IN_PROGRESS, LOST, MESSAGES, REJECTS, RETRIES, STALE, Histogram, Meter, MetricTotals
from fq.observe.shared_counters import Labels

if TYPE_CHECKING:
    from fq.app.app import App

COUNTERS = (
    ("fq_messages", MESSAGES, "Messages that were processed, with any outcome"),
    ("fq_message_errors", ERRORS, "Failed attempts to process a message"),
    ("fq_message_retries", RETRIES, "Failed messages that will be retried"),
    ("fq_message_rejects", REJECTS, "Messages that became dead letters"),
    ("fq_stale_commits", STALE, "Outcomes that came too late: another worker had claimed the message by then"),
    ("fq_lease_losses", LOST, "Messages that a worker lost before this delivery, because it died or lost its connection"),
)

LABELS = ("queue_name", "actor_name")


class Collector(Base):
    """All metrics of *app*: the counters of *meter*, and the state of the queues, which each scrape asks of the broker."""

    def __init__(self, meter: Meter, app: "App") -> None:
        self._meter = meter
        self._app = app

    def collect(self) -> Iterator[Metric]:
        """Return the metrics as they are now."""
        totals = sorted(self._meter.totals().items())
        for name, index, text in COUNTERS:
            counter = CounterMetricFamily(name, text, labels=LABELS)
            for labels, total in totals:
                counter.add_metric(labels, total.cells[index])
            yield counter
        running = GaugeMetricFamily("fq_messages_inprogress", "Messages that are running", labels=LABELS)
        for labels, total in totals:
            running.add_metric(labels, total.cells[IN_PROGRESS])
        yield running
        yield from _histograms(totals)
        yield GaugeMetricFamily("fq_workers_total", "Worker processes that are alive", value=self._meter.processes())
        yield from broker_metrics(self._app)


def _histograms(totals: Iterable[tuple[Labels, MetricTotals]]) -> Iterator[Metric]:
    totals = list(totals)
    for unit, scale in (("milliseconds", 1.0), ("seconds", 1_000.0)):
        durations = HistogramMetricFamily(f"fq_message_duration_{unit}", f"How long messages ran, in {unit}", labels=LABELS)
        for labels, total in totals:
            _add(durations, labels, total.durations, scale)
        yield durations
    text = "How long messages were ready before they were claimed, in seconds"
    waits = HistogramMetricFamily("fq_message_queue_seconds", text, labels=LABELS)
    for labels, total in totals:
        _add(waits, labels, total.waits, 1_000.0)
    yield waits


def _add(family: HistogramMetricFamily, labels: Labels, histogram: Histogram, scale: float) -> None:
    bounds = ["+Inf" if bound == float("inf") else repr(bound / scale) for bound in BOUNDS_MS]
    family.add_metric(labels, list(zip(bounds, histogram.counts, strict=True)), histogram.sum / scale)


class Exposure:
    """Mutable: registers *collector* while its app has workers inside this process."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._lock = threading.Lock()
        self._workers = 0
        self._registry: CollectorRegistry | None = None

    def add(self, registry: CollectorRegistry | None) -> None:
        """
        Count one more worker; with the first, register the metrics in *registry*, or in the default registry.

        Raises:
            ValueError: the registry already has such metrics, of another app.
        """
        with self._lock:
            self._workers += 1
            if self._registry is None:
                chosen = REGISTRY if registry is None else registry
                chosen.register(self._collector)
                self._registry = chosen

    def remove(self) -> None:
        """Count one worker less; with the last, unregister the metrics."""
        with self._lock:
            self._workers -= 1
            if not self._workers and self._registry is not None:
                self._registry.unregister(self._collector)
                self._registry = None
