"""`ServerClock`: the server's clock, read without a round trip. The host's own clock is never read, so that it may be as wrong as it likes."""

from collections.abc import Callable
from time import monotonic

AGAIN = 30.0
"""How long one answer of the server serves, in seconds: two quartz clocks part by a few ms in that time."""


class ServerClock:
    """Mutable: *ask* returns the server's time in ms; between two answers the monotonic clock carries it on."""

    def __init__(self, ask: Callable[[], int]) -> None:
        self._ask = ask
        self._known: tuple[float, float] = (float("-inf"), 0.0)  # when the server was asked, and its time when the monotonic clock was 0

    @property
    def is_known(self) -> bool:
        """Can the time be told without asking the server?"""
        return monotonic() - self._known[0] <= AGAIN

    def now(self) -> int:
        """Return the server's time, ms since the epoch."""
        asked, zero = self._known
        if monotonic() - asked > AGAIN:
            told = self._ask()
            back = monotonic()  # the answer is a little old by now, so this clock lags by as much, and is never ahead
            asked, zero = self._known = back, told - back * 1_000
        return int(zero + monotonic() * 1_000)
