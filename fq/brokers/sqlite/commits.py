"""
Commits: `plan_commits`, a pure function, finds the stale ones and sorts the others by what they do; `apply_dispositions` and `apply_operations` do it.

Each kind takes one statement. Dispositions come first, then operations, in the order of the commits.
"""

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence

from attrs import define, evolve, field

from fq.brokers.records import Ack, ArriveOp, Bury, Commit, EnqueueOp, Release, Reschedule, StoreResultOp
from fq.brokers.sqlite.bulk_sql import BODY, pack_rows, sql_field, to_json
from fq.brokers.sqlite.cancellation import cancel, unknown_ids
from fq.brokers.sqlite.enqueue import insert, list_queues, store_results
from fq.brokers.sqlite.groups import apply_arrivals
from fq.brokers.sqlite.schema import DELAYED, READY
from fq.brokers.validation import resolve_deferred
from fq.core.fault import Fault

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


@define
class CommitPlan:
    """
    Mutable while it is made: what the commits of a turn do. Messages are named by their ``seq``.

    *ended* are the ids of those cancelled messages that are done or dead. Each of the *operations* comes with: does it continue a cancelled workflow?
    """

    stale: list[str] = field(factory=list)
    done: list[int] = field(factory=list)
    buried: list[tuple[int, Bury]] = field(factory=list)
    released: list[tuple[int, Release]] = field(factory=list)
    rescheduled: list[tuple[int, Reschedule]] = field(factory=list)
    ended: list[str] = field(factory=list)
    store_ops: list[StoreResultOp] = field(factory=list)
    operations: list[tuple[EnqueueOp | ArriveOp, bool]] = field(factory=list)


def plan_commits(commits: Iterable[Commit], running: Mapping[str, tuple[int, int]], cancelled: Collection[str] = ()) -> CommitPlan:
    """
    Plan *commits*, given the token and the ``seq`` of the *running* messages, and which of these are *cancelled*.

    The second of two commits of one message is stale.
    """
    left = dict(running)
    result = CommitPlan()
    for commit in commits:
        token, seq = left.get(commit.message_id, (0, 0))
        if not token or token != commit.token:
            result.stale.append(commit.message_id)
            continue
        del left[commit.message_id]
        if cancelled and commit.message_id in cancelled and isinstance(commit.disposition, Ack | Bury):
            result.ended.append(commit.message_id)
        match commit.disposition:
            case Ack():
                result.done.append(seq)
            case Bury() as bury:
                result.buried.append((seq, bury))
            case Release() as release:
                result.released.append((seq, release))
            case Reschedule() as reschedule:
                result.rescheduled.append((seq, reschedule))
        for operation in commit.operations:
            if isinstance(operation, StoreResultOp):
                result.store_ops.append(operation)
            else:
                is_cancelled = isinstance(operation, EnqueueOp) and operation.continues and commit.message_id in cancelled
                result.operations += [(each, is_cancelled) for each in _in_order(operation, left)]
    return result


def _in_order(operation: EnqueueOp | ArriveOp, running: Collection[str]) -> list[EnqueueOp | ArriveOp]:
    """
    Return *operation* without enqueues that change nothing: of messages that are *running* still, and end only with a later commit of the same turn.

    The statement cannot find them, since all dispositions are applied before all operations.
    """
    if isinstance(operation, EnqueueOp):
        return [] if operation.message_id in running else [operation]
    if any(deferred.op.message_id in running for deferred in operation.then):
        return [evolve(operation, then=tuple(deferred for deferred in operation.then if deferred.op.message_id not in running))]
    return [operation]


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
    first = {op.message_id: is_cancelled for op, is_cancelled in reversed(ops)}
    cancelled = [message_id for message_id, is_cancelled in first.items() if is_cancelled]
    new = unknown_ids(connection, cancelled) if cancelled else ()
    insert(connection, [op for op, _ in ops], now, known)
    return bool(new and cancel(connection, new, now))


def _reschedule(connection: sqlite3.Connection, rescheduled: Sequence[tuple[int, Reschedule]], now: int) -> None:
    for rows, bodies in pack_rows((reschedule.op.body, _fields(seq, reschedule, now)) for seq, reschedule in rescheduled):
        connection.execute(RESCHEDULE, (rows, bodies))


def _fields(seq: int, reschedule: Reschedule, now: int) -> tuple[int | str | None, ...]:
    op = reschedule.op
    state = DELAYED if op.delay else READY
    fault = None if reschedule.fault is None else fault_to_json(reschedule.fault)
    return seq, op.queue_name, op.actor_name, op.priority, state, now + op.delay, fault


def _enqueue_ops(
    connection: sqlite3.Connection, operations: Sequence[tuple[EnqueueOp | ArriveOp, bool]], now: int
) -> list[tuple[EnqueueOp, bool]]:
    """Return all messages to enqueue, in order, those that follow completed groups included; each with: is it cancelled?"""
    arrive_ops = [operation for operation, _ in operations if isinstance(operation, ArriveOp)]
    completed = apply_arrivals(connection, arrive_ops, now)
    positions = iter(range(len(arrive_ops)))
    ops: list[tuple[EnqueueOp, bool]] = []
    for operation, is_cancelled in operations:
        if isinstance(operation, EnqueueOp):
            ops.append((operation, is_cancelled))
        elif (position := next(positions)) in completed:
            group = completed[position]
            ops += [(resolve_deferred(deferred, group.values, now), group.cancelled) for deferred in group.then]
    return ops


def fault_to_json(fault: Fault) -> str:
    """Return *fault* as the table stores it: in ASCII, so that no character of an error makes trouble."""
    return json.dumps(fault.as_json())


def fault_from_json(text: str | None) -> Fault | None:
    """Return the fault that the table stores as *text*."""
    return None if text is None else Fault.from_json(json.loads(text))
