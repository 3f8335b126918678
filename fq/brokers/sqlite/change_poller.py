"""
`ChangePoller`: notices within a few ms what other processes write.

SQLite sends no notifications. It has a number that changes with the database, ``PRAGMA data_version``. One thread of the process polls it while there are
waiters, and tells them all. Where the kernel reports writes to the log (inotify), the thread sleeps until there is one, with a rare look in between;
elsewhere it looks every `POLL_SECONDS`.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from fq.brokers.sqlite.file_check import log_of
from fq.brokers.sqlite.inotify import FileWatch
from fq.errors import FqError
from fq.runtime.watched_threads import watched_thread

POLL_SECONDS = 0.008
"""The time between two looks where the kernel reports nothing; a change is noticed half of that later on average."""

MIN_BACKOFF_SECONDS = 0.000_5
MAX_BACKOFF_SECONDS = 1.0
"""The time before the first look after a write that has changed nothing yet, and the longest time between later looks."""

COOLDOWN_SECONDS = 0.004
"""The least pause after a change, however much is written."""

COOLDOWN_FACTOR = 4
"""After a change, the pause is this many times as long as the call of *on_change* took, which bounds the load of many changes."""

IDLE_THREAD_SECONDS = 5.0
"""How long the thread stays when there are no waiters."""


class ChangePoller:
    """
    Mutable: calls *on_change* when *version* has changed, while a caller is `watching`.

    *version* returns how often the database was opened, and its ``data_version``; *path* is that of the database. If *version* raises, that counts as a
    change, so that waiters look by themselves and meet the error, too.
    """

    def __init__(self, version: Callable[[], tuple[int, int]], on_change: Callable[[], None], path: str) -> None:
        self._version = version
        self._on_change = on_change
        self._schedule = PollSchedule(path)
        self._condition = threading.Condition()
        self._watching = 0
        self._thread: threading.Thread | None = None
        self._seen: tuple[int, int] | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Let *on_change* be called for every change from here to the end of the block."""
        with self._condition:
            if self._thread is None:
                self._start()
            self._watching += 1
            self._condition.notify()
        try:
            yield
        finally:
            with self._condition:
                self._watching -= 1

    def _start(self) -> None:
        """Start the thread; if the system has none to spare, the next waiter tries again."""
        self._seen = None  # the first look counts as a change; the thread does it, so that no event loop waits for the disk
        thread = watched_thread("fq-sqlite-poller", self._run)
        thread.start()
        self._thread = thread

    def _run(self) -> None:
        while self._is_needed():
            seen, before = self._look(), self._seen
            self._seen = seen
            if seen != before:
                start = time.monotonic()
                self._on_change()
                time.sleep(max(COOLDOWN_SECONDS, (time.monotonic() - start) * COOLDOWN_FACTOR))
            self._schedule.wait(opened=seen[0], changed=seen != before)

    def _is_needed(self) -> bool:
        """Wait until a caller is watching; return False if there was none for long: then the thread ends."""
        with self._condition:
            if self._watching:
                return True
            self._schedule.restart()
            if not self._condition.wait_for(lambda: self._watching > 0, IDLE_THREAD_SECONDS):
                self._thread = None
            return self._thread is not None

    def _look(self) -> tuple[int, int]:
        try:
            return self._version()
        except FqError:
            return 0, time.monotonic_ns()


class PollSchedule:
    """Mutable: when to look again. inotify reports a write a moment before it shows, so looks follow it at growing intervals."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._watch: FileWatch | None = None
        self._opened = 0
        self._gap = POLL_SECONDS
        self._blind = False  # a change came without a report of a write

    def restart(self) -> None:
        """Expect a change soon."""
        self._gap = MIN_BACKOFF_SECONDS

    def wait(self, opened: int, changed: bool) -> None:
        """Wait until the next look. The database has been *opened* so often, and the last look found it *changed*, or not."""
        if changed and self._watch is not None and self._gap >= MAX_BACKOFF_SECONDS:
            self._blind = True
        if opened != self._opened:
            self._opened, self._blind, self._gap, self._watch = opened, False, MIN_BACKOFF_SECONDS, None
            with suppress(OSError):
                self._watch = FileWatch(log_of(self._path))
        if self._watch is None or self._blind:
            time.sleep(POLL_SECONDS)
        else:
            self._gap = MIN_BACKOFF_SECONDS if self._watch.wait(self._gap) else min(2 * self._gap, MAX_BACKOFF_SECONDS)
