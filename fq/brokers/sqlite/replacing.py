"""`replace`: another message in the place of one that waits. `run_now`: messages that wait are ready. Inside one transaction."""

import sqlite3
from collections.abc import Iterable

from fq.brokers.planning.states import DELAYED, NEVER, READY, RUNNING
from fq.brokers.records import EnqueueOp
from fq.brokers.sqlite.bulk_sql import to_json
from fq.brokers.sqlite.cancellation import cancelled_among
from fq.brokers.sqlite.enqueue import list_queues
from fq.brokers.sqlite.unique_keys import read_keys_of

FIND = f"SELECT seq, body FROM messages WHERE message_id = ? AND state <> {RUNNING}"

REPLACE = "UPDATE messages SET queue = ?, actor = ?, priority = ?, state = ?, due = ?, body = ? WHERE seq = ?"

_WAITING = f"FROM json_each(?) CROSS JOIN messages WHERE message_id = value AND state <> {RUNNING}"

COUNT = f"SELECT count(DISTINCT message_id) {_WAITING}"

HASTEN = f"""
    UPDATE messages SET state = {READY}, due = min(due, ?)
    WHERE seq IN (SELECT seq FROM json_each(?) CROSS JOIN messages WHERE message_id = value AND state = {DELAYED} AND due < {NEVER})
"""


def replace(connection: sqlite3.Connection, op: EnqueueOp, expected: bytes | None, now: int, known: set[str]) -> bool:
    """See `Broker.replace`. *known* are queues that are in the table of queues."""
    found = connection.execute(FIND, (op.message_id,)).fetchone()
    if found is None or expected not in (None, found[1]):
        return False
    due = _due(connection, op, now)
    list_queues(connection, {op.queue_name}, known)
    state = READY if due <= now else DELAYED
    connection.execute(REPLACE, (op.queue_name, op.actor_name, op.priority, state, due, op.body, found[0]))
    return True


def _due(connection: sqlite3.Connection, op: EnqueueOp, now: int) -> int:
    """Return when the message is ready: never while it is put aside, and at once if it is cancelled."""
    if cancelled_among(connection, (op.message_id,)):
        return now
    due = now + op.delay
    for holder in read_keys_of(connection, (op.message_id,), now).holders.values():
        if holder.aside == op.message_id:
            return NEVER
        if op.unique is not None and op.unique.max_wait:
            due = min(due, max(now, holder.since + op.unique.max_wait))
    return due


def run_now(connection: sqlite3.Connection, message_ids: Iterable[str], now: int) -> int:
    """Make those of *message_ids* ready that are delayed, but not those that are put aside, and return how many of all wait."""
    ids = to_json(list(message_ids))
    connection.execute(HASTEN, (now, ids))
    (count,) = connection.execute(COUNT, (ids,)).fetchone()
    return int(count)
