"""
Commits: `apply_dispositions` and `apply_operations` do what ``fq.brokers.planning.commits`` has planned.

Each kind takes one statement. Dispositions come first, then operations, in the order of the commits.
"""

import sqlite3
from collections.abc import Sequence

from fq.brokers.planning.commits import CommitPlan, Ordered, enqueue_ops
from fq.brokers.planning.states import DELAYED, READY
from fq.brokers.planning.statuses import fault_to_json
from fq.brokers.records import ArriveOp, EnqueueOp, Reschedule, SetMarkOp
from fq.brokers.sqlite.bulk_sql import BODY, pack_rows, sql_field, to_json
from fq.brokers.sqlite.cancellation import cancel
from fq.brokers.sqlite.enqueue import list_queues, store_results
from fq.brokers.sqlite.groups import apply_arrivals
from fq.brokers.sqlite.marks import set_marks
from fq.brokers.sqlite.placing import enqueue, place

BURY = """
    INSERT OR REPLACE INTO dead (message_id, queue, actor, priority, error, fault, died_at, body)
    SELECT message_id, queue, actor, priority, json_extract(value, '$[1]'), json_extract(value, '$[2]'), ?, body
    FROM json_each(?) CROSS JOIN messages WHERE seq = json_extract(value, '$[0]')
"""

DELETE = "DELETE FROM messages WHERE seq IN (SELECT value FROM json_each(?))"

RELEASE = f"""
    UPDATE messages SET state = {READY}, token = 0, worker = '', interrupted = json_extract(value, '$[2]'),
        deliveries = deliveries - json_extract(value, '$[1]')
    FROM json_each(?) WHERE seq = json_extract(value, '$[0]')
"""

RESCHEDULE = f"""
    UPDATE messages SET queue = {sql_field(1)}, actor = {sql_field(2)}, priority = {sql_field(3)}, state = {sql_field(4)}, due = {sql_field(5)},
        token = 0, worker = '', deliveries = 0, interrupted = '', fault = coalesce({sql_field(6)}, fault), body = {BODY}
    FROM json_each(?1) WHERE seq = {sql_field(0)}
"""


def apply_dispositions(connection: sqlite3.Connection, plan: CommitPlan, now: int, known: set[str]) -> None:
    """Apply the dispositions of messages. *known* are queues that are in the table of queues."""
    if plan.buried:
        letters = [(seq, bury.fault.type, fault_to_json(bury.fault)) for seq, bury in plan.buried]
        connection.execute(BURY, (now, to_json(letters)))
    if gone := plan.done + [seq for seq, _ in plan.buried]:
        connection.execute(DELETE, (to_json(gone),))
    if plan.released:
        rows = [(seq, int(not release.counted), release.interrupted) for seq, release in plan.released]
        connection.execute(RELEASE, (to_json(rows),))
    if plan.rescheduled:
        list_queues(connection, {reschedule.op.queue_name for _, reschedule in plan.rescheduled}, known)
        _reschedule(connection, plan.rescheduled, now)


def apply_operations(connection: sqlite3.Connection, plan: CommitPlan, now: int, known: set[str]) -> bool:
    """Apply the operations, and return whether any message was enqueued as cancelled. *known* are queues that are in the table of queues."""
    store_results(connection, plan.store_ops, now)
    if not plan.operations:
        return False
    ops = _enqueue_ops(connection, plan.operations, now)
    if not any(is_cancelled for _, is_cancelled in ops):
        enqueue(connection, [op for op, _ in ops], now, known)
        return False
    placements = place(connection, [op for op, _ in ops], now, known)
    new = [placed.message_id for (_, is_cancelled), placed in zip(ops, placements, strict=True) if is_cancelled and placed.is_new]
    return bool(new and cancel(connection, new, now))


def _reschedule(connection: sqlite3.Connection, rescheduled: Sequence[tuple[int, Reschedule]], now: int) -> None:
    for rows, bodies in pack_rows((reschedule.op.body, _fields(seq, reschedule, now)) for seq, reschedule in rescheduled):
        connection.execute(RESCHEDULE, (rows, bodies))


def _fields(seq: int, reschedule: Reschedule, now: int) -> tuple[int | str | None, ...]:
    op = reschedule.op
    state = DELAYED if op.delay else READY
    fault = None if reschedule.fault is None else fault_to_json(reschedule.fault)
    return seq, op.queue_name, op.actor_name, op.priority, state, now + op.delay, fault


def _enqueue_ops(connection: sqlite3.Connection, operations: Sequence[tuple[Ordered, bool]], now: int) -> list[tuple[EnqueueOp, bool]]:
    """Return all messages to enqueue, in order, those that follow completed groups and marks included; each with: is it cancelled?"""
    completed = apply_arrivals(connection, [operation for operation, _ in operations if isinstance(operation, ArriveOp)], now)
    were_as_expected = set_marks(connection, [operation for operation, _ in operations if isinstance(operation, SetMarkOp)], now)
    return enqueue_ops(operations, completed, were_as_expected, now)
