"""`Meter`: what the `Prometheus` layer counts, where, and how it is added up. It knows nothing of Prometheus itself. Mutable shell."""

import os
import threading
from bisect import bisect_left
from collections.abc import Mapping
from itertools import accumulate
from typing import Final

from attrs import frozen

from fq.observe.shared_counters import Cells, Labels, Part, Table
from fq.runtime.logger import logger
from fq.worker.inherited_descriptors import hand_on

log = logger("fq.observe")

SHARED = "FQ_METRICS"
"""Environment variable by which the children of a worker find the table: process id of the supervisor, descriptor, number of parts."""

BOUNDS: Final = (5, 10, 25, 50, 75, 100, 250, 500, 750, 1_000, 2_500, 5_000, 7_500, 10_000, 30_000, 60_000, 600_000, 900_000, float("inf"))
"""Upper bounds of the buckets of both histograms, ms."""

MESSAGES, ERRORS, RETRIES, REJECTS, IN_PROGRESS, STALE, LOST, DURATION, WAIT = range(9)
DURATIONS = 9  # the first bucket of each histogram
WAITS = DURATIONS + len(BOUNDS)
WIDTH = WAITS + len(BOUNDS)


@frozen
class Histogram:
    """How often each bucket of `BOUNDS`, with those below it, was hit; and the *sum* of all values, ms."""

    counts: tuple[float, ...]
    sum: float


@frozen
class Tally:
    """What all processes together have counted of one actor in one queue."""

    cells: tuple[float, ...]

    @property
    def durations(self) -> Histogram:
        """How long messages took."""
        return Histogram(tuple(accumulate(self.cells[DURATIONS:WAITS])), self.cells[DURATION])

    @property
    def waits(self) -> Histogram:
        """How long messages waited."""
        return Histogram(tuple(accumulate(self.cells[WAITS:])), self.cells[WAIT])


class Meter:
    """Mutable: the counters of one app in one process, and its window on those of the other processes of a worker."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._table: Table | None = None
        self._part: Part | None = None

    def begin(self, labels: Labels) -> None:
        """Count a message that is being run."""
        if (part := self._part or self._own()) is not None:
            part.add(part.row(*labels), IN_PROGRESS, 1)

    def end(self, labels: Labels, duration: float) -> None:
        """Count a message that has been run, in *duration* ms."""
        if (part := self._part or self._own()) is not None:
            row = part.row(*labels)
            part.add(row, IN_PROGRESS, -1)
            part.add(row, DURATION, duration, DURATIONS + bisect_left(BOUNDS, duration))

    def waited(self, labels: Labels, wait: float) -> None:
        """Count a message that has waited *wait* ms to be claimed."""
        if (part := self._part or self._own()) is not None:
            part.add(part.row(*labels), WAIT, wait, WAITS + bisect_left(BOUNDS, wait))

    def count(self, labels: Labels, what: int, *more: int) -> None:
        """Count one more of each of *what* and *more*."""
        if (part := self._part or self._own()) is not None:
            part.add(part.row(*labels), what, 1, *more)

    def join(self) -> None:
        """Count from now on as one of the processes of a worker, if this is one."""
        self._own()

    def tallies(self) -> Mapping[Labels, Tally]:
        """Return what has been counted, by queue and actor."""
        table = self._find()
        if table is None:
            return {}
        sums: dict[Labels, list[float]] = {}
        alive = table.claimed(self._part)
        for number in range(table.parts):
            for labels, cells in table.read(number).items():
                sums[labels] = _sum(sums.get(labels), cells, number in alive)
        return {labels: Tally(tuple(cells)) for labels, cells in sums.items() if any(cells)}

    def place(self) -> tuple[Table, int] | None:
        """Return the table that this process counts in, and the number of its part; None if there was no room."""
        part = self._own()
        return None if part is None or self._table is None else (self._table, part.number)

    def notes(self) -> list[tuple[bytes, bool]]:
        """Return the notes of all processes that have counted here, each with whether the process is alive."""
        table = self._find()
        if table is None:
            return []
        alive = table.claimed(self._part)
        return [(table.note(number), number in alive) for number in range(table.parts)]

    def processes(self) -> int:
        """Return how many processes count here."""
        table = self._find()
        return 0 if table is None else len(table.claimed(self._part))

    def _own(self) -> Part | None:
        with self._lock:
            if self._part is None:
                self._table = shared_table() or Table(1, WIDTH)
                self._part = self._table.claim()
                if self._part is None:
                    log.error("no room for the metrics of process %d: they are not counted", os.getpid())
                for row in self._part.rows() if self._part else ():
                    row[IN_PROGRESS] = 0  # left by a process that was killed
        return self._part

    def _find(self) -> Table | None:
        with self._lock:
            if self._table is None:
                self._table = shared_table()
        return self._table


def _sum(sums: list[float] | None, cells: Cells, running: bool) -> list[float]:
    numbers = [float(number) for number in cells]
    if not running:
        numbers[IN_PROGRESS] = 0
    return numbers if sums is None else [a + b for a, b in zip(sums, numbers, strict=True)]


def share(parts: int) -> None:
    """Make the table that this process and those that it starts count in; after a reload, the one that is there is kept."""
    if shared_table() is None:
        table = Table(parts, WIDTH)
        hand_on(table.descriptor, for_children=True)
        os.environ[SHARED] = f"{os.getpid()}:{table.descriptor}:{parts}"
        _tables[os.environ[SHARED]] = table


def unshare() -> None:
    """Forget the table; processes that have it keep it."""
    _tables.pop(os.environ.pop(SHARED, ""), None)


_tables: dict[str, Table] = {}
"""The shared table, once it was found: it is never closed, since closing any descriptor of it would let go of the lock on a part."""


def shared_table() -> Table | None:
    """Return the table that this process shares with others, None if it is neither a worker that has one nor a child of such a worker."""
    place = os.environ.get(SHARED, "")
    if place in _tables:
        return _tables[place]
    supervisor, _, rest = place.partition(":")
    if not rest or int(supervisor) not in (os.getpid(), os.getppid()):
        return None
    number, _, parts = rest.partition(":")
    descriptor = int(number)
    if not Table.is_behind(descriptor, int(parts), WIDTH):  # this is another worker, which a worker's own code has started
        return None
    hand_on(descriptor, for_children=True)
    return _tables.setdefault(place, Table(int(parts), WIDTH, descriptor))
