"""How many messages each queue has, and since when the oldest is ready. Inside one transaction."""

import sqlite3
from collections.abc import Sequence
from functools import partial

from fq.brokers.planning.queue_counts import Counts, bounded, by_queue, live_counts, queue_stats
from fq.brokers.planning.states import DELAYED, READY, RUNNING
from fq.brokers.records import QueueStats
from fq.brokers.sqlite.bulk_sql import to_json


def _counts(those: str) -> str:
    """Return the statement that counts *those* messages of each queue up to a limit; it first looks whether there are so many, which takes less."""
    return f"""
        SELECT CASE WHEN (SELECT 1 FROM {those} LIMIT 1 OFFSET :limit - 1) THEN :limit ELSE (SELECT count(*) FROM {those}) END
        FROM json_each(:queues) AS asked ORDER BY asked.key
    """


READY_COUNTS = _counts(f"messages WHERE state = {READY} AND queue = asked.value")
"""SQLite keeps no numbers of rows: it counts the entries of an index, each in about 50 ns."""

DEAD_COUNTS = _counts("dead INDEXED BY dead_by_kind WHERE queue = asked.value")
"""Expired ones are counted, too."""

OLDEST = f"""
    WITH RECURSIVE priorities (queue, priority) AS (
        SELECT name, (SELECT min(priority) FROM messages WHERE state = {READY} AND queue = name) FROM queues
        UNION ALL
        SELECT queue, (SELECT min(messages.priority) FROM messages
                       WHERE state = {READY} AND messages.queue = priorities.queue AND messages.priority > priorities.priority)
        FROM priorities WHERE priority IS NOT NULL LIMIT 20000)
    SELECT queue, min((SELECT min(due) FROM messages
                       WHERE state = {READY} AND messages.queue = priorities.queue AND messages.priority = priorities.priority))
    FROM priorities WHERE priority IS NOT NULL GROUP BY queue
"""
"""When the oldest ready message of each queue became ready: the first of each priority is looked at, of 20,000 at most."""

DUE_COUNTS = f"""
    SELECT queue, count(*), min(due) FROM (SELECT queue, due FROM messages WHERE state = {DELAYED} AND due <= ? ORDER BY due LIMIT ?) GROUP BY queue
"""

DELAYED_COUNTS = f"""
    SELECT queue, count(*) FROM (SELECT queue FROM messages WHERE state = {DELAYED} AND due > ? ORDER BY due LIMIT ?) GROUP BY queue
"""

RUNNING_COUNTS = (
    f"SELECT queue, count(*) FROM (SELECT queue FROM messages INDEXED BY messages_running WHERE state = {RUNNING} LIMIT ?) GROUP BY queue"
)

EXPIRED_COUNTS = "SELECT queue, count(*) FROM (SELECT queue FROM dead WHERE died_at <= ? ORDER BY died_at LIMIT ?) GROUP BY queue"

LATEST_COUNTS = "SELECT queue, count(*) FROM (SELECT queue FROM dead WHERE died_at > ? ORDER BY died_at DESC LIMIT ?) GROUP BY queue"


def queues(connection: sqlite3.Connection, now: int, dead_ttl: int, most: int) -> tuple[QueueStats, ...]:
    """
    Return all queues, with at most *most* ready and dead messages of each counted, and at most so many delayed and running ones of all.

    A delayed message that is due counts as ready, even before a turn makes it so.
    """

    def counts(statement: str, *parameters: int) -> Counts:
        return bounded(dict(connection.execute(statement, (*parameters, most + 1)).fetchall()), most)

    oldest: dict[str, int] = dict(connection.execute(OLDEST).fetchall())
    due = connection.execute(DUE_COUNTS, (now, most + 1)).fetchall()
    for queue, _, since in due:
        oldest[queue] = min(since, oldest.get(queue, since))
    rows = connection.execute("SELECT name, paused FROM queues ORDER BY name").fetchall()
    names = [name for name, _ in rows]
    return queue_stats(
        rows,
        by_queue(names, most, partial(_count, connection, READY_COUNTS)) + bounded({queue: count for queue, count, _ in due}, most),
        counts(DELAYED_COUNTS, now),
        counts(RUNNING_COUNTS),
        _dead(connection, names, now - dead_ttl, most),
        {queue: now - since for queue, since in oldest.items()},
    )


def _dead(connection: sqlite3.Connection, names: Sequence[str], since: int, most: int) -> Counts:
    """Return the numbers of letters that died after *since*; while very many have expired and are not deleted yet, the latest of all queues together."""
    gone: dict[str, int] = dict(connection.execute(EXPIRED_COUNTS, (since, most + 1)).fetchall())
    if sum(gone.values()) > most:
        return bounded(dict(connection.execute(LATEST_COUNTS, (since, most + 1)).fetchall()), most)
    return live_counts(names, most, gone, partial(_count, connection, DEAD_COUNTS))


def _count(connection: sqlite3.Connection, statement: str, queues: Sequence[str], limit: int) -> list[int]:
    return [number for (number,) in connection.execute(statement, {"queues": to_json(list(queues)), "limit": limit}).fetchall()]
