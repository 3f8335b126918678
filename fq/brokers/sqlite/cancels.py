"""
Cancelling. A cancelled message has a mark until it ends; the table of marks is empty nearly always, and then nothing here is called by a turn.

The functions here are called inside a transaction.
"""

import sqlite3
from collections.abc import Sequence

from attrs import evolve

from fq.brokers.records import Delivery
from fq.brokers.sqlite.bulk import to_json
from fq.brokers.sqlite.schema import DELAYED, READY, RUNNING
from fq.message import CANCELLED

MARK = "INSERT OR IGNORE INTO cancelled (message_id, told) SELECT message_id, 0 FROM messages WHERE message_id = ?"

HASTEN = (
    f"UPDATE messages SET state = {READY}, due = min(due, ?) WHERE state = {DELAYED} AND message_id IN (SELECT message_id FROM cancelled)"
)

FORGET = "DELETE FROM cancelled WHERE NOT EXISTS (SELECT 1 FROM messages WHERE message_id = cancelled.message_id)"

UNTOLD = f"""
    SELECT message_id FROM cancelled JOIN messages USING (message_id)
    WHERE state = {RUNNING} AND worker = ? AND token <> told
"""

TOLD = """
    UPDATE cancelled SET told = (SELECT token FROM messages WHERE message_id = cancelled.message_id)
    WHERE message_id IN (SELECT value FROM json_each(?))
"""


def cancel(connection: sqlite3.Connection, message_id: str, now: int) -> bool:
    """Mark a message that waits or runs, make it ready if it waits, and return whether there is one."""
    connection.execute(MARK, (message_id,))
    connection.execute(HASTEN, (now,))
    return connection.execute("SELECT 1 FROM messages WHERE message_id = ?", (message_id,)).fetchone() is not None


def forget(connection: sqlite3.Connection) -> None:
    """Whenever messages have ended, and before others can have their ids: take away their marks."""
    connection.execute(FORGET)


def hasten(connection: sqlite3.Connection, now: int) -> None:
    """Before a claim: make ready what is cancelled and was put off."""
    connection.execute(HASTEN, (now,))


def tell(connection: sqlite3.Connection, worker: str, deliveries: Sequence[Delivery]) -> tuple[tuple[Delivery, ...], tuple[str, ...]]:
    """After a claim: return *deliveries* with those that are cancelled saying so, and the ids of what *worker* held before and has not been told of."""
    untold = {message_id for (message_id,) in connection.execute(UNTOLD, (worker,)).fetchall()}
    if untold:
        connection.execute(TOLD, (to_json(list(untold)),))
    new = {delivery.message_id for delivery in deliveries}
    marked = tuple(evolve(delivery, interrupted=CANCELLED) if delivery.message_id in untold else delivery for delivery in deliveries)
    return marked, tuple(untold - new)
