"""`Place`, where a worker has one child after the other: who is there, who comes next, and when."""

from collections.abc import Iterator

from attrs import define

from fq.worker.supervisor.child import Ward

YOUNG = 5.0
"""A child that dies younger than this, in seconds, makes its replacement wait, longer each time, up to as long."""


def pause(crashes: int) -> float:
    """
    Return how long to wait, in seconds, for the next child after so many have died young in a row.

    >>> [pause(crashes) for crashes in (0, 1, 2, 10, 10_000)]
    [0.0, 0.2, 0.4, 5.0, 5.0]
    """
    return min(0.1 * 2 ** min(crashes, 10), YOUNG) if crashes else 0.0


@define(eq=False)
class Place:
    """Mutable: room for one child, and for the *successor* that boots while the child still works."""

    ward: Ward | None = None
    successor: Ward | None = None
    crashes: int = 0
    start_at: float = 0.0

    def wards(self) -> Iterator[Ward]:
        """Yield the children that are here."""
        yield from (ward for ward in (self.ward, self.successor) if ward is not None)

    @property
    def ready(self) -> bool:
        """Is a child here that has booted?"""
        return self.ward is not None and self.ward.ready

    def wants_child(self, now: float) -> bool:
        """Is nobody here, and is it time to start somebody?"""
        return self.ward is None and self.start_at <= now

    def wants_successor(self, ward: Ward, now: float) -> bool:
        """Is *ward* here, without a successor, and is it time to start one?"""
        return self.ward is ward and self.successor is None and self.start_at <= now

    def hand_over(self) -> Ward | None:
        """Let a successor that has booted take over; return the child whose place it takes, if it does."""
        if self.ward is None or self.successor is None or not self.successor.ready:
            return None
        retired, self.ward, self.successor = self.ward, self.successor, None
        self.crashes = 0
        return retired

    def lost(self, ward: Ward, now: float) -> None:
        """Learn that *ward* has died, and plan when the next is started, if it was here."""
        if ward is self.successor:
            self.successor = None
        elif ward is self.ward:
            self.ward, self.successor = self.successor, None
        else:
            return
        self._wait(self.crashes + 1 if now - ward.born < YOUNG and not ward.interrupted else 0, now)

    def missed(self, now: float) -> None:
        """Learn that a child could not be started here, and plan when that is tried again."""
        self._wait(self.crashes + 1, now)

    def _wait(self, crashes: int, now: float) -> None:
        self.crashes = crashes
        self.start_at = now + pause(crashes)
