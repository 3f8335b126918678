"""How much a worker claims: bounded by time, not by count, so that no-ops travel in hundreds and no worker hoards long jobs. Pure."""

from attrs import frozen

WINDOW_MS = 50
"""Claim as much as is finished in this time at the measured rate."""

HAND_BACK_AFTER_MS = 200
"""A claimed message that no thread has begun after this time is handed back, for other workers."""

MAX_CLAIM = 500
"""Claim no more at once, whatever the rate: a turn that takes the broker longer leaves the threads without work."""

MIN_ASYNC_WINDOW = 32


@frozen
class Prefetch:
    """
    The measured rate of a worker process.

    >>> Prefetch(rate=10.0).room(free=2, backlog=100)
    402

    Attributes:
        rate: messages finished per ms.

        async_window: how many async messages to ask for at once; it doubles while all of them find room.
    """

    rate: float = 0.0
    async_window: int = MIN_ASYNC_WINDOW

    def measured(self, finished: int, elapsed: float, starved: bool) -> "Prefetch":
        """Return this after *finished* messages in *elapsed* ms. *starved*: there was not enough to do, so the rate may be higher than it seems."""
        if elapsed <= 0 or (starved and not finished):
            return self
        rate = finished / elapsed
        return Prefetch(max(rate, self.rate) if starved else (rate + self.rate) / 2, self.async_window)

    def claimed(self, asked: int, sync_backlog: int) -> "Prefetch":
        """Return this after a claim of *asked* messages that left *sync_backlog* jobs waiting for a thread."""
        window = MIN_ASYNC_WINDOW if sync_backlog else min(MAX_CLAIM, max(MIN_ASYNC_WINDOW, 2 * asked))
        return Prefetch(self.rate, window)

    def room(self, free: int, backlog: int) -> int:
        """Return how many sync messages to ask for, with *free* threads and *backlog* jobs waiting for one."""
        return max(0, min(MAX_CLAIM, free + int(self.rate * WINDOW_MS) - backlog))

    def async_room(self, free: int) -> int:
        """Return how many async messages to ask for, with room for *free* of them."""
        return max(0, min(self.async_window, free, MAX_CLAIM))


def listen_ms(idle_for: int, asks_again: bool, has_backlog: bool) -> int:
    """
    Return how long to wait for the broker, in ms, which says that it has nothing to do for *idle_for* ms.

    A worker that holds messages, or leaves out queues for now, asks again before that. What waits for a thread must be handed back in time.

    >>> listen_ms(60_000, False, False), listen_ms(60_000, True, False), listen_ms(60_000, True, True), listen_ms(10, True, True)
    (60000, 1000, 200, 10)
    """
    return min(idle_for, HAND_BACK_AFTER_MS if has_backlog else 1_000) if asks_again else idle_for
