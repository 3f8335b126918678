"""`ChildSlot`: the supervisor keeps one child in each of its slots, and plans here when the next one starts."""

from collections.abc import Iterator

from attrs import define

from fq.worker.supervisor.child import ChildProcess

MIN_LIFETIME_SECONDS = 5.0
"""A child that dies sooner delays its replacement, longer each time."""

MAX_RESTART_DELAY_SECONDS = 5.0


def restart_delay(crashes: int) -> float:
    """
    Return how many seconds to wait before the next child, after *crashes* children in a row have died soon.

    >>> [restart_delay(crashes) for crashes in (0, 1, 2, 10, 10_000)]
    [0.0, 0.2, 0.4, 5.0, 5.0]
    """
    return min(0.1 * 2 ** min(crashes, 10), MAX_RESTART_DELAY_SECONDS) if crashes else 0.0


@define(eq=False)
class ChildSlot:
    """Mutable: a slot for one *child*, and for the *successor* that boots while that child still works."""

    child: ChildProcess | None = None
    successor: ChildProcess | None = None
    crashes: int = 0
    start_at: float = 0.0

    def children(self) -> Iterator[ChildProcess]:
        """Yield the children in this slot."""
        yield from (child for child in (self.child, self.successor) if child is not None)

    @property
    def ready(self) -> bool:
        """Has the child in this slot booted?"""
        return self.child is not None and self.child.ready

    def wants_child(self, now: float) -> bool:
        """Is the slot empty, and is it time to start a child?"""
        return self.child is None and self.start_at <= now

    def wants_successor(self, child: ChildProcess, now: float) -> bool:
        """Is *child* in this slot, without a successor, and is it time to start one?"""
        return self.child is child and self.successor is None and self.start_at <= now

    def hand_over(self) -> ChildProcess | None:
        """Let a successor that has booted take over; return the child that it replaces, if it does."""
        if self.child is None or self.successor is None or not self.successor.ready:
            return None
        replaced, self.child, self.successor = self.child, self.successor, None
        self.crashes = 0
        return replaced

    def child_exited(self, child: ChildProcess, now: float) -> None:
        """If *child* was in this slot, plan when the next one starts."""
        if child is self.successor:
            self.successor = None
        elif child is self.child:
            self.child, self.successor = self.successor, None
        else:
            return
        crashed = now - child.started_at < MIN_LIFETIME_SECONDS and not child.interrupted
        self._delay_start(self.crashes + 1 if crashed else 0, now)

    def start_failed(self, now: float) -> None:
        """Plan when to try again, after a child could not be started."""
        self._delay_start(self.crashes + 1, now)

    def _delay_start(self, crashes: int, now: float) -> None:
        self.crashes = crashes
        self.start_at = now + restart_delay(crashes)
