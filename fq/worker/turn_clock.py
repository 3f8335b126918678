"""`TurnClock`: the broker's time between turns, without a call of the broker. Mutable shell."""

from collections.abc import Sequence
from time import monotonic

from fq.brokers.records import Delivery


class TurnClock:
    """The time that the latest claim told, and what has passed since; and the name of the *worker*, by which the broker knows it."""

    def __init__(self) -> None:
        self.worker = ""
        self._offset_ms = 0.0

    def note(self, worker: str, deliveries: Sequence[Delivery]) -> None:
        """Take the time from *deliveries*, which *worker* has just claimed."""
        self.worker, self._offset_ms = worker, deliveries[0].received_at - monotonic() * 1_000

    def now(self) -> int:
        """Return the time, ms since the epoch on the broker's clock."""
        return round(self._offset_ms + monotonic() * 1_000)
