"""`Recent`: keeps costly answers of the broker for a while, so that many viewers of a large system cost it little."""

import threading
from collections.abc import Callable
from time import monotonic, thread_time
from typing import Generic, TypeVar

T = TypeVar("T")

CHEAP_SECONDS = 0.02
"""An answer that takes less work than this is not kept."""

SHARE = 20
"""A costly answer is kept for this many times as long as it took: so all viewers together take up a twentieth of a processor."""


class Recent(Generic[T]):
    """Mutable: the latest answer of *ask*, which counts all messages of a large SQLite file. For any thread."""

    def __init__(self, ask: Callable[[], T], work: Callable[[], float] = thread_time, now: Callable[[], float] = monotonic) -> None:
        self._ask, self._work, self._now = ask, work, now
        self._kept: tuple[T, float] | None = None
        self._lock = threading.Lock()

    def get(self) -> T:
        """Return the answer, which may be a little old if it is costly."""
        with self._lock:  # the others wait for the one that asks
            if self._kept is not None and self._now() < self._kept[1]:
                return self._kept[0]
            before = self._work()
            answer = self._ask()
            took = self._work() - before
            self._kept = (answer, self._now() + SHARE * took) if took > CHEAP_SECONDS else None
            return answer

    def forget(self) -> None:
        """Ask anew the next time: something has been changed."""
        with self._lock:
            self._kept = None
