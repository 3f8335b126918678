"""
The clock of a broker that keeps time by itself: the host's, or one that a test moves. All times are ms since the epoch.

Threads that wait for something to fall due are told when a clock is moved.
"""

import threading
import time
from collections.abc import Callable
from typing import Protocol


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
    """The host's clock. Mutable: `advance` puts it ahead, so that delays pass at once in a test that does not set up a clock."""

    def __init__(self) -> None:
        self._ahead = 0
        self._watchers: list[Callable[[], None]] = []

    @property
    def now(self) -> int:
        """What time it is, ms since the epoch."""
        return time.time_ns() // 1_000_000 + self._ahead

    def advance(self, ms: int) -> None:
        """Put the clock *ms* further ahead of the host's, and tell who watches."""
        self._ahead += ms
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
