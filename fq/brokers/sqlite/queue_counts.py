"""How many messages each queue has, and since when the oldest is ready. Inside one transaction."""

import sqlite3

from fq.brokers.planning.queue_counts import Counts, bounded, queue_stats, within
from fq.brokers.planning.states import DELAYED, READY, RUNNING
from fq.brokers.records import QueueStats

READY_COUNTS = f"SELECT name, (SELECT count(*) FROM (SELECT 1 FROM messages WHERE state = {READY} AND queue = name LIMIT ?)) FROM queues"
"""SQLite keeps no numbers of rows: it counts the entries of an index, each in about 50 ns."""

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

DEAD_COUNTS = "SELECT queue, count(*) FROM (SELECT queue FROM dead WHERE died_at > ? ORDER BY died_at DESC LIMIT ?) GROUP BY queue"


def queues(connection: sqlite3.Connection, now: int, dead_ttl: int, most: int) -> tuple[QueueStats, ...]:
    """
    Return all queues, with at most *most* ready messages of each counted, and at most so many delayed, running and dead ones of all.

    A delayed message that is due counts as ready, even before a turn makes it so.
    """

    def counts(statement: str, *parameters: int) -> Counts:
        return bounded(dict(connection.execute(statement, (*parameters, most + 1)).fetchall()), most)

    oldest: dict[str, int] = dict(connection.execute(OLDEST).fetchall())
    due = connection.execute(DUE_COUNTS, (now, most + 1)).fetchall()
    for queue, _, since in due:
        oldest[queue] = min(since, oldest.get(queue, since))
    return queue_stats(
        connection.execute("SELECT name, paused FROM queues ORDER BY name").fetchall(),
        within(dict(connection.execute(READY_COUNTS, (most + 1,)).fetchall()), most)
        + bounded({queue: count for queue, count, _ in due}, most),
        counts(DELAYED_COUNTS, now),
        counts(RUNNING_COUNTS),
        counts(DEAD_COUNTS, now - dead_ttl),
        {queue: now - since for queue, since in oldest.items()},
    )
