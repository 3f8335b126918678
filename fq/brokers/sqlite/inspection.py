"""The calls of operators: the state of messages and workers, and dead letters."""

import sqlite3
from collections.abc import Sequence

from fq.brokers.operations import finished_key
from fq.brokers.planning.groups import COMPLETE
from fq.brokers.planning.states import RUNNING
from fq.brokers.planning.statuses import fault_from_json, letter_status, live_status
from fq.brokers.records import ClaimedMessage, DeadLetter, Status, WorkerStats
from fq.brokers.sqlite.bulk_sql import from_json, to_json
from fq.core.fault import Fault

HAS_ENDED = """
    SELECT 1 FROM results WHERE message_id = ?1 AND until > ?2
    UNION ALL SELECT 1 FROM marks WHERE key = ?3 AND (until = 0 OR until > ?2) LIMIT 1
"""


def status(connection: sqlite3.Connection, message_id: str, now: int, dead_ttl: int) -> Status:
    """Return where a message is."""
    row = connection.execute(
        "SELECT state, queue, actor, deliveries, due, worker, fault, token FROM messages WHERE message_id = ?", (message_id,)
    ).fetchone()
    if row is not None:
        return live_status(message_id, *row, now=now)
    row = connection.execute(
        "SELECT queue, actor, fault FROM dead WHERE message_id = ? AND died_at > ?", (message_id, now - dead_ttl)
    ).fetchone()
    if row is not None:
        return letter_status(message_id, *row)
    if connection.execute(HAS_ENDED, (message_id, now, finished_key(message_id))).fetchone() is not None:
        return Status(message_id, "done")
    row = connection.execute("SELECT arrived, complete FROM groups WHERE name = ? AND until > ?", (message_id, now)).fetchone()
    if row is None:
        return Status(message_id, "unknown")
    return Status(message_id, "done") if row[1] & COMPLETE else Status(message_id, "waiting", arrived=row[0])


def ids_with_results(connection: sqlite3.Connection, message_ids: Sequence[str], now: int) -> set[str]:
    """Return those of *message_ids* that have a result."""
    statement = "SELECT json_group_array(message_id) FROM json_each(?) CROSS JOIN results WHERE message_id = value AND until > ?"
    return set(from_json(connection.execute(statement, (to_json(list(message_ids)), now)).fetchone()[0]))


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


def set_paused(connection: sqlite3.Connection, queue: str, paused: bool) -> None:
    """Allow or stop claims from *queue*."""
    connection.execute("INSERT INTO queues VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET paused = excluded.paused", (queue, int(paused)))
