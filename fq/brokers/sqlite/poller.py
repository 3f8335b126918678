"""
`Poller`: hears, within some ms, of what other processes have written.

SQLite cannot call anybody. What it has is a number that changes with the database, ``PRAGMA data_version``, read from shared memory in microseconds.
One thread of a process looks at it, as long as somebody waits, and tells all; nobody else polls.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fq.errors import FqError

INTERVAL = 0.008
"""How often to look, in seconds: so a worker hears of a message 4 ms after it was sent, on average."""

SHARE = 4
"""Telling everybody may take no more than one part in so many of a processor's time."""

LINGER = 5.0
"""How long the thread stays around when nobody waits, in seconds."""


class Poller:
    """
    Mutable: calls *on_change* when *version* has changed, as long as somebody is `watching`.

    An error of *version* counts as a change, so that those who wait look for themselves and meet it, too.
    """

    def __init__(self, version: Callable[[], object], on_change: Callable[[], None]) -> None:
        self._version = version
        self._on_change = on_change
        self._condition = threading.Condition()
        self._watching = 0
        self._thread: threading.Thread | None = None
        self._seen: object = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Be told, until the end of the block, of all changes from its beginning on."""
        with self._condition:
            self._watching += 1
            if self._thread is None:
                self._seen = self._look()
                self._thread = threading.Thread(target=self._run, name="fq-sqlite-poller", daemon=True)
                self._thread.start()
            else:
                self._condition.notify()
        try:
            yield
        finally:
            with self._condition:
                self._watching -= 1

    def _run(self) -> None:
        while self._is_needed():
            time.sleep(INTERVAL)
            seen = self._look()
            if seen != self._seen:
                self._seen = seen
                start = time.monotonic()
                self._on_change()
                time.sleep((time.monotonic() - start) * SHARE)

    def _is_needed(self) -> bool:
        """Wait until somebody is watching; False if nobody has been for long: then the thread is at its end."""
        with self._condition:
            if self._watching or self._condition.wait_for(lambda: self._watching > 0, LINGER):
                return True
            self._thread = None
            return False

    def _look(self) -> object:
        try:
            return self._version()
        except FqError:
            return object()
