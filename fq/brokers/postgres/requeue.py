"""Requeueing dead letters: the tables as a `RequeueView`, and a `RequeuePlan` written into them. In a transaction that is alone."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from attrs import frozen

from fq.brokers.planning.groups import COMPLETE, Progress
from fq.brokers.postgres.deleting import delete_waiting
from fq.brokers.postgres.groups import store_followups, take_followups, write_groups, write_members
from fq.brokers.postgres.placing import place
from fq.brokers.postgres.transaction import Transaction
from fq.brokers.postgres.unique_keys import read_keys, write_keys
from fq.brokers.records import OPEN_GROUP_TTL_MS, EnqueueOp
from fq.brokers.requeue import LiveMessage, ReopenedGroup, RequeuePlanner

LETTERS = "SELECT message_id, queue, actor, priority, body FROM fq.dead WHERE message_id = ANY (%s::text[]) AND died_at > %s"

ALIVE = """
    SELECT message_id, queue, actor, priority, body, state FROM fq.messages JOIN fq.bodies USING (seq) WHERE message_id = ANY (%s::text[]) FOR UPDATE
"""

OPEN = f"SELECT name FROM fq.groups WHERE name = ANY (%s::text[]) AND until > %s AND flags & {COMPLETE} = 0"

UNBURY = "DELETE FROM fq.dead WHERE message_id = ANY (%s::text[])"

REMOVE_MEMBERS = "DELETE FROM fq.members WHERE group_name = %s AND member = ANY (%s::int[])"

FEWER = "UPDATE fq.groups SET arrived = arrived - %s::int WHERE name = %s"


@frozen
class _View:
    """A `RequeueView` of the tables; letters died after *since*."""

    tx: Transaction
    since: int

    def dead_letters(self, message_ids: Sequence[str]) -> dict[str, EnqueueOp]:
        rows = self.tx.rows(LETTERS, list(message_ids), self.since)
        return {name: EnqueueOp(name, queue, actor, priority, 0, body) for name, queue, actor, priority, body in rows}

    def live_messages(self, message_ids: Sequence[str]) -> dict[str, LiveMessage]:
        rows = self.tx.rows(ALIVE, list(message_ids))
        return {
            name: LiveMessage(EnqueueOp(name, queue, actor, priority, 0, body), state == 2)
            for name, queue, actor, priority, body, state in rows
        }

    def open_groups(self, groups: Sequence[str]) -> AbstractSet[str]:
        return set(self.tx.column(OPEN, list(groups), self.tx.now))


def requeue(tx: Transaction, message_ids: Sequence[str], plan: RequeuePlanner, since: int) -> int:
    """Carry out *plan* for dead letters that died after *since*, and return how many it requeued."""
    planned = plan(message_ids, _View(tx, since), tx.now)
    if planned.taken_messages:
        delete_waiting(tx, planned.taken_messages)
    for group, numbers in planned.removed.items():
        tx.run(FEWER, tx.changed(REMOVE_MEMBERS, group, sorted(numbers)), group)
    for one in planned.reopened:
        _reopen(tx, one)
    enqueues = _admit(tx, planned.enqueues)
    tx.run(UNBURY, [*planned.taken_letters, *(op.message_id for op in enqueues)])
    if enqueues:
        place(tx, enqueues)
    return planned.count(message_ids) - len(planned.enqueues) + len(enqueues)


def _admit(tx: Transaction, ops: Sequence[EnqueueOp]) -> Sequence[EnqueueOp]:
    """Return those of *ops* whose unique key no other message holds."""
    keys = [op.unique.key for op in ops if op.unique is not None]
    if not keys:
        return ops
    table = read_keys(tx, keys)
    admitted = table.admit(ops)
    write_keys(tx, table)
    return admitted


def _reopen(tx: Transaction, one: ReopenedGroup) -> None:
    tx.run("DELETE FROM fq.members WHERE group_name = %s", one.group)
    write_members(tx, ((one.group, number, value) for number, value in one.values.items()))
    write_groups(tx, {one.group: Progress(len(one.values), until=tx.now + OPEN_GROUP_TTL_MS)})
    take_followups(tx, one.group)
    store_followups(tx, [(one.group, one.then)])
