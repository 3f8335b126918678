"""Enqueueing messages and storing results: plain inserts, one or thousands."""

import sqlite3
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from fq.brokers.planning.states import DELAYED, READY
from fq.brokers.records import OPEN_GROUP_TTL_MS, EnqueueOp, StoreResultOp
from fq.brokers.sqlite.bulk_sql import BODY, pack_rows, sql_field, to_json

_COLUMNS = "message_id, queue, actor, priority, state, due, body"

INSERT_ONE = f"INSERT INTO messages ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (message_id) DO NOTHING"

INSERT_MANY = f"""
    INSERT INTO messages ({_COLUMNS})
    SELECT {", ".join(map(sql_field, range(6)))}, {BODY} FROM json_each(?1) WHERE true
    ON CONFLICT (message_id) DO NOTHING
"""

ROWS_AT_ONCE = 250
"""How many rows one statement takes as parameters of their own, which costs half of what `INSERT_MANY` does; fewer rows would each need another statement."""

INSERT_ROWS = f"""
    INSERT INTO messages ({_COLUMNS}) VALUES {", ".join(["(?, ?, ?, ?, ?, ?, ?)"] * ROWS_AT_ONCE)} ON CONFLICT (message_id) DO NOTHING
"""

INSERT_QUEUES = "INSERT INTO queues (name) SELECT value FROM json_each(?) WHERE true ON CONFLICT (name) DO NOTHING"

STORE_RESULTS = f"""
    INSERT INTO results (message_id, until, body)
    SELECT {sql_field(0)}, {sql_field(1)}, {BODY} FROM json_each(?1) WHERE true
    ON CONFLICT (message_id) DO UPDATE SET until = excluded.until, body = excluded.body, hold = '', ttl = 0
"""

HOLD_RESULTS = """
    UPDATE results
    SET until = ?1 + max(json_extract(value, '$[1]'), ?2), ttl = json_extract(value, '$[1]'), hold = json_extract(value, '$[2]')
    FROM json_each(?3) WHERE message_id = json_extract(value, '$[0]')
    AND NOT EXISTS (SELECT 1 FROM groups WHERE name = json_extract(value, '$[2]') AND complete & 1 AND groups.until > ?1)
"""

RELEASE_RESULTS = (
    "UPDATE results SET until = ?1 + ttl, hold = '', ttl = 0 WHERE hold <> '' AND hold IN (SELECT value FROM json_each(?2)) AND until > ?1"
)


def list_queues(connection: sqlite3.Connection, queues: AbstractSet[str], known: set[str]) -> None:
    """Add *queues* to the table of queues. *known* are queues that are in it, and grows."""
    if new := queues - known:
        connection.execute(INSERT_QUEUES, (to_json(sorted(new)),))
        known |= new


def insert(connection: sqlite3.Connection, ops: Sequence[EnqueueOp], now: int, known: set[str]) -> int:
    """
    Put messages on their queues, except those that wait or run already, and return how many are new.

    *known* are queues that are in the table of queues. See `place` for messages with unique keys.
    """
    if len(ops) == 1 and ops[0].queue_name in known:
        body, fields = _row(ops[0], now)
        return connection.execute(INSERT_ONE, (*fields, body)).rowcount
    list_queues(connection, {op.queue_name for op in ops}, known)
    whole = len(ops) - len(ops) % ROWS_AT_ONCE
    new = sum(_insert_rows(connection, ops[first : first + ROWS_AT_ONCE], now) for first in range(0, whole, ROWS_AT_ONCE))
    packed = pack_rows(_row(op, now) for op in ops[whole:])
    return new + sum(connection.execute(INSERT_MANY, (rows, bodies)).rowcount for rows, bodies in packed)


def store_results(connection: sqlite3.Connection, store_ops: Sequence[StoreResultOp], now: int) -> None:
    """Store results; a later result of a message replaces an earlier one."""
    for rows, bodies in pack_rows((kept.body, (kept.message_id, now + kept.ttl)) for kept in store_ops):
        connection.execute(STORE_RESULTS, (rows, bodies))
    if any(kept.hold for kept in store_ops):
        latest = {kept.message_id: kept for kept in store_ops}.values()
        held = [(kept.message_id, kept.ttl, kept.hold) for kept in latest if kept.hold]
        connection.execute(HOLD_RESULTS, (now, OPEN_GROUP_TTL_MS, to_json(held)))


def release_results(connection: sqlite3.Connection, groups: AbstractSet[str], now: int) -> None:
    """Start the ttl of the results that wait for *groups*."""
    if groups:
        connection.execute(RELEASE_RESULTS, (now, to_json(list(groups))))


def _insert_rows(connection: sqlite3.Connection, ops: Sequence[EnqueueOp], now: int) -> int:
    """Put `ROWS_AT_ONCE` messages on their queues, and return how many are new."""
    values: list[str | int | bytes] = []
    for op in ops:
        body, fields = _row(op, now)
        values += fields
        values.append(body)
    return connection.execute(INSERT_ROWS, values).rowcount


def _row(op: EnqueueOp, now: int) -> tuple[bytes, tuple[str, str, str, int, int, int]]:
    state = DELAYED if op.delay else READY
    return op.body, (op.message_id, op.queue_name, op.actor_name, op.priority, state, now + op.delay)
