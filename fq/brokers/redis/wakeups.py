"""`Doorbell`: where the threads of this process that wait for work are rung. Mutable shell."""

import threading

MANY = 1_000
"""So many workers, and what they have heard is forgotten; the price is that each returns once too early."""


class Doorbell:
    """A ring for one worker, or a wake-up of all, is kept for a worker until it has heard it."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._rung: set[str] = set()
        self._wakes = 0
        self._heard: dict[str, int] = {}

    def ring(self, worker: str) -> None:
        """Send *worker* away from the door, or from its next wait."""
        with self._condition:
            self._rung.add(worker)
            self._condition.notify_all()

    def wake(self) -> None:
        """Send all workers away, and every other one when it next would wait."""
        with self._condition:
            self._wakes += 1
            self._condition.notify_all()

    def answered(self, worker: str) -> bool:
        """Return whether there was a ring for *worker*, which has heard it now."""
        with self._condition:
            return self._answered(worker)

    def wait(self, worker: str, seconds: float) -> None:
        """Block *worker* until there is a ring for it, at most *seconds*."""
        with self._condition:
            self._condition.wait_for(lambda: worker in self._rung or self._heard.get(worker, 0) != self._wakes, seconds)
            self._answered(worker)

    def _answered(self, worker: str) -> bool:
        was = worker in self._rung or self._heard.get(worker, 0) != self._wakes
        if was:
            self._rung.discard(worker)
            if len(self._heard) >= MANY:
                self._heard.clear()
            self._heard[worker] = self._wakes
        return was
