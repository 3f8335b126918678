"""
`ChangePoller`: hears, within a few ms, of what other processes have written.

SQLite cannot call anybody. What it has is a number that changes with the database, ``PRAGMA data_version``. One thread of a process looks at it, as long
as somebody waits, and tells all; nobody else polls. Where the kernel tells of writes to the log, that thread sleeps until there is one, and looks
otherwise only once in a while; else it looks every `POLL_SECONDS`.
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
"""How long between two looks where the kernel does not tell, in seconds: half of that is how late one hears of a change."""

MIN_BACKOFF_SECONDS = 0.000_5
MAX_BACKOFF_SECONDS = 1.0
"""How long before the first look after a write that has not changed anything yet, and between the last ones, in seconds."""

COOLDOWN_SECONDS = 0.004
"""How long to rest after a change, in seconds, however much is written."""

COOLDOWN_FACTOR = 4
"""Telling everybody may take no more than one part in so many of a processor's time."""

IDLE_THREAD_SECONDS = 5.0
"""How long the thread stays when nobody waits, in seconds."""


class ChangePoller:
    """
    Mutable: calls *on_change* when *version* has changed, as long as somebody is `watching`.

    *version* returns how often the database was opened, and its ``data_version``; *path* is where it is. An error of *version*
    counts as a change, so that those who wait look for themselves and meet it, too.
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
        """Let *on_change* be called, until the end of the block, for all changes from its beginning on."""
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
        """Start the thread; if there is none to be had just now, the next one who waits tries again."""
        self._seen = None  # the first look counts as a change: it is the thread's, so that no event loop waits for the disk
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
        """Wait until somebody is watching; False if nobody has been for long: then the thread is at its end."""
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
    """Mutable: when to look again. A write is heard a moment before it shows, so looks follow it at growing distances."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._watch: FileWatch | None = None
        self._opened = 0
        self._gap = POLL_SECONDS
        self._blind = False  # a change came without a write having been heard of

    def restart(self) -> None:
        """Expect a change: there has been time for one."""
        self._gap = MIN_BACKOFF_SECONDS

    def wait(self, opened: int, changed: bool) -> None:
        """Wait until it is time for the next look. The database has been *opened* so often, and the last look found it *changed*, or not."""
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
