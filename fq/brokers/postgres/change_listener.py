"""
`ChangeListener`: a thread on a connection of its own that hears what other processes announce, by LISTEN.

Behind a pool that gives each transaction another connection, as PgBouncer does, nothing is heard. So it announces something to itself first; if that does not
arrive, it says so in the log, and looks every so often instead.
"""

import os
import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic

import psycopg

from fq.brokers.postgres.transaction import Connection, in_schema
from fq.errors import FqError
from fq.runtime.logger import logger
from fq.runtime.watched_threads import watched_thread

log = logger("fq.postgres")

IDLE_THREAD_SECONDS = 5.0
"""How long the thread stays when there are no waiters."""

CHECK_SECONDS = 30.0
"""How often it asks a silent connection whether it is still there."""

ECHO_SECONDS = 2.0
"""How long it waits for what it has announced itself."""

MIN_RECONNECT_SECONDS, MAX_RECONNECT_SECONDS = 0.05, 2.0
"""How long it pauses between two attempts to connect: each time twice as long as before, up to the maximum."""

CHANNEL = "SELECT 'fq_' || 'fq.messages'::regclass::oid::text"


class ChangeListener:
    """Mutable: calls *on_change* after changes, while a caller is `watching`. Without *listens*, and where LISTEN does not work, every *poll* ms."""

    def __init__(self, connect: Callable[[], Connection], schema: str, on_change: Callable[[], None], listens: bool, poll: int) -> None:
        self._connect = connect
        self._schema = schema
        self._on_change = on_change
        self._listens = listens
        self._poll_seconds = poll / 1_000
        self.hears: bool | None = None if listens else False
        self._lock = threading.Lock()
        self._watching = 0
        self._thread: threading.Thread | None = None
        self._inbox, self._outbox = -1, -1

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Let *on_change* be called for every change from here to the end of the block."""
        with self._lock:
            self._watching += 1
            if self._thread is None:
                self._start()
        try:
            yield
        finally:
            with self._lock:
                self._watching -= 1

    def close(self) -> None:
        """End the thread; the next waiter starts another."""
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is not None:
                os.write(self._outbox, b".")
        if thread is not None and thread is not threading.current_thread():
            thread.join(MAX_RECONNECT_SECONDS + ECHO_SECONDS)

    def _start(self) -> None:
        inbox, outbox = os.pipe()
        thread = watched_thread("fq-postgres-listener", lambda: self._run(inbox, outbox))
        try:
            thread.start()
        except BaseException:
            os.close(inbox)
            os.close(outbox)
            raise
        self._inbox, self._outbox, self._thread = inbox, outbox, thread

    def _run(self, inbox: int, outbox: int) -> None:
        pause, error = MIN_RECONNECT_SECONDS, ""
        is_ended = False
        while not is_ended:
            try:
                is_ended = self._listen(inbox) if self._listens else self._look(inbox)
                pause, error = MIN_RECONNECT_SECONDS, ""
            except (psycopg.Error, FqError, OSError) as raised:
                if str(raised) != error:
                    error = str(raised)
                    log.warning("lost the connection that listens, connecting again: %s", error)
                self._on_change()  # waiters look by themselves, and meet the error, too
                is_ended = self._sleep(inbox, pause) or self._is_over(inbox)
                pause = min(2 * pause, MAX_RECONNECT_SECONDS)
        os.close(inbox)
        os.close(outbox)

    def _listen(self, inbox: int) -> bool:
        """Listen until the thread is over; return False if LISTEN does not work here."""
        connection = self._connect()
        announced: list[object] = []
        connection.add_notify_handler(announced.append)  # psycopg takes in what comes with the reply to a statement
        try:
            row = connection.execute(in_schema(CHANNEL, self._schema).encode()).fetchone()
            channel = str(row[0]) if row else ""
            connection.execute(f'LISTEN "{channel}"'.encode())
            if not self._hears_itself(connection, channel, announced, inbox):
                log.warning("LISTEN is not heard here (a pool of connections?): looking every %g s instead", self._poll_seconds)
                self._listens = self.hears = False
                return False
            self.hears = True
            self._on_change()  # what was announced before is missed
            return self._hear(connection, announced, inbox)
        finally:
            with suppress(psycopg.Error):
                connection.close()

    def _hears_itself(self, connection: Connection, channel: str, announced: list[object], inbox: int) -> bool:
        connection.execute("SELECT pg_notify(%s, 'echo')", (channel,))
        deadline = monotonic() + ECHO_SECONDS
        while not announced and (left := deadline - monotonic()) > 0:
            ready = select.select([connection.fileno(), inbox], [], [], left)[0]
            if inbox in ready:  # it is to end, and need not know
                return True
            if ready:
                _take_in(connection, announced)
        return bool(announced)

    def _hear(self, connection: Connection, announced: list[object], inbox: int) -> bool:
        checked = monotonic()
        while True:
            timeout = CHECK_SECONDS if self._watching else IDLE_THREAD_SECONDS
            ready = select.select([connection.fileno(), inbox], [], [], timeout)[0]
            if inbox in ready or (not ready and self._is_over(inbox)):
                return True
            if ready:
                _take_in(connection, announced)
            elif monotonic() - checked >= CHECK_SECONDS:
                connection.execute("SELECT 1")
                checked = monotonic()
            if announced:
                announced.clear()
                self._on_change()

    def _look(self, inbox: int) -> bool:
        """Look every so often until the thread is over."""
        idle_since = monotonic()
        while not self._sleep(inbox, self._poll_seconds):
            if self._watching:
                idle_since = monotonic()
                self._on_change()
            elif monotonic() - idle_since >= IDLE_THREAD_SECONDS and self._is_over(inbox):
                break
        return True

    def _sleep(self, inbox: int, seconds: float) -> bool:
        """Sleep; return True at once if the thread is over."""
        return bool(select.select([inbox], [], [], seconds)[0])

    def _is_over(self, inbox: int) -> bool:
        """Is nobody watching? Then the next who does starts another thread."""
        with self._lock:
            if self._watching:
                return False
            if self._inbox == inbox:
                self._thread = None
            return True


def _take_in(connection: Connection, announced: list[object]) -> None:
    """Add to *announced* what has come."""
    connection.pgconn.consume_input()
    while (found := connection.pgconn.notifies()) is not None:
        announced.append(found)
