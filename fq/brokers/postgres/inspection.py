"""What the tables say of messages and workers. Inside one transaction that reads."""

from collections.abc import Sequence

from fq.brokers.operations import finished_key
from fq.brokers.planning.groups import COMPLETE
from fq.brokers.planning.statuses import fault_from_json, letter_status, live_status
from fq.brokers.postgres.transaction import Transaction
from fq.brokers.records import ClaimedMessage, DeadLetter, Status, WorkerStats
from fq.core.fault import Fault

LIVE = "SELECT state, queue, actor, deliveries, due, worker, fault, token FROM fq.messages WHERE message_id = %s"

LETTER = "SELECT queue, actor, fault FROM fq.dead WHERE message_id = %s AND died_at > %s"

HAS_ENDED = """
    SELECT EXISTS (SELECT 1 FROM fq.results WHERE message_id = %s AND until > %s)
        OR EXISTS (SELECT 1 FROM fq.marks WHERE key = %s AND (until = 0 OR until > %s))
"""

GROUP = "SELECT arrived, flags FROM fq.groups WHERE name = %s AND until > %s"

WITH_RESULTS = "SELECT message_id FROM fq.results WHERE message_id = ANY (%s::text[]) AND until > %s"

WORKERS = """
    SELECT name, lease_until, (SELECT count(*) FROM fq.messages m WHERE m.state = 2 AND m.worker = w.name), queues FROM fq.workers w ORDER BY name
"""

CLAIMED = "SELECT message_id, queue, actor, worker, claimed FROM fq.messages WHERE state = 2 AND worker = %s ORDER BY token, seq LIMIT %s"

LETTERS = """
    SELECT message_id, queue, actor, body, fault, died_at FROM fq.dead
    WHERE died_at > %s AND died_at <= coalesce(%s::bigint, died_at)
        AND queue = coalesce(%s::text, queue) AND actor = coalesce(%s::text, actor) AND error = coalesce(%s::text, error)
    ORDER BY died_at DESC, seq DESC LIMIT %s
"""

SET_PAUSED = "INSERT INTO fq.queues (name, paused) VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET paused = excluded.paused"


def status(tx: Transaction, message_id: str, dead_ttl: int) -> Status:
    """Return where a message is."""
    if (row := tx.first(LIVE, message_id)) is not None:
        return live_status(message_id, *row, now=tx.now)
    if (row := tx.first(LETTER, message_id, tx.now - dead_ttl)) is not None:
        return letter_status(message_id, *row)
    if tx.row(HAS_ENDED, message_id, tx.now, finished_key(message_id), tx.now)[0]:
        return Status(message_id, "done")
    if (row := tx.first(GROUP, message_id, tx.now)) is None:
        return Status(message_id, "unknown")
    return Status(message_id, "done") if row[1] & COMPLETE else Status(message_id, "waiting", arrived=row[0])


def ids_with_results(tx: Transaction, message_ids: Sequence[str]) -> set[str]:
    """Return those of *message_ids* that have a result."""
    return set(tx.column(WITH_RESULTS, list(message_ids), tx.now))


def workers(tx: Transaction) -> tuple[WorkerStats, ...]:
    """Return all workers with a lease."""
    return tuple(WorkerStats(name, max(0, until - tx.now), held, tuple(asked)) for name, until, held, asked in tx.rows(WORKERS))


def claimed_by(tx: Transaction, worker: str, limit: int) -> tuple[ClaimedMessage, ...]:
    """Return the messages that *worker* holds, in the order in which it claimed them."""
    return tuple(ClaimedMessage(*row) for row in tx.rows(CLAIMED, worker, limit))


def dead_letters(
    tx: Transaction, queue: str | None, actor: str | None, error: str | None, limit: int, since: int, until: int | None
) -> tuple[DeadLetter, ...]:
    """Return dead letters that died after *since*, and no later than *until* if given, the latest first."""
    rows = tx.rows(LETTERS, since, until, queue, actor, error, limit)
    return tuple(
        DeadLetter(name, of_queue, of_actor, body, fault_from_json(fault) or Fault("", ""), died_at)
        for name, of_queue, of_actor, body, fault, died_at in rows
    )


def set_paused(tx: Transaction, queue: str, paused: bool) -> None:
    """Allow or stop claims from *queue*."""
    tx.run(SET_PAUSED, queue, paused)
