"""
The metrics in a registry of the user: each process of ``fq worker`` publishes its values, and the endpoint serves them merged.

Imported only where metrics are exported, since it needs prometheus_client. Mutable shell.
"""

import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from attrs import define, field
from prometheus_client.core import Metric
from prometheus_client.metrics import Gauge, MetricWrapperBase
from prometheus_client.registry import Collector as Base

from fq.runtime.logger import logger

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from fq.observe.meter import Meter
    from fq.observe.shared_counters import SharedCounters

log = logger("fq.observe")

PUBLISH_INTERVAL_SECONDS: Final = 0.5
"""How often a process publishes changed values."""

SUMMED_TYPES: Final = frozenset(("counter", "histogram", "summary"))
"""Types of metrics that are summed over all processes, including those that have ended."""

COMBINE_BY_MODE: Final[Mapping[str, Callable[[float, float], float]]] = {"sum": lambda a, b: a + b, "min": min, "max": max}

Sample: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]
"""The name of a sample, and its labels."""


@define
class Family:
    """Mutable: one metric with its samples. For a gauge, *mode* says how to combine several processes, as in prometheus_client."""

    name: str
    type: str
    documentation: str
    unit: str
    mode: str = ""
    samples: dict[Sample, float] = field(factory=dict)

    def add(self, sample: Sample, value: float) -> None:
        """Add the value of a sample in one more process."""
        known = self.samples.get(sample)
        if known is None:
            self.samples[sample] = value
        elif self.type in SUMMED_TYPES:
            self.samples[sample] = min(known, value) if sample[0].endswith("_created") else known + value
        elif combine := COMBINE_BY_MODE.get(self.mode):
            self.samples[sample] = combine(known, value)

    def metric(self) -> Metric:
        """Return this family as a metric of prometheus_client."""
        metric = Metric(self.name, self.documentation, self.type, self.unit)
        for (name, labels), value in self.samples.items():
            metric.add_sample(name, dict(labels), value)
        return metric


Families: TypeAlias = dict[str, Family]


def metrics_of(registry: "CollectorRegistry") -> list[MetricWrapperBase]:
    """Return the metrics whose values *registry* keeps itself, without those of custom collectors."""
    return [collector for collector in list(registry._collector_to_names) if isinstance(collector, MetricWrapperBase)]


def families_of(metrics: Iterable[MetricWrapperBase]) -> Families:
    """Return the values of *metrics* in this process."""
    found: Families = {}
    for kept in metrics:
        mode = str(getattr(kept, "_multiprocess_mode", "all")).removeprefix("live") if isinstance(kept, Gauge) else ""
        own = (("pid", str(os.getpid())),) if mode not in (*COMBINE_BY_MODE, "") else ()
        for metric in kept.collect():
            family = found.setdefault(metric.name, Family(metric.name, metric.type, metric.documentation, metric.unit, mode))
            for sample in metric.samples:
                family.add((sample.name, (*sample.labels.items(), *own)), sample.value)
    return found


def merged(parts: Iterable[Families]) -> Families:
    """Return the values of all *parts*, combined."""
    together: Families = {}
    for part in parts:
        for name, family in part.items():
            into = together.setdefault(name, Family(name, family.type, family.documentation, family.unit, family.mode))
            for sample, value in family.samples.items():
                into.add(sample, value)
    return together


def to_bytes(families: Families) -> bytes:
    """Return *families* encoded for publishing."""
    return json.dumps([[f.name, f.type, f.documentation, f.unit, f.mode, list(f.samples.items())] for f in families.values()]).encode()


def from_bytes(data: bytes) -> Families:
    """Return the families that `to_bytes` encoded as *data*."""
    rows: list[Any] = json.loads(data) if data else []
    return {
        name: Family(name, kind, text, unit, mode, {(sample, tuple(map(tuple, labels))): value for (sample, labels), value in samples})
        for name, kind, text, unit, mode, samples in rows
    }


def without_live_values(families: Families) -> Families:
    """Return those of *families* that stay valid when their process has ended."""
    return {name: family for name, family in families.items() if family.type in SUMMED_TYPES}


class MetricsPublisher:
    """Mutable: publishes the metrics of a registry, from a thread of its own, while a worker runs in this process."""

    def __init__(self, meter: "Meter") -> None:
        self._meter = meter
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._last = b""

    def start(self, registry: "CollectorRegistry") -> None:
        """Start to publish the metrics of *registry*."""
        slot = self._meter.slot()
        if slot is None or self._thread is not None:
            return
        before = without_live_values(from_bytes(slot[0].blob(slot[1])))  # of the previous process with this slot
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, args=(registry, *slot, before), name="fq-metrics", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Publish the last values, and stop."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stop.set()
            thread.join()

    def _run(self, registry: "CollectorRegistry", shared: "SharedCounters", number: int, before: Families) -> None:
        stopped = False
        while not stopped:
            stopped = self._stop.wait(PUBLISH_INTERVAL_SECONDS)
            try:
                data = to_bytes(merged((families_of(metrics_of(registry)), before)))
                if data != self._last and not shared.write_blob(number, data):
                    log.error("the metrics in the registry of the app take %d bytes, which is too large: they are not served", len(data))
                self._last = data
            except Exception:
                log.exception("the metrics in the registry of the app could not be published")


class MergedMetrics(Base):
    """The metrics of the app's registry, merged over all processes of a worker; custom collectors are asked in this process only."""

    def __init__(self, registry: "CollectorRegistry", meter: "Meter") -> None:
        self._registry = registry
        self._meter = meter

    def describe(self) -> Iterator[Metric]:
        """Return the metrics without values."""
        for kept in metrics_of(self._registry):
            yield from kept.describe()

    def collect(self) -> Iterator[Metric]:
        """Return the metrics as they are now."""
        kept = metrics_of(self._registry)
        shared = merged(from_bytes(blob) if alive else without_live_values(from_bytes(blob)) for blob, alive in self._meter.blobs())
        for name, family in families_of(kept).items():
            shared.setdefault(name, family)  # declared, but not used in any process yet
        yield from (family.metric() for family in shared.values())
        for other in list(self._registry._collector_to_names):
            if not isinstance(other, MetricWrapperBase):
                yield from other.collect()
