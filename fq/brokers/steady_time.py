"""
`Course`: how the time of a broker goes on while the wall clock of its host is stepped. Pure; used by ``fq.brokers.clock`` and SQLite's table ``meta``.

The host has a steady clock, which cannot be stepped, and which all its processes share until the next boot. A course says how far the broker's time is
ahead of that clock. After a step of the wall clock, the broker's time goes on as before, and approaches the wall clock by one part in `SLEW_DIVISOR`:
an hour takes four days, a lease of 15 s is wrong by 0.15 s meanwhile, and a correction of some ms takes a second.
"""

from attrs import frozen

SLEW_DIVISOR = 100
"""The broker's time gains or loses at most one part in this many."""

MIN_STEP_MS = 100
"""A difference of the wall clock below this is no step."""

SAME_BOOT_MS = 1_000
"""Containers may give different ids to one boot: two boots whose clocks differ by less than this are the same."""

COURSE_NOTICE_MS = 2_000
"""A change takes effect this much later, so that by then every process has read it, and all agree at every moment."""


@frozen
class Course:
    """
    The broker's time as a function of the steady clock. All times in ms.

    Attributes:
        boot: the boot of the host that the steady clock counts from.

        base: how far the wall clock was ahead of the steady clock at the latest check.

        offset: how far the broker's time is ahead of the steady clock, until *since*.

        since: the time on the steady clock from which the broker's time moves from *offset* to *base*.
    """

    boot: str
    base: int
    offset: int
    since: int

    def now(self, steady: int) -> int:
        """Return the broker's time when the steady clock shows *steady*."""
        return steady + self._offset(steady)

    def after_check(self, wall: int, steady: int) -> "Course":
        """Return the course after a check of the *wall* clock: this one unless the wall clock was stepped."""
        base = wall - steady
        if abs(base - self.base) < MIN_STEP_MS:
            return self
        since = max(steady, self.since) + COURSE_NOTICE_MS
        return Course(self.boot, base, self._offset(since), since)

    def belongs_to(self, boot: str, wall: int, steady: int) -> bool:
        """Does the course belong to this boot, whose clocks show *wall* and *steady*?"""
        return self.boot == boot or abs(wall - steady - self.base) < SAME_BOOT_MS

    def _offset(self, steady: int) -> int:
        bound = max(0, steady - self.since) // SLEW_DIVISOR
        return self.offset + max(-bound, min(bound, self.base - self.offset))


def begin_course(boot: str, wall: int, steady: int, latest: int = 0) -> Course:
    """Return a new course. It begins at the time of the wall clock, or at *latest*, a time from before the boot, if that is later."""
    return Course(boot, wall - steady, max(wall, latest) - steady, steady)
