"""Requeueing dead letters: the tables as a `RequeueView`, and a `RequeuePlan` written into them. Inside one transaction."""

import sqlite3
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from attrs import frozen

from fq.brokers.planning.groups import COMPLETE
from fq.brokers.planning.states import RUNNING
from fq.brokers.records import OPEN_GROUP_TTL_MS, EnqueueOp
from fq.brokers.requeue import LiveMessage, ReopenedGroup, RequeuePlanner
from fq.brokers.sqlite.bulk_sql import from_json, pack_rows, to_json
from fq.brokers.sqlite.deleting import delete_waiting
from fq.brokers.sqlite.group_followups import store_followups, take_followups
from fq.brokers.sqlite.groups import WRITE_GROUPS, WRITE_MEMBERS
from fq.brokers.sqlite.placing import enqueue, has_unique
from fq.brokers.sqlite.unique_keys import read_keys, write_keys

LETTERS = """
    SELECT message_id, queue, actor, priority, body FROM json_each(?) CROSS JOIN dead WHERE message_id = value AND died_at > ?
"""

ALIVE = "SELECT message_id, queue, actor, priority, body, state FROM json_each(?) CROSS JOIN messages WHERE message_id = value"

OPEN = f"""
    SELECT json_group_array(name) FROM json_each(?) CROSS JOIN groups WHERE name = value AND until > ? AND NOT complete & {COMPLETE}
"""

UNBURY = "DELETE FROM dead WHERE message_id IN (SELECT value FROM json_each(?))"

REMOVE_MEMBERS = "DELETE FROM members WHERE group_name = ? AND member IN (SELECT value FROM json_each(?))"

FEWER = "UPDATE groups SET arrived = arrived - ? WHERE name = ?"


@frozen
class _View:
    """A `RequeueView` of the tables; letters died after *since*."""

    connection: sqlite3.Connection
    now: int
    since: int

    def dead_letters(self, message_ids: Sequence[str]) -> dict[str, EnqueueOp]:
        rows = self.connection.execute(LETTERS, (to_json(list(message_ids)), self.since)).fetchall()
        return {
            message_id: EnqueueOp(message_id, queue, actor, priority, 0, bytes(body)) for message_id, queue, actor, priority, body in rows
        }

    def live_messages(self, message_ids: Sequence[str]) -> dict[str, LiveMessage]:
        rows = self.connection.execute(ALIVE, (to_json(list(message_ids)),)).fetchall()
        return {
            message_id: LiveMessage(EnqueueOp(message_id, queue, actor, priority, 0, bytes(body)), state == RUNNING)
            for message_id, queue, actor, priority, body, state in rows
        }

    def open_groups(self, groups: Sequence[str]) -> AbstractSet[str]:
        return set(from_json(self.connection.execute(OPEN, (to_json(list(groups)), self.now)).fetchone()[0]))


def requeue(connection: sqlite3.Connection, message_ids: Sequence[str], plan: RequeuePlanner, now: int, since: int, known: set[str]) -> int:
    """Carry out *plan* for dead letters that died after *since*, and return how many it requeued."""
    planned = plan(message_ids, _View(connection, now, since), now)
    if planned.taken_messages:
        delete_waiting(connection, planned.taken_messages, now)
    for group, numbers in planned.removed.items():
        removed = connection.execute(REMOVE_MEMBERS, (group, to_json(sorted(numbers)))).rowcount
        connection.execute(FEWER, (removed, group))
    for one in planned.reopened:
        _reopen(connection, one, now)
    enqueues = _admit(connection, planned.enqueues, now) if has_unique(planned.enqueues) else planned.enqueues
    connection.execute(UNBURY, (to_json([*planned.taken_letters, *(op.message_id for op in enqueues)]),))
    if enqueues:
        enqueue(connection, enqueues, now, known)
    return planned.count(message_ids) - len(planned.enqueues) + len(enqueues)


def _admit(connection: sqlite3.Connection, ops: Sequence[EnqueueOp], now: int) -> list[EnqueueOp]:
    """Return those of *ops* whose unique key no other message holds."""
    table = read_keys(connection, [op.unique.key for op in ops if op.unique is not None], now)
    admitted = table.admit(ops)
    write_keys(connection, table)
    return admitted


def _reopen(connection: sqlite3.Connection, one: ReopenedGroup, now: int) -> None:
    connection.execute("DELETE FROM members WHERE group_name = ?", (one.group,))
    for rows, bodies in pack_rows((value, (one.group, number)) for number, value in one.values.items()):
        connection.execute(WRITE_MEMBERS, (rows, bodies))
    connection.execute(WRITE_GROUPS, (to_json([(one.group, len(one.values), 0, now + OPEN_GROUP_TTL_MS)]),))
    take_followups(connection, one.group)
    store_followups(connection, [(one.group, one.then)])
