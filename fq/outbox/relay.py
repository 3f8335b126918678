"""
`Relay`: moves the rows of an outbox to the broker, each once. Mutable shell; a worker runs it in a thread of its own.

The broker takes a row and notes its id in one step, as a mark. So a relay that is killed before it deletes the row, or a second relay that has read the
same row, sends nothing twice.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import cast

from fq.brokers.operations import ABSENT, SetMarkOp
from fq.brokers.protocol import Broker
from fq.core.outcome import Enqueue
from fq.errors import BrokerError, BrokerUnavailable, DecodeError
from fq.errors.exception_text import text_of
from fq.execution.message_source import SourceState
from fq.execution.outcome_encoding import to_op
from fq.outbox.connections import Joined, SqlConnection
from fq.outbox.rows import Row, read_post
from fq.outbox.table import delete_sql, fail_sql, read_sql, state_sql
from fq.runtime.logger import logger, unexpected
from fq.runtime.watched_threads import watched_thread

log = logger("fq.outbox")

ROWS_PER_STEP = 100

MIN_WAIT_SECONDS = 0.05
"""After rows have come, the relay looks again after this time, then after twice as long, and so on."""

JOIN_SECONDS = 1.0
"""How long a worker that stops waits for the step that the thread is in."""

MAX_BACKOFF_SECONDS = 30.0
"""The longest time between two attempts to reach a database or a broker that cannot be reached."""


def read_state(joined: Joined, table: str) -> SourceState:
    """Return what is in *table*."""
    ((waiting, age, failed, error),) = joined.run(state_sql(table, joined.dialect), {}).fetchall()
    return SourceState(int(str(waiting)), max(0, int(str(age))), int(str(failed)), str(error or ""))


class Relay:
    """Moves what is in *table*, of the database that *connect* reaches, to *broker*. See `Outbox` for *poll* and *remember*."""

    def __init__(
        self,
        connect: Callable[[], tuple[SqlConnection, Joined]],
        table: str,
        poll: int,
        remember: int,
        broker: Broker,
        on_enqueued: Callable[[Enqueue], None],
    ) -> None:
        self._connect, self._table, self._poll_seconds, self._remember = connect, table, poll / 1_000, remember
        self._broker, self._on_enqueued = broker, on_enqueued
        self._connection: tuple[SqlConnection, Joined] | None = None
        self._stopped = threading.Event()
        self._thread = watched_thread("fq-outbox", self._run)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Begin no other step in the thread."""
        self._stopped.set()

    def join(self) -> None:
        """Wait a moment for the end of the thread. A database or a broker that hangs does not hold up the caller: the row is moved once all the same."""
        if self._thread.ident is not None:
            self._thread.join(JOIN_SECONDS)

    def move_all(self) -> int:
        """Move all rows that are there, and return how many that were. The caller is the only one that uses this relay."""
        moved = 0
        try:
            while rows := self.step():
                moved += rows
        finally:
            self._disconnect()
        return moved

    def step(self) -> int:
        """Move the oldest rows, and return how many were there."""
        self._connection = self._connection or self._connect()
        connection, joined = self._connection
        try:
            rows = self._read(joined)
            if joined.dialect == "sqlite":
                connection.commit()  # a lock or a snapshot, held while the broker is asked, would be in the way of other writers or of the delete
            if rows:
                self._move(joined, rows)
            connection.commit()
        except BaseException:
            with suppress(Exception):
                connection.rollback()
            self._disconnect()
            raise
        return len(rows)

    def _read(self, joined: Joined) -> list[Row]:
        found = joined.run(read_sql(self._table, joined.dialect), {"most": ROWS_PER_STEP}).fetchall()
        return [Row(cast(int, number), str(row_id), str(post), int(str(age))) for number, row_id, post, age in found]

    def _move(self, joined: Joined, rows: Sequence[Row]) -> None:
        """Enqueue *rows*, delete them, and put aside those that cannot be sent."""
        now = self._broker.now()
        sendable: list[tuple[Row, tuple[Enqueue, ...]]] = []
        for row in rows:
            try:
                sendable.append((row, read_post(row, now)))
            except DecodeError as error:
                self._put_aside(joined, row, error)
        moved = self._enqueue(joined, sendable)
        if moved:
            numbers = {f"n{position}": row.number for position, (row, _, _) in enumerate(moved)}
            joined.run(delete_sql(self._table, len(numbers)), numbers)
        for _, enqueues, is_new in moved:
            for enqueue in enqueues if is_new else ():
                self._on_enqueued(enqueue)

    def _enqueue(self, joined: Joined, rows: Sequence[tuple[Row, tuple[Enqueue, ...]]]) -> list[tuple[Row, tuple[Enqueue, ...], bool]]:
        """Enqueue *rows*; return those that the broker has taken, now or before. If it refuses them together, each is enqueued alone."""
        try:
            done = self._broker.set_marks([self._op(row, enqueues) for row, enqueues in rows]) if rows else ()
        except BrokerUnavailable:
            raise
        except BrokerError as error:
            if len(rows) > 1:
                return [moved for each in rows for moved in self._enqueue(joined, [each])]
            self._put_aside(joined, rows[0][0], error)
            return []
        return [(row, enqueues, is_new) for (row, enqueues), is_new in zip(rows, done, strict=True)]

    def _op(self, row: Row, enqueues: Sequence[Enqueue]) -> SetMarkOp:
        return SetMarkOp(f"fq.outbox.{row.row_id}", b"1", self._remember, ABSENT, then=tuple(map(to_op, enqueues)))

    def _put_aside(self, joined: Joined, row: Row, error: Exception) -> None:
        log.error("row %d of %s cannot be sent, and is put aside until fq outbox APP --retry: %s", row.number, self._table, error)
        joined.run(fail_sql(self._table), {"seq": row.number, "error": text_of(error)[:1_000]})

    def _run(self) -> None:
        wait, failures, moved = self._poll_seconds, 0, 0
        while not self._stopped.is_set():
            try:
                moved = self.step()
            except Exception as error:
                failures += 1
                wait = min(MAX_BACKOFF_SECONDS, self._poll_seconds * 2 ** min(failures - 1, 10))
                log.error(
                    "cannot move what is in %s, next attempt in %.1f s: %s",
                    self._table,
                    wait,
                    error,
                    exc_info=unexpected(error) if failures == 1 else None,
                )
            else:
                failures, wait = 0, MIN_WAIT_SECONDS if moved else min(2 * wait, self._poll_seconds)
            self._stopped.wait(0 if not failures and moved == ROWS_PER_STEP else wait)
        self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(Exception):
                self._connection[0].close()
            self._connection = None
