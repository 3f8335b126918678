"""
The metrics that users keep in a registry of their own: each process of ``fq worker`` shares what its actors counted, and all of it is served together.

Imported only where metrics are shown, since it needs prometheus_client. Mutable shell.
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
    from fq.observe.shared_counters import Table

log = logger("fq.observe")

EVERY_SECONDS: Final = 0.5
"""How often a process shares what has changed."""

ADDED: Final = frozenset(("counter", "histogram", "summary"))
"""Types of metrics that are added up over all processes, those that have ended among them."""

BY_MODE: Final[Mapping[str, Callable[[float, float], float]]] = {"sum": lambda a, b: a + b, "min": min, "max": max}

Sample: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]
"""The name of a sample, and its labels."""


@define
class Family:
    """Mutable: one metric with its samples. *mode*, of a gauge, says what becomes of those of several processes, as in prometheus_client."""

    name: str
    type: str
    documentation: str
    unit: str
    mode: str = ""
    samples: dict[Sample, float] = field(factory=dict)

    def add(self, sample: Sample, value: float) -> None:
        """Add what one more process says of a sample."""
        known = self.samples.get(sample)
        if known is None:
            self.samples[sample] = value
        elif self.type in ADDED:
            self.samples[sample] = min(known, value) if sample[0].endswith("_created") else known + value
        elif combine := BY_MODE.get(self.mode):
            self.samples[sample] = combine(known, value)

    def metric(self) -> Metric:
        """Return it as prometheus_client has it."""
        metric = Metric(self.name, self.documentation, self.type, self.unit)
        for (name, labels), value in self.samples.items():
            metric.add_sample(name, dict(labels), value)
        return metric


Families: TypeAlias = dict[str, Family]


def kept_in(registry: "CollectorRegistry") -> list[MetricWrapperBase]:
    """Return the metrics that *registry* keeps, without those that it asks others for."""
    return [collector for collector in list(registry._collector_to_names) if isinstance(collector, MetricWrapperBase)]


def families_of(metrics: Iterable[MetricWrapperBase]) -> Families:
    """Return what *metrics* of this process say."""
    found: Families = {}
    for kept in metrics:
        mode = str(getattr(kept, "_multiprocess_mode", "all")).removeprefix("live") if isinstance(kept, Gauge) else ""
        own = (("pid", str(os.getpid())),) if mode not in (*BY_MODE, "") else ()
        for metric in kept.collect():
            family = found.setdefault(metric.name, Family(metric.name, metric.type, metric.documentation, metric.unit, mode))
            for sample in metric.samples:
                family.add((sample.name, (*sample.labels.items(), *own)), sample.value)
    return found


def merged(parts: Iterable[Families]) -> Families:
    """Return what all of *parts* say together."""
    together: Families = {}
    for part in parts:
        for name, family in part.items():
            into = together.setdefault(name, Family(name, family.type, family.documentation, family.unit, family.mode))
            for sample, value in family.samples.items():
                into.add(sample, value)
    return together


def to_bytes(families: Families) -> bytes:
    """Return *families* as they are shared."""
    return json.dumps([[f.name, f.type, f.documentation, f.unit, f.mode, list(f.samples.items())] for f in families.values()]).encode()


def from_bytes(data: bytes) -> Families:
    """Return what `to_bytes` made *data* of."""
    rows: list[Any] = json.loads(data) if data else []
    return {
        name: Family(name, kind, text, unit, mode, {(sample, tuple(map(tuple, labels))): value for (sample, labels), value in samples})
        for name, kind, text, unit, mode, samples in rows
    }


def lasting(families: Families) -> Families:
    """Return those of *families* that are still true of a process that has ended."""
    return {name: family for name, family in families.items() if family.type in ADDED}


class Report:
    """Mutable: shares what a registry keeps, from a thread of its own, for as long as a worker runs in this process."""

    def __init__(self, meter: "Meter") -> None:
        self._meter = meter
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._last = b""

    def start(self, registry: "CollectorRegistry") -> None:
        """Share what *registry* keeps, from now on."""
        place = self._meter.place()
        if place is None or self._thread is not None:
            return
        before = lasting(from_bytes(place[0].note(place[1])))  # of the process that had this place
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, args=(registry, *place, before), name="fq-metrics", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Share what has been counted to the end."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stop.set()
            thread.join()

    def _run(self, registry: "CollectorRegistry", table: "Table", number: int, before: Families) -> None:
        stopped = False
        while not stopped:
            stopped = self._stop.wait(EVERY_SECONDS)
            try:
                data = to_bytes(merged((families_of(kept_in(registry)), before)))
                if data != self._last and not table.write_note(number, data):
                    log.error(
                        "the metrics in the registry of the app take %d bytes: more than are shared, so they are not served", len(data)
                    )
                self._last = data
            except Exception:
                log.exception("the metrics in the registry of the app could not be shared")


class SingleFlight(Base):
    """What the registry of the app keeps, of all processes of a worker; and what it asks others for, as this process hears it."""

    def __init__(self, registry: "CollectorRegistry", meter: "Meter") -> None:
        self._registry = registry
        self._meter = meter

    def describe(self) -> Iterator[Metric]:
        """Return what is kept, without values."""
        for kept in kept_in(self._registry):
            yield from kept.describe()

    def collect(self) -> Iterator[Metric]:
        """Return the metrics as they are now."""
        kept = kept_in(self._registry)
        shared = merged(from_bytes(note) if alive else lasting(from_bytes(note)) for note, alive in self._meter.notes())
        for name, family in families_of(kept).items():
            shared.setdefault(name, family)  # declared, and used in no process yet
        yield from (family.metric() for family in shared.values())
        for other in list(self._registry._collector_to_names):
            if not isinstance(other, MetricWrapperBase):
                yield from other.collect()
