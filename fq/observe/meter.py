"""`Meter`: the counters of the `Prometheus` layer, and their totals over all processes. It does not depend on Prometheus. Mutable shell."""

import os
import threading
from bisect import bisect_left
from collections.abc import Mapping
from itertools import accumulate
from math import inf
from typing import Final

from attrs import frozen

from fq.observe.shared_counters import Cells, Labels, ProcessCounters, SharedCounters
from fq.runtime.logger import logger
from fq.worker.inherited_descriptors import hand_on

log = logger("fq.observe")

COUNTERS_VARIABLE = "FQ_METRICS"
"""Environment variable by which the children of a worker find the counters: process id of the supervisor, descriptor, number of slots."""

BOUNDS_MS: Final = (5, 10, 25, 50, 75, 100, 250, 500, 750, 1_000, 2_500, 5_000, 7_500, 10_000, 30_000, 60_000, 600_000, 900_000, inf)
"""Upper bounds of the buckets of both histograms, ms."""

MESSAGES, ERRORS, RETRIES, REJECTS, IN_PROGRESS, STALE, LOST, DURATION, WAIT = range(9)
DURATION_BUCKETS = 9  # the first bucket of each histogram
WAIT_BUCKETS = DURATION_BUCKETS + len(BOUNDS_MS)
ROW_WIDTH = WAIT_BUCKETS + len(BOUNDS_MS)


@frozen
class Histogram:
    """The cumulative *counts* of the buckets in `BOUNDS_MS`, and the *sum* of all values, ms."""

    counts: tuple[float, ...]
    sum: float


@frozen
class MetricTotals:
    """The totals over all processes for one actor in one queue."""

    cells: tuple[float, ...]

    @property
    def durations(self) -> Histogram:
        """How long messages ran."""
        return Histogram(tuple(accumulate(self.cells[DURATION_BUCKETS:WAIT_BUCKETS])), self.cells[DURATION])

    @property
    def waits(self) -> Histogram:
        """How long messages waited."""
        return Histogram(tuple(accumulate(self.cells[WAIT_BUCKETS:])), self.cells[WAIT])


class Meter:
    """Mutable: the counters of one app in one process, with access to those of the other processes of its worker."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shared: SharedCounters | None = None
        self._counters: ProcessCounters | None = None

    def begin(self, labels: Labels) -> None:
        """Count a message that starts to run."""
        if (counters := self._counters or self._own_counters()) is not None:
            counters.add(counters.row(*labels), IN_PROGRESS, 1)

    def end(self, labels: Labels, duration: float) -> None:
        """Count a message that has run for *duration* ms."""
        if (counters := self._counters or self._own_counters()) is not None:
            row = counters.row(*labels)
            counters.add(row, IN_PROGRESS, -1)
            counters.add(row, DURATION, duration, DURATION_BUCKETS + bisect_left(BOUNDS_MS, duration))

    def observe_wait(self, labels: Labels, wait: float) -> None:
        """Record that a message has waited *wait* ms to be claimed."""
        if (counters := self._counters or self._own_counters()) is not None:
            counters.add(counters.row(*labels), WAIT, wait, WAIT_BUCKETS + bisect_left(BOUNDS_MS, wait))

    def count(self, labels: Labels, what: int, *more: int) -> None:
        """Increment the counter *what* and those in *more*."""
        if (counters := self._counters or self._own_counters()) is not None:
            counters.add(counters.row(*labels), what, 1, *more)

    def join(self) -> None:
        """Take a slot among the processes of the worker, if this process belongs to one."""
        self._own_counters()

    def totals(self) -> Mapping[Labels, MetricTotals]:
        """Return the totals, by queue and actor."""
        shared = self._find()
        if shared is None:
            return {}
        sums: dict[Labels, list[float]] = {}
        alive = shared.claimed(self._counters)
        for number in range(shared.slots):
            for labels, cells in shared.read(number).items():
                sums[labels] = _sum(sums.get(labels), cells, number in alive)
        return {labels: MetricTotals(tuple(cells)) for labels, cells in sums.items() if any(cells)}

    def slot(self) -> tuple[SharedCounters, int] | None:
        """Return the shared counters, and the number of this process's slot; None if no slot was free."""
        counters = self._own_counters()
        return None if counters is None or self._shared is None else (self._shared, counters.number)

    def blobs(self) -> list[tuple[bytes, bool]]:
        """Return the blobs of all processes, each with whether the process is alive."""
        shared = self._find()
        if shared is None:
            return []
        alive = shared.claimed(self._counters)
        return [(shared.blob(number), number in alive) for number in range(shared.slots)]

    def processes(self) -> int:
        """Return how many live processes share these counters."""
        shared = self._find()
        return 0 if shared is None else len(shared.claimed(self._counters))

    def _own_counters(self) -> ProcessCounters | None:
        with self._lock:
            if self._counters is None:
                self._shared = find_shared_counters() or SharedCounters(1, ROW_WIDTH)
                self._counters = self._shared.claim()
                if self._counters is None:
                    log.error("no free slot for the metrics of process %d: its messages are not counted", os.getpid())
                for row in self._counters.rows() if self._counters else ():
                    row[IN_PROGRESS] = 0  # left by a process that was killed
        return self._counters

    def _find(self) -> SharedCounters | None:
        with self._lock:
            if self._shared is None:
                self._shared = find_shared_counters()
        return self._shared


def _sum(sums: list[float] | None, cells: Cells, running: bool) -> list[float]:
    numbers = [float(number) for number in cells]
    if not running:
        numbers[IN_PROGRESS] = 0
    return numbers if sums is None else [a + b for a, b in zip(sums, numbers, strict=True)]


def share(slots: int) -> None:
    """Create the counters that this process shares with the processes that it starts. After a reload, the existing ones are kept."""
    if find_shared_counters() is None:
        shared = SharedCounters(slots, ROW_WIDTH)
        hand_on(shared.descriptor, for_children=True)
        os.environ[COUNTERS_VARIABLE] = f"{os.getpid()}:{shared.descriptor}:{slots}"
        _found[os.environ[COUNTERS_VARIABLE]] = shared


def unshare() -> None:
    """Stop sharing: processes that have the counters already keep them."""
    _found.pop(os.environ.pop(COUNTERS_VARIABLE, ""), None)


_found: dict[str, SharedCounters] = {}
"""The shared counters, once found. Never closed: closing any descriptor of the file would release the lock on a slot."""


def find_shared_counters() -> SharedCounters | None:
    """Return the counters that this process shares with others; None if it is neither a worker that shares counters nor a child of one."""
    value = os.environ.get(COUNTERS_VARIABLE, "")
    if value in _found:
        return _found[value]
    supervisor, _, rest = value.partition(":")
    if not rest or int(supervisor) not in (os.getpid(), os.getppid()):
        return None
    number, _, slots = rest.partition(":")
    descriptor = int(number)
    if not SharedCounters.is_file_of(descriptor, int(slots), ROW_WIDTH):  # this process is another worker, started by the code of a worker
        return None
    hand_on(descriptor, for_children=True)
    return _found.setdefault(value, SharedCounters(int(slots), ROW_WIDTH, descriptor))
