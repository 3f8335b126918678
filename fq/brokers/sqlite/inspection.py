"""The calls of operators: the state of messages, queues and workers, dead letters, and deleting."""

import sqlite3
from collections.abc import Sequence

from fq.brokers.records import ClaimedMessage, DeadLetter, QueueStats, Status, WorkerStats
from fq.brokers.sqlite.bulk_sql import from_json, to_json
from fq.brokers.sqlite.cancellation import unmark_deleted
from fq.brokers.sqlite.commits import fault_from_json
from fq.brokers.sqlite.schema import DELAYED, READY, RUNNING
from fq.core.fault import Fault

STATES = {DELAYED: "delayed", READY: "ready", RUNNING: "running"}

_OF_IDS = "message_id IN (SELECT value FROM json_each(?))"


def status(connection: sqlite3.Connection, message_id: str, now: int, dead_ttl: int) -> Status:
    """Return where a message is."""
    row = connection.execute(
        "SELECT state, queue, actor, deliveries, due, worker, fault FROM messages WHERE message_id = ?", (message_id,)
    ).fetchone()
    if row is not None:
        state, queue, actor, deliveries, due, worker, fault = row
        if state == DELAYED and due <= now:
            state = READY
        return Status(message_id, STATES[state], queue, actor, deliveries, due if state == DELAYED else 0, worker, fault_from_json(fault))
    row = connection.execute(
        "SELECT queue, actor, fault FROM dead WHERE message_id = ? AND died_at > ?", (message_id, now - dead_ttl)
    ).fetchone()
    if row is not None:
        return Status(message_id, "dead", row[0], row[1], fault=fault_from_json(row[2]))
    row = connection.execute("SELECT 1 FROM results WHERE message_id = ? AND until > ?", (message_id, now)).fetchone()
    return Status(message_id, "unknown" if row is None else "done")


def ids_with_results(connection: sqlite3.Connection, message_ids: Sequence[str], now: int) -> set[str]:
    """Return those of *message_ids* that have a result."""
    statement = "SELECT json_group_array(message_id) FROM json_each(?) CROSS JOIN results WHERE message_id = value AND until > ?"
    return set(from_json(connection.execute(statement, (to_json(list(message_ids)), now)).fetchone()[0]))


def queues(connection: sqlite3.Connection, now: int, dead_ttl: int) -> tuple[QueueStats, ...]:
    """Return all queues. A delayed message that is due counts as ready, even before a turn makes it so."""
    ready = _waiting(connection, f"SELECT queue, count(*), min(due) FROM messages WHERE state = {READY} GROUP BY queue")
    delayed = _counts(connection, f"SELECT queue, count(*) FROM messages WHERE state = {DELAYED} AND due > ? GROUP BY queue", now)
    due = _waiting(connection, f"SELECT queue, count(*), min(due) FROM messages WHERE state = {DELAYED} AND due <= ? GROUP BY queue", now)
    running = _counts(connection, f"SELECT queue, count(*) FROM messages WHERE state = {RUNNING} GROUP BY queue")
    dead = _counts(connection, "SELECT queue, count(*) FROM dead WHERE died_at > ? GROUP BY queue", now - dead_ttl)
    found = connection.execute("SELECT name, paused FROM queues ORDER BY name").fetchall()
    return tuple(
        QueueStats(
            name,
            ready.get(name, (0, now))[0] + due.get(name, (0, now))[0],
            delayed.get(name, 0),
            running.get(name, 0),
            dead.get(name, 0),
            now - min(ready.get(name, (0, now))[1], due.get(name, (0, now))[1]),
            bool(paused),
        )
        for name, paused in found
    )


def _counts(connection: sqlite3.Connection, statement: str, *parameters: int) -> dict[str, int]:
    return dict(connection.execute(statement, parameters).fetchall())


def _waiting(connection: sqlite3.Connection, statement: str, *parameters: int) -> dict[str, tuple[int, int]]:
    """Return, by queue, how many messages there are, and when the oldest of them became ready."""
    return {queue: (count, since) for queue, count, since in connection.execute(statement, parameters).fetchall()}


def workers(connection: sqlite3.Connection, now: int) -> tuple[WorkerStats, ...]:
    """Return all workers with a lease."""
    rows = connection.execute(
        f"""
        SELECT name, lease_until, (SELECT count(*) FROM messages WHERE state = {RUNNING} AND worker = workers.name), queues
        FROM workers ORDER BY name
        """
    ).fetchall()
    return tuple(WorkerStats(name, max(0, until - now), in_flight, tuple(from_json(queues))) for name, until, in_flight, queues in rows)


def claimed_by(connection: sqlite3.Connection, worker: str, limit: int) -> tuple[ClaimedMessage, ...]:
    """Return the messages that *worker* holds, in the order in which it claimed them."""
    rows = connection.execute(
        f"SELECT message_id, queue, actor, worker, claimed FROM messages WHERE state = {RUNNING} AND worker = ? ORDER BY token, seq LIMIT ?",
        (worker, limit),
    ).fetchall()
    return tuple(ClaimedMessage(*row) for row in rows)


def dead_letters(
    connection: sqlite3.Connection, queue: str | None, actor: str | None, error: str | None, limit: int, since: int, until: int | None
) -> tuple[DeadLetter, ...]:
    """Return dead letters that died after *since*, and no later than *until* if given, the latest first."""
    rows = connection.execute(
        """
        SELECT message_id, queue, actor, body, fault, died_at FROM dead
        WHERE died_at > ?1 AND died_at <= coalesce(?6, died_at) AND queue = coalesce(?2, queue) AND actor = coalesce(?3, actor) AND error = coalesce(?4, error)
        ORDER BY died_at DESC, seq DESC LIMIT ?5
        """,
        (since, queue, actor, error, limit, until),
    ).fetchall()
    return tuple(
        DeadLetter(message_id, of_queue, of_actor, body, fault_from_json(fault) or Fault("", ""), died_at)
        for message_id, of_queue, of_actor, body, fault, died_at in rows
    )


def discard(connection: sqlite3.Connection, message_ids: Sequence[str], since: int) -> int:
    """Delete dead letters and waiting messages, and return how many."""
    ids = to_json(list(message_ids))
    letters = connection.execute(f"DELETE FROM dead WHERE {_OF_IDS} AND died_at > ?", (ids, since)).rowcount
    waiting = connection.execute(f"DELETE FROM messages WHERE {_OF_IDS} AND state <> {RUNNING}", (ids,)).rowcount
    unmark_deleted(connection)
    return letters + waiting


def purge(connection: sqlite3.Connection, queue: str) -> int:
    """Delete the messages that wait in *queue*, and return how many."""
    statement = "DELETE FROM messages WHERE state = {} AND queue = ?"
    count = sum(connection.execute(statement.format(state), (queue,)).rowcount for state in (READY, DELAYED))
    unmark_deleted(connection)
    return count


def set_paused(connection: sqlite3.Connection, queue: str, paused: bool) -> None:
    """Allow or stop claims from *queue*."""
    connection.execute("INSERT INTO queues VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET paused = excluded.paused", (queue, int(paused)))
