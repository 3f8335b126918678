"""What follows a group, stored from the first arrival that has it until the last. All inside one transaction."""

import sqlite3
from collections.abc import Iterable, Iterator

from fq.brokers.records import DeferredEnqueue, EnqueueOp
from fq.brokers.sqlite.bulk_sql import BODY, from_json, pack_rows, split_bodies, sql_field, to_json

WRITE = f"""
    INSERT INTO followups (group_name, number, message_id, queue, actor, priority, delay, head, tail, body)
    SELECT {", ".join(map(sql_field, range(9)))}, {BODY} FROM json_each(?1)
"""

READ = """
    SELECT json_group_array(json_array(message_id, queue, actor, priority, delay, head, tail, length(body))),
        CAST(group_concat(CAST(body AS TEXT), '') AS BLOB)
    FROM (SELECT * FROM followups WHERE group_name = ? ORDER BY number)
"""

FORGET = "DELETE FROM followups WHERE group_name IN (SELECT value FROM json_each(?))"


def store_followups(connection: sqlite3.Connection, followups: Iterable[tuple[str, tuple[DeferredEnqueue, ...]]]) -> None:
    """Store what follows groups, given by group. Nothing may be stored for them yet."""
    for rows, bodies in pack_rows(_rows(followups)):
        connection.execute(WRITE, (rows, bodies))


def _rows(followups: Iterable[tuple[str, tuple[DeferredEnqueue, ...]]]) -> Iterator[tuple[bytes, tuple[int | str, ...]]]:
    for group, then in followups:
        for number, deferred in enumerate(then):
            op = deferred.op
            where = (group, number, op.message_id, op.queue_name, op.actor_name, op.priority, op.delay)
            yield deferred.head + deferred.tail + deferred.rest, (*where, len(deferred.head), len(deferred.tail))


def take_followups(connection: sqlite3.Connection, group: str) -> tuple[DeferredEnqueue, ...]:
    """Return what follows *group*, and delete it."""
    found, bodies = connection.execute(READ, (group,)).fetchone()
    rows = from_json(found)
    then = []
    for (message_id, queue, actor, priority, delay, head, tail, _), body in zip(
        rows, split_bodies(bodies or b"", [row[-1] for row in rows]), strict=True
    ):
        op = EnqueueOp(message_id, queue, actor, priority, delay, b"")
        then.append(DeferredEnqueue(op, body[:head], body[head : head + tail], body[head + tail :]))
    connection.execute(FORGET, (to_json([group]),))
    return tuple(then)
