"""
The clock of a broker that keeps its own time: the host's clock without its steps, or a clock that a test moves. All times are ms since the epoch.

When a clock is moved, it calls its watchers, so that threads which wait for a delay look again.
"""

import threading
from collections.abc import Callable
from typing import Protocol

from fq.brokers.host_clocks import HostClocks
from fq.brokers.steady_time import Course, begin_course

CLOCK_CHECK_MS = 1_000
"""How often to check whether the wall clock was stepped."""


class Clock(Protocol):
    """What a broker asks of its clock."""

    @property
    def now(self) -> int:
        """The time, ms since the epoch."""
        ...

    def advance(self, ms: int) -> None:
        """Move the clock *ms* forward, and call the watchers."""

    def seconds_until(self, due: int) -> float:
        """Return how long a thread may sleep, in seconds, before *due*; infinite if only `advance` can bring that about."""
        ...

    def watch(self, on_advance: Callable[[], None]) -> None:
        """Call *on_advance* whenever the clock is moved."""


class SystemClock:
    """
    The time of *host*, which goes on evenly when the wall clock is stepped (see ``fq.brokers.steady_time``).

    Mutable, and safe to share between threads. A broker that stores its course for other processes, as SQLite does, calls `share`. `advance` puts the clock
    ahead, so that delays pass at once in a test that sets up no clock.
    """

    def __init__(self, host: HostClocks | None = None) -> None:
        self._host = HostClocks() if host is None else host
        self._steady = self._host.steady
        self._course = begin_course(self._host.boot, self._host.wall(), self._steady())
        self._look_at: float = self._course.since + CLOCK_CHECK_MS
        self._fitted = self._course.base
        self._ahead = 0
        self._watchers: list[Callable[[], None]] = []
        self._plan()

    @property
    def now(self) -> int:
        """The time, ms since the epoch. Every send asks, so the usual case is one addition."""
        steady = self._steady()
        if steady < self._simple_until:
            return steady + self._lead
        if not self._host.boot:
            return self._host.wall() + self._ahead
        if steady >= self._look_at:
            self._look_at = steady + CLOCK_CHECK_MS
            self._course = self._course.after_check(self._host.wall(), steady)
            self._plan()
        return self._course.now(steady) + self._ahead

    def _plan(self) -> None:
        """Compute how far the time is ahead of the steady clock, and until when that holds."""
        self._lead = self._course.offset + self._ahead
        is_simple = bool(self._host.boot) and self._course.base == self._course.offset
        self._simple_until = self._look_at if is_simple else float("-inf")

    @property
    def unadvanced(self) -> int:
        """The time without what `advance` added."""
        return self.now - self._ahead

    def share(self, kept: Course | None, latest: int) -> Course:
        """
        Follow the course that is *kept* for all processes, or a new one if that is of another boot; *latest* is the latest time that was stored.

        Return the course to store. The clock follows it only once it has been stored, so that all processes change together.
        """
        self._look_at = float("inf")  # from now on the caller hands in the course
        wall, steady = self._host.wall(), self._host.steady()
        if kept is None or not (kept.belongs_to(self._host.boot, wall, steady) or kept.base == self._fitted):
            kept = self._course if self._course.now(steady) >= latest else begin_course(self._host.boot, wall, steady, latest)
        self._course, self._fitted = kept, kept.base
        self._plan()
        return kept.after_check(wall, steady)

    def advance(self, ms: int) -> None:
        """Put the clock *ms* further ahead of the host's, and call the watchers."""
        self._ahead += ms
        self._plan()
        for on_advance in self._watchers:
            on_advance()

    def seconds_until(self, due: int) -> float:
        """Return how long a thread may sleep, in seconds, before *due*."""
        return (due - self.now) / 1_000

    def watch(self, on_advance: Callable[[], None]) -> None:
        """Call *on_advance* whenever the clock is moved."""
        self._watchers.append(on_advance)


class ManualClock:
    """
    A clock that stands still unless it is moved. Mutable, and safe to move from any thread.

    >>> clock = ManualClock(now=1_000)
    >>> clock.advance(250)
    >>> clock.now
    1250
    """

    def __init__(self, now: int = 1_700_000_000_000) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._watchers: list[Callable[[], None]] = []

    @property
    def now(self) -> int:
        """The time, ms since the epoch."""
        return self._now

    def advance(self, ms: int) -> None:
        """Move the clock *ms* forward, and call the watchers."""
        with self._lock:
            self._now += ms
        for on_advance in self._watchers:
            on_advance()

    def seconds_until(self, due: int) -> float:
        """Return 0 if *due* has come, else infinity: a sleep does not move this clock."""
        return 0.0 if due <= self._now else float("inf")

    def watch(self, on_advance: Callable[[], None]) -> None:
        """Call *on_advance* whenever the clock is moved."""
        self._watchers.append(on_advance)
