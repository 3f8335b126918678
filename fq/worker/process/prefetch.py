"""How much a worker claims: bounded by time, not by count, so that no-ops travel in hundreds and long jobs are not hoarded. Pure."""

from attrs import frozen

WINDOW = 50
"""Ask for as much as is finished in so many ms at the measured rate."""

PATIENCE = 200
"""A claimed message that no thread has taken up after so many ms is handed back, for others to run."""

MOST = 500
"""Claim no more at once, whatever the rate: a turn that takes the broker longer leaves the threads without work."""


@frozen
class Prefetch:
    """
    The measured rate of a worker process.

    >>> Prefetch(rate=10.0).room(free=2, backlog=100)
    402

    Attributes:
        rate: messages finished per ms.

        async_window: how many async messages to ask for at once; doubles while all of them find room.
    """

    rate: float = 0.0
    async_window: int = 32

    def measured(self, finished: int, elapsed: float, starved: bool) -> "Prefetch":
        """Return this after *finished* messages in *elapsed* ms. *starved*: there was not enough to do, so the rate may be higher than it seems."""
        if elapsed <= 0 or (starved and not finished):
            return self
        rate = finished / elapsed
        return Prefetch(max(rate, self.rate) if starved else (rate + self.rate) / 2, self.async_window)

    def claimed(self, asked: int, sync_backlog: int) -> "Prefetch":
        """Return this after a claim of *asked* that left *sync_backlog* jobs waiting for a thread."""
        window = 32 if sync_backlog else min(MOST, max(32, 2 * asked))
        return Prefetch(self.rate, window)

    def room(self, free: int, backlog: int) -> int:
        """Return how many sync messages to ask for, with *free* threads and *backlog* waiting for one."""
        return max(0, min(MOST, free + int(self.rate * WINDOW) - backlog))

    def async_room(self, free: int) -> int:
        """Return how many async messages to ask for, with *free* places for them."""
        return max(0, min(self.async_window, free, MOST))
