"""`Collector`: shows what was counted, and what the broker knows, as metrics of prometheus_client."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector as Base

from fq.brokers.records import QueueStats
from fq.errors import BrokerError
from fq.observe.meter import BOUNDS, ERRORS, IN_PROGRESS, LOST, MESSAGES, REJECTS, RETRIES, STALE, Histogram, Meter, Tally
from fq.observe.shared_counters import Labels
from fq.runtime.logger import logger

if TYPE_CHECKING:
    from fq.app.app import App

log = logger("fq.observe")

COUNTERS = (
    ("fq_messages", MESSAGES, "Messages that were processed, whatever came of them"),
    ("fq_message_errors", ERRORS, "Messages that failed, each attempt counted"),
    ("fq_message_retries", RETRIES, "Failed messages that were put back, to be tried again"),
    ("fq_message_rejects", REJECTS, "Messages that became dead letters"),
    ("fq_stale_commits", STALE, "Outcomes that came too late: the message had been given to another worker"),
    ("fq_lease_losses", LOST, "Messages run that another worker had lost before: its process died, or was cut off"),
)

QUEUES = (
    ("fq_ready_messages", "ready", "Messages that wait for a worker: the depth of the queue"),
    ("fq_delayed_messages", "delayed", "Messages that are not due yet"),
    ("fq_claimed_messages", "in_flight", "Messages that workers hold"),
    ("fq_dead_messages", "dead", "Dead letters that are kept"),
    ("fq_queue_paused", "paused", "1 while nobody may claim from the queue"),
)

LABELS = ("queue_name", "actor_name")


class Collector(Base):
    """All metrics of *app*, as *meter* has counted them; those of the queues are asked of the broker when somebody looks."""

    def __init__(self, meter: Meter, app: "App") -> None:
        self._meter = meter
        self._app = app

    def collect(self) -> Iterator[Metric]:
        """Return the metrics as they are now."""
        tallies = sorted(self._meter.tallies().items())
        for name, index, text in COUNTERS:
            counter = CounterMetricFamily(name, text, labels=LABELS)
            for labels, tally in tallies:
                counter.add_metric(labels, tally.cells[index])
            yield counter
        running = GaugeMetricFamily("fq_messages_inprogress", "Messages that are being run", labels=LABELS)
        for labels, tally in tallies:
            running.add_metric(labels, tally.cells[IN_PROGRESS])
        yield running
        yield from _histograms(tallies)
        yield GaugeMetricFamily("fq_workers_total", "Worker processes that are alive", value=self._meter.processes())
        yield from self._queues()

    def _queues(self) -> Iterator[Metric]:
        try:
            queues = self._app.broker.queues()
        except BrokerError as error:
            log.warning("cannot ask the broker for metrics: %s", error)
            yield GaugeMetricFamily("fq_broker_up", "1 if the broker could be asked", value=0)
            return
        yield GaugeMetricFamily("fq_broker_up", "1 if the broker could be asked", value=1)
        yield from queue_metrics(queues)


def queue_metrics(queues: Sequence[QueueStats]) -> Iterator[Metric]:
    """Return the metrics of *queues*."""
    for name, attribute, text in QUEUES:
        gauge = GaugeMetricFamily(name, text, labels=("queue_name",))
        for queue in queues:
            gauge.add_metric((queue.queue_name,), float(getattr(queue, attribute)))
        yield gauge
    age = GaugeMetricFamily(
        "fq_oldest_message_age_seconds", "How long the oldest ready message has waited, whatever its priority", labels=("queue_name",)
    )
    for queue in queues:
        age.add_metric((queue.queue_name,), queue.oldest / 1_000)
    yield age


def _histograms(tallies: Iterable[tuple[Labels, Tally]]) -> Iterator[Metric]:
    tallies = list(tallies)
    for unit, scale in (("milliseconds", 1.0), ("seconds", 1_000.0)):
        durations = HistogramMetricFamily(f"fq_message_duration_{unit}", f"How long messages took, in {unit}", labels=LABELS)
        for labels, tally in tallies:
            _add(durations, labels, tally.durations, scale)
        yield durations
    text = "How long messages were ready before they were claimed, in seconds"
    waits = HistogramMetricFamily("fq_message_queue_seconds", text, labels=LABELS)
    for labels, tally in tallies:
        _add(waits, labels, tally.waits, 1_000.0)
    yield waits


def _add(family: HistogramMetricFamily, labels: Labels, histogram: Histogram, scale: float) -> None:
    bounds = ["+Inf" if bound == float("inf") else repr(bound / scale) for bound in BOUNDS]
    family.add_metric(labels, list(zip(bounds, histogram.counts, strict=True)), histogram.sum / scale)


class Exposure:
    """Mutable: shows *collector* in a registry for as long as its app has workers inside this process."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._lock = threading.Lock()
        self._workers = 0
        self._registry: CollectorRegistry | None = None

    def add(self, registry: CollectorRegistry | None) -> None:
        """
        Show the metrics in *registry*, or in the default one, for one more worker.

        Raises:
            ValueError: the registry has such metrics already: those of another app.
        """
        with self._lock:
            self._workers += 1
            if self._registry is None:
                chosen = REGISTRY if registry is None else registry
                chosen.register(self._collector)
                self._registry = chosen

    def remove(self) -> None:
        """Count one worker less; with the last one, the metrics go."""
        with self._lock:
            self._workers -= 1
            if not self._workers and self._registry is not None:
                self._registry.unregister(self._collector)
                self._registry = None
