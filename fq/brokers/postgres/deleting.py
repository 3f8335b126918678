"""Deleting messages that wait, and dead letters. A unique key and the mark of a cancelled message go with it. In a transaction that is alone."""

from collections.abc import Sequence

from fq.brokers.postgres.cancellation import unmark_ended
from fq.brokers.postgres.transaction import Transaction
from fq.brokers.postgres.unique_keys import free_keys

LETTERS = "DELETE FROM fq.dead WHERE message_id = ANY (%s::text[]) AND died_at > %s"

WAITING = """
    SELECT m.message_id FROM unnest(%s::text[]) WITH ORDINALITY AS t (id, n) JOIN fq.messages m ON m.message_id = t.id AND m.state <> 2 ORDER BY t.n
"""

COUNT = "SELECT count(*) FROM fq.messages WHERE state IN (0, 1) AND queue = %s"

SOME_READY = "SELECT message_id FROM fq.messages WHERE state = 1 AND queue = %s ORDER BY priority, due, seq LIMIT %s"

SOME_DELAYED = "SELECT message_id, due FROM fq.messages WHERE state = 0 AND queue = %s AND due >= %s ORDER BY due, queue, seq LIMIT %s"

MESSAGES = """
    WITH gone AS (DELETE FROM fq.messages WHERE message_id = ANY (%s::text[]) RETURNING seq) DELETE FROM fq.bodies b USING gone WHERE b.seq = gone.seq
"""


def discard(tx: Transaction, message_ids: Sequence[str], since: int) -> int:
    """Delete dead letters that died after *since*, and waiting messages, and return how many."""
    return tx.changed(LETTERS, list(message_ids), since) + delete_waiting(tx, message_ids)


def delete_waiting(tx: Transaction, message_ids: Sequence[str]) -> int:
    """Delete those of *message_ids* that wait, in this order, and return how many."""
    found = waiting_among(tx, message_ids)
    _delete(tx, found)
    return len(found)


def waiting_among(tx: Transaction, message_ids: Sequence[str]) -> list[str]:
    """Return those of *message_ids* that wait."""
    return tx.column(WAITING, list(dict.fromkeys(message_ids)))


def _delete(tx: Transaction, found: list[str]) -> None:
    if found:
        tx.run(MESSAGES, found)
        unmark_ended(tx, found)
        free_keys(tx, found)


def count_waiting(tx: Transaction, queue: str) -> int:
    """Return how many messages wait in *queue*."""
    return int(tx.row(COUNT, queue)[0])


def purge_some(tx: Transaction, queue: str, limit: int, since: int) -> tuple[int, int]:
    """
    Delete up to *limit* messages that wait in *queue*, ready ones first, of delayed ones those that are due from *since* on.

    Return how many, and from when on to look for delayed ones the next time.
    """
    found = tx.column(SOME_READY, queue, limit)
    if not found:
        rows = tx.rows(SOME_DELAYED, queue, since, limit)
        found = [message_id for message_id, _ in rows]
        since = max((due for _, due in rows), default=since)
    _delete(tx, found)
    return len(found), since
