"""Cancelling. A cancelled message has a mark until it ends. In a transaction that is alone."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

from attrs import evolve

from fq.brokers.postgres.transaction import Transaction
from fq.brokers.records import Delivery
from fq.core.message import CANCELLED

MARK = """
    INSERT INTO fq.cancelled (message_id) SELECT message_id FROM fq.messages WHERE message_id = ANY (%s::text[])
    ON CONFLICT (message_id) DO UPDATE SET told = 0
"""

HASTEN = "UPDATE fq.messages SET state = 1, due = least(due, %s) WHERE message_id = ANY (%s::text[]) AND state = 0"

COUNT = "SELECT count(*) FROM fq.messages WHERE message_id = ANY (%s::text[])"

MARKED = "SELECT message_id FROM fq.cancelled WHERE message_id = ANY (%s::text[])"

FORGET_ENDED = "DELETE FROM fq.cancelled WHERE message_id = ANY (%s::text[])"

TELL = """
    UPDATE fq.cancelled c SET told = m.token FROM fq.messages m
    WHERE m.message_id = c.message_id AND m.state = 2 AND m.worker = %s AND m.token <> c.told RETURNING c.message_id
"""


def cancel(tx: Transaction, message_ids: Iterable[str]) -> int:
    """Mark messages that wait or run, make those ready that wait, and return how many there are."""
    ids = list(message_ids)
    tx.run(MARK, ids)
    tx.run(HASTEN, tx.now, ids)
    return int(tx.row(COUNT, ids)[0])


def cancelled_among(tx: Transaction, message_ids: Iterable[str]) -> set[str]:
    """Return those of *message_ids* that are cancelled."""
    return set(tx.column(MARKED, list(message_ids)))


def unmark_ended(tx: Transaction, message_ids: Iterable[str]) -> None:
    """Delete the marks of messages that have ended or are deleted, before other messages can have their ids."""
    tx.run(FORGET_ENDED, list(message_ids))


def mark_cancelled(deliveries: Sequence[Delivery], untold: AbstractSet[str]) -> tuple[tuple[Delivery, ...], tuple[str, ...]]:
    """
    Return *deliveries* with the cancelled ones marked, and the ids of cancelled messages that their worker held before.

    *untold* are the cancelled messages that it has not been told about.
    """
    new = {delivery.message_id for delivery in deliveries}
    told = tuple(evolve(delivery, interrupted=CANCELLED) if delivery.message_id in untold else delivery for delivery in deliveries)
    return told, tuple(untold - new)
