"""`Reported`: what a running actor has told, on its way to the broker. Mutable: shared by the threads of the actor and the dispatcher."""

import threading
from collections import deque
from itertools import takewhile

from attrs import define, field, frozen

MAX_STREAM_LENGTH = 1_000
"""A stream holds this many values at most, the latest."""


@frozen
class Report:
    """What was told since the last report: the latest *progress*, None for no news; and values of the stream, each with its number."""

    progress: bytes | None
    chunks: tuple[tuple[int, bytes], ...]


@define(eq=False)
class Reported:
    """
    Mutable: what one run has told.

    Attributes:
        next_due: when the next report may leave, by `time.monotonic`.

        has_mark: may the broker have a progress of this run?

        closed: has the run ended? Then nothing leaves but with its commit.

        latest: the latest progress, sent or not; empty if there is none.
    """

    next_due: float = 0.0
    has_mark: bool = False
    closed: bool = False
    latest: bytes = b""
    _progress: bytes | None = None
    _chunks: deque[tuple[int, bytes]] = field(factory=lambda: deque(maxlen=MAX_STREAM_LENGTH))
    _count: int = 0
    _lock: threading.Lock = field(factory=threading.Lock)

    def tell(self, progress: bytes) -> None:
        """Take *progress* in the place of an earlier one."""
        with self._lock:
            self._progress = self.latest = progress

    def emit(self, chunk: bytes) -> None:
        """Append *chunk* to the stream."""
        with self._lock:
            self._chunks.append((self._count, chunk))
            self._count += 1

    @property
    def has_news(self) -> bool:
        """Is there something to send, now or later?"""
        with self._lock:
            return not self.closed and (self._progress is not None or bool(self._chunks))

    def take(self, now: float, interval: float) -> Report | None:
        """Return what is to be sent *now*, None if nothing is. The next report leaves *interval* seconds later at the earliest."""
        with self._lock:
            if self.closed or now < self.next_due or (self._progress is None and not self._chunks):
                return None
            self.next_due = now + interval
            report = Report(self._progress, tuple(self._chunks))
            self.has_mark = self.has_mark or self._progress is not None
            self._progress = None
            return report

    def confirm(self, report: Report) -> None:
        """Forget *report*, which the broker has."""
        with self._lock:
            last = report.chunks[-1][0] if report.chunks else -1
            for _ in tuple(takewhile(lambda chunk: chunk[0] <= last, self._chunks)):
                self._chunks.popleft()

    def restore(self, report: Report) -> None:
        """Take back *report*, which the broker could not be reached for, unless there is news since."""
        with self._lock:
            self._progress = self._progress or report.progress

    def close(self) -> Report:
        """Return what is left of the stream, for the commit that ends the run. A report that is on its way may be in it again, with the same numbers."""
        with self._lock:
            self.closed = True
            return Report(None, tuple(self._chunks))
