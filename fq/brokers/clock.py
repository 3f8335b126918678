"""
The clock of a broker that keeps time by itself: the host's, without its steps, or one that a test moves. All times are ms since the epoch.

Threads that wait for something to fall due are told when a clock is moved.
"""

import threading
from collections.abc import Callable
from typing import Protocol

from fq.brokers.host_clocks import Host
from fq.brokers.steady_time import Course, begin_course

CLOCK_CHECK_MS = 1_000
"""How often to look whether the wall clock has been stepped."""


class Clock(Protocol):
    """What a broker asks of its clock."""

    @property
    def now(self) -> int:
        """What time it is, ms since the epoch."""
        ...

    def advance(self, ms: int) -> None:
        """Move the clock *ms* forward, and tell who watches."""

    def seconds_until(self, due: int) -> float:
        """Return how long a thread may sleep, in seconds, before *due*; infinite if only `advance` can bring it about."""
        ...

    def watch(self, on_advance: Callable[[], None]) -> None:
        """Call *on_advance* whenever the clock has been moved."""


class SystemClock:
    """
    The time of *host*, which goes on when its wall clock is stepped (see ``fq.brokers.steady_time``).

    Mutable, and safe to share between threads. A broker that keeps its course where other processes see it, as SQLite does, calls `share`. `advance` puts
    the clock ahead, so that delays pass at once in a test that does not set up a clock.
    """

    def __init__(self, host: Host | None = None) -> None:
        self._host = Host() if host is None else host
        self._steady = self._host.steady
        self._course = begin_course(self._host.boot, self._host.wall(), self._steady())
        self._look_at: float = self._course.since + CLOCK_CHECK_MS
        self._fitted = self._course.base
        self._ahead = 0
        self._watchers: list[Callable[[], None]] = []
        self._plan()

    @property
    def now(self) -> int:
        """What time it is, ms since the epoch. Every send asks, so the usual case is one addition."""
        steady = self._steady()
        if steady < self._simple_until:
            return steady + self._lead
        if not self._host.boot:
            return self._host.wall() + self._ahead
        if steady >= self._look_at:
            self._look_at = steady + CLOCK_CHECK_MS
            self._course = self._course.seen(self._host.wall(), steady)
            self._plan()
        return self._course.now(steady) + self._ahead

    def _plan(self) -> None:
        """Work out how far the time is ahead of the steady clock, and until when that holds."""
        self._lead = self._course.offset + self._ahead
        is_simple = bool(self._host.boot) and self._course.base == self._course.offset
        self._simple_until = self._look_at if is_simple else float("-inf")

    @property
    def unadvanced(self) -> int:
        """What time it would be had nobody called `advance`."""
        return self.now - self._ahead

    def share(self, kept: Course | None, latest: int) -> Course:
        """
        Go by the course that is *kept* for all processes, or by a new one if it is of another boot; *latest* is a time that has been told.

        Return the course to keep from now on. It is gone by once it is kept: what nobody else knows changes nothing.
        """
        self._look_at = float("inf")  # from now on a course is handed in
        wall, steady = self._host.wall(), self._host.steady()
        if kept is None or not (kept.fits(self._host.boot, wall, steady) or kept.base == self._fitted):
            kept = self._course if self._course.now(steady) >= latest else begin_course(self._host.boot, wall, steady, latest)
        self._course, self._fitted = kept, kept.base
        self._plan()
        return kept.seen(wall, steady)

    def advance(self, ms: int) -> None:
        """Put the clock *ms* further ahead of the host's, and tell who watches."""
        self._ahead += ms
        self._plan()
        for on_advance in self._watchers:
            on_advance()

    def seconds_until(self, due: int) -> float:
        """Return how long a thread may sleep, in seconds, before *due*."""
        return (due - self.now) / 1_000

    def watch(self, on_advance: Callable[[], None]) -> None:
        """Call *on_advance* whenever the clock has been moved."""
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
        """What time it is, ms since the epoch."""
        return self._now

    def advance(self, ms: int) -> None:
        """Move the clock *ms* forward, and tell who watches."""
        with self._lock:
            self._now += ms
        for on_advance in self._watchers:
            on_advance()

    def seconds_until(self, due: int) -> float:
        """Return 0 if *due* has come, else infinity: no sleep is long enough."""
        return 0.0 if due <= self._now else float("inf")

    def watch(self, on_advance: Callable[[], None]) -> None:
        """Call *on_advance* whenever the clock has been moved."""
        self._watchers.append(on_advance)
