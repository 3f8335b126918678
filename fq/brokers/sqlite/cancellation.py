"""
Cancelling. A cancelled message has a mark until it ends. The table of marks is nearly always empty, and then a turn calls nothing here.

Call these functions inside a transaction. Those that a turn calls never read all marks: there may be as many as a workflow has messages.
"""

import sqlite3
from collections.abc import Iterable, Sequence

from attrs import evolve

from fq.brokers.planning.states import DELAYED, READY, RUNNING
from fq.brokers.records import Delivery
from fq.brokers.sqlite.bulk_sql import from_json, to_json
from fq.core.message import CANCELLED

_EXISTING = "FROM json_each(?) CROSS JOIN messages WHERE message_id = value"

MARK = f"INSERT OR REPLACE INTO cancelled (message_id, told) SELECT message_id, 0 {_EXISTING}"

HASTEN = f"UPDATE messages SET state = {READY}, due = min(due, ?) WHERE seq IN (SELECT seq {_EXISTING} AND state = {DELAYED})"

COUNT = f"SELECT count(DISTINCT message_id) {_EXISTING}"

NEW = "SELECT json_group_array(value) FROM json_each(?) WHERE NOT EXISTS (SELECT 1 FROM messages WHERE message_id = value)"

MARKED = "SELECT json_group_array(message_id) FROM json_each(?) CROSS JOIN cancelled WHERE message_id = value"

FORGET_ENDED = "DELETE FROM cancelled WHERE message_id IN (SELECT value FROM json_each(?))"

UNTOLD = f"""
    SELECT messages.message_id FROM messages CROSS JOIN cancelled
    WHERE state = {RUNNING} AND worker = ? AND cancelled.message_id = messages.message_id AND token <> told
"""

TOLD = """
    UPDATE cancelled SET told = (SELECT token FROM messages WHERE message_id = cancelled.message_id)
    WHERE message_id IN (SELECT value FROM json_each(?))
"""


def cancel(connection: sqlite3.Connection, message_ids: Iterable[str], now: int) -> int:
    """Mark messages that wait or run, make those ready that wait, and return how many there are."""
    ids = to_json(list(message_ids))
    connection.execute(MARK, (ids,))
    connection.execute(HASTEN, (now, ids))
    (count,) = connection.execute(COUNT, (ids,)).fetchone()
    return int(count)


def cancelled_among(connection: sqlite3.Connection, message_ids: Iterable[str]) -> set[str]:
    """Return those of *message_ids* that are cancelled."""
    return set(from_json(connection.execute(MARKED, (to_json(list(message_ids)),)).fetchone()[0]))


def unknown_ids(connection: sqlite3.Connection, message_ids: Iterable[str]) -> set[str]:
    """Return those of *message_ids* that neither wait nor run."""
    return set(from_json(connection.execute(NEW, (to_json(list(message_ids)),)).fetchone()[0]))


def unmark_ended(connection: sqlite3.Connection, message_ids: Iterable[str]) -> None:
    """Delete the marks of messages that have ended or are deleted, before other messages can have their ids."""
    connection.execute(FORGET_ENDED, (to_json(list(message_ids)),))


def mark_cancelled(
    connection: sqlite3.Connection, worker: str, deliveries: Sequence[Delivery]
) -> tuple[tuple[Delivery, ...], tuple[str, ...]]:
    """Return *deliveries* with the cancelled ones marked, and the ids of cancelled messages that *worker* held before and has not been told about."""
    untold = {message_id for (message_id,) in connection.execute(UNTOLD, (worker,)).fetchall()}
    if untold:
        connection.execute(TOLD, (to_json(list(untold)),))
    new = {delivery.message_id for delivery in deliveries}
    told = tuple(evolve(delivery, interrupted=CANCELLED) if delivery.message_id in untold else delivery for delivery in deliveries)
    return told, tuple(untold - new)
