"""
`Course`: how the time of a broker goes on while the wall clock of its host is stepped. Pure; ``fq.brokers.clock`` and SQLite's table ``meta`` use it.

The host has a steady clock, which nobody can step, and which all its processes share until it is booted again. A course says how far the broker's time is
ahead of that. When the wall clock is stepped, the broker's time goes on as before, and from then on is drawn towards the wall clock by one part in `SLEW`:
an hour takes four days, a lease of 15 s is wrong by 0.15 s meanwhile, and a correction of some ms is made good in a second.
"""

from attrs import frozen

SLEW = 100
"""The broker's time gains or loses at most one part in this many."""

STEP_MS = 100
"""A wall clock that is off by less than this has not been stepped."""

SAME_BOOT_MS = 1_000
"""Two boots whose clocks are as close as this are one, seen from containers that give different names to it."""

NOTICE_MS = 2_000
"""A change takes effect this much later, so that every process has read of it by then, and all agree at every moment."""


@frozen
class Course:
    """
    Where the broker's time is, by the steady clock. All times in ms.

    Attributes:
        boot: which boot of the host the steady clock counts from.

        base: how far the wall clock was ahead of the steady clock when somebody looked last.

        offset: how far the broker's time is ahead of the steady clock, until *since*.

        since: by the steady clock, from when on the broker's time is drawn from *offset* to *base*.
    """

    boot: str
    base: int
    offset: int
    since: int

    def now(self, steady: int) -> int:
        """Return the broker's time when the steady clock shows *steady*."""
        return steady + self._offset(steady)

    def seen(self, wall: int, steady: int) -> "Course":
        """Return the course after a look at the *wall* clock: this one unless that has been stepped."""
        base = wall - steady
        if abs(base - self.base) < STEP_MS:
            return self
        since = max(steady, self.since) + NOTICE_MS
        return Course(self.boot, base, self._offset(since), since)

    def fits(self, boot: str, wall: int, steady: int) -> bool:
        """Does the course go by the steady clock of *boot*, which shows *steady* when the wall clock shows *wall*?"""
        return self.boot == boot or abs(wall - steady - self.base) < SAME_BOOT_MS

    def _offset(self, steady: int) -> int:
        bound = max(0, steady - self.since) // SLEW
        return self.offset + max(-bound, min(bound, self.base - self.offset))


def begin_course(boot: str, wall: int, steady: int, latest: int = 0) -> Course:
    """Return the course that begins at the time of the wall clock, or at the *latest* time that was told before the host was booted."""
    return Course(boot, wall - steady, max(wall, latest) - steady, steady)
