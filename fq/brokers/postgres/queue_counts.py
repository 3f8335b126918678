"""How many messages each queue has, and since when the oldest is ready. Inside one transaction that reads."""

from collections.abc import Sequence
from functools import partial

from fq.brokers.planning.queue_counts import Counts, bounded, by_queue, live_counts, queue_stats
from fq.brokers.postgres.transaction import Transaction
from fq.brokers.records import QueueStats

BY_INDEX = (
    "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true)"
)
"""For this transaction, read in the order of an index, which can stop. Statistics of a table that fills and empties lead the planner astray."""

OLDEST = """
    WITH RECURSIVE places (queue, priority, due) AS (
        (SELECT queue, priority, due FROM fq.messages WHERE state = 1 ORDER BY queue, priority, due LIMIT 1)
        UNION ALL
        SELECT n.* FROM places p CROSS JOIN LATERAL (
            SELECT m.queue, m.priority, m.due FROM fq.messages m WHERE m.state = 1 AND (m.queue, m.priority) > (p.queue, p.priority)
            ORDER BY m.queue, m.priority, m.due LIMIT 1) n)
    SELECT queue, min(due) FROM (SELECT * FROM places LIMIT 20000) found GROUP BY queue
"""
"""When the oldest ready message of each queue became ready: the first of each priority is looked at, of 20,000 at most."""

READY_COUNTS = """
    SELECT (SELECT count(*) FROM (SELECT 1 FROM fq.messages m WHERE m.state = 1 AND m.queue = name LIMIT %s) found)
    FROM unnest(%s::text[]) WITH ORDINALITY AS asked (name, number) ORDER BY number
"""

DEAD_COUNTS = """
    SELECT (SELECT count(*) FROM (SELECT 1 FROM fq.dead d WHERE d.queue = name LIMIT %s) found)
    FROM unnest(%s::text[]) WITH ORDINALITY AS asked (name, number) ORDER BY number
"""
"""Expired ones are counted, too."""

DUE_COUNTS = """
    SELECT queue, count(*), min(due) FROM (SELECT queue, due FROM fq.messages WHERE state = 0 AND due <= %s ORDER BY due LIMIT %s) found GROUP BY queue
"""

DELAYED_COUNTS = """
    SELECT queue, count(*) FROM (SELECT queue FROM fq.messages WHERE state = 0 AND due > %s ORDER BY due LIMIT %s) found GROUP BY queue
"""

RUNNING_COUNTS = (
    "SELECT queue, count(*) FROM (SELECT queue FROM fq.messages WHERE state = 2 ORDER BY worker, token LIMIT %s) found GROUP BY queue"
)

EXPIRED_COUNTS = (
    "SELECT queue, count(*) FROM (SELECT queue FROM fq.dead WHERE died_at <= %s ORDER BY died_at LIMIT %s) found GROUP BY queue"
)

LATEST_COUNTS = (
    "SELECT queue, count(*) FROM (SELECT queue FROM fq.dead WHERE died_at > %s ORDER BY died_at DESC LIMIT %s) found GROUP BY queue"
)


def queues(tx: Transaction, dead_ttl: int, most: int) -> tuple[QueueStats, ...]:
    """
    Return all queues, with at most *most* ready and dead messages of each counted, and at most so many delayed and running ones of all.

    A delayed message that is due counts as ready, even before a turn makes it so. A queue of messages that a user's transaction sent need not be listed.
    """

    def counts(statement: str, *parameters: int) -> Counts:
        return bounded(dict(tx.rows(statement, *parameters, most + 1)), most)

    tx.row(BY_INDEX)
    paused: dict[str, bool] = dict(tx.rows("SELECT name, paused FROM fq.queues"))
    oldest: dict[str, int] = dict(tx.rows(OLDEST))
    due = tx.rows(DUE_COUNTS, tx.now, most + 1)
    for queue, _, since in due:
        oldest[queue] = min(since, oldest.get(queue, since))
    delayed, running = counts(DELAYED_COUNTS, tx.now), counts(RUNNING_COUNTS)
    names = sorted({*paused, *oldest, *delayed.by_queue, *running.by_queue})
    return queue_stats(
        [(name, paused.get(name, False)) for name in names],
        by_queue(names, most, partial(_count, tx, READY_COUNTS)) + bounded({queue: count for queue, count, _ in due}, most),
        delayed,
        running,
        _dead(tx, names, tx.now - dead_ttl, most),
        {queue: tx.now - since for queue, since in oldest.items()},
    )


def _dead(tx: Transaction, names: Sequence[str], since: int, most: int) -> Counts:
    """Return the numbers of letters that died after *since*; while very many have expired and are not deleted yet, the latest of all queues together."""
    gone: dict[str, int] = dict(tx.rows(EXPIRED_COUNTS, since, most + 1))
    if sum(gone.values()) > most:
        return bounded(dict(tx.rows(LATEST_COUNTS, since, most + 1)), most)
    return live_counts(names, most, gone, partial(_count, tx, DEAD_COUNTS))


def _count(tx: Transaction, statement: str, queues: Sequence[str], limit: int) -> list[int]:
    return tx.column(statement, limit, list(queues))
