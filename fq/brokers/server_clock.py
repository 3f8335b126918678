"""`ServerClock`: the server's clock, read without a round trip. The host's own clock is never read: it may be wrong."""

from collections.abc import Callable
from time import monotonic

RESYNC_SECONDS = 30.0
"""One answer of the server serves this long: two quartz clocks drift apart by a few ms in that time."""


class ServerClock:
    """Mutable: *ask* returns the server's time in ms; between two answers the monotonic clock carries it on."""

    def __init__(self, ask: Callable[[], int]) -> None:
        self._ask = ask
        self._synced: tuple[float, float] = (float("-inf"), 0.0)  # when the server was asked, and its time when the monotonic clock was 0

    @property
    def is_known(self) -> bool:
        """Is the time known without asking the server?"""
        return monotonic() - self._synced[0] <= RESYNC_SECONDS

    def now(self) -> int:
        """Return the server's time, ms since the epoch."""
        asked_at, zero = self._synced
        if monotonic() - asked_at > RESYNC_SECONDS:
            answer = self._ask()
            asked_at = monotonic()  # the answer is a little old by now, so this clock lags by as much, and is never ahead
            zero = answer - asked_at * 1_000
            self._synced = asked_at, zero
        return int(zero + monotonic() * 1_000)
