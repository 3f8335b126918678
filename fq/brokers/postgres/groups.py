"""Groups: `apply_arrivals` reads their state, and writes what `plan_arrivals` returns. In a transaction that is alone."""

from collections.abc import Iterable, Mapping, Sequence

from fq.brokers.planning.groups import CANCELLED, COMPLETE, Arrivals, CompletedGroup, Progress, plan_arrivals
from fq.brokers.postgres.enqueue import release_results
from fq.brokers.postgres.transaction import Transaction
from fq.brokers.records import OPEN_GROUP_TTL_MS, ArriveOp, DeferredEnqueue, EnqueueOp

_EXPIRED = "(SELECT name FROM fq.groups WHERE until <= %s AND name = ANY (%s::text[]))"

FORGET = (
    f"DELETE FROM fq.members WHERE group_name IN {_EXPIRED}",
    f"DELETE FROM fq.followups WHERE group_name IN {_EXPIRED}",
    "DELETE FROM fq.groups WHERE until <= %s AND name = ANY (%s::text[])",
)

READ_GROUPS = "SELECT name, arrived, flags, until FROM fq.groups WHERE name = ANY (%s::text[])"

READ_KEPT = "SELECT DISTINCT group_name FROM fq.followups WHERE group_name = ANY (%s::text[])"

READ_PRESENT = """
    SELECT m.group_name, m.member FROM unnest(%s::text[], %s::int[]) AS t (name, member)
    JOIN fq.members m ON m.group_name = t.name AND m.member = t.member
"""

WRITE_MEMBERS = "INSERT INTO fq.members (group_name, member, value) SELECT * FROM unnest(%s::text[], %s::int[], %s::bytea[])"

WRITE_GROUPS = """
    INSERT INTO fq.groups (name, arrived, flags, until) SELECT * FROM unnest(%s::text[], %s::int[], %s::smallint[], %s::bigint[])
    ON CONFLICT (name) DO UPDATE SET arrived = excluded.arrived, flags = excluded.flags, until = excluded.until
"""

CANCEL_GROUPS = f"""
    INSERT INTO fq.groups AS g (name, arrived, flags, until) SELECT DISTINCT name, 0, {CANCELLED}, %s::bigint FROM unnest(%s::text[]) AS t (name)
    ON CONFLICT (name) DO UPDATE SET flags = g.flags | {CANCELLED}
"""

TAKE_VALUES = "DELETE FROM fq.members WHERE group_name = %s RETURNING member, value"

WRITE_FOLLOWUPS = """
    INSERT INTO fq.followups (group_name, number, message_id, queue, actor, priority, delay, head, tail, rest)
    SELECT * FROM unnest(%s::text[], %s::int[], %s::text[], %s::text[], %s::text[], %s::int[], %s::bigint[], %s::bytea[], %s::bytea[], %s::bytea[])
"""

TAKE_FOLLOWUPS = """
    DELETE FROM fq.followups WHERE group_name = %s RETURNING number, message_id, queue, actor, priority, delay, head, tail, rest
"""


def cancel_groups(tx: Transaction, groups: Sequence[str]) -> None:
    """Cancel what follows those of *groups* that are not complete."""
    names = list(groups)
    _forget(tx, names)
    tx.run(CANCEL_GROUPS, tx.now + OPEN_GROUP_TTL_MS, names)


def _forget(tx: Transaction, names: list[str]) -> None:
    for statement in FORGET:
        tx.run(statement, tx.now, names)


def apply_arrivals(tx: Transaction, arrive_ops: Sequence[ArriveOp]) -> dict[int, CompletedGroup]:
    """Let members arrive, and return the groups that they complete, by the position of the operation that completes each."""
    if not arrive_ops:
        return {}
    names = sorted({arrive_op.group for arrive_op in arrive_ops})
    _forget(tx, names)
    groups = tx.ask(READ_GROUPS, names)
    members = tx.ask(READ_PRESENT, [arrive_op.group for arrive_op in arrive_ops], [arrive_op.member for arrive_op in arrive_ops])
    known = {
        name: Progress(arrived, bool(flags & COMPLETE), until, bool(flags & CANCELLED)) for name, arrived, flags, until in groups.fetchall()
    }
    present = {(name, member) for name, member in members.fetchall()}
    arrivals = plan_arrivals(arrive_ops, known, present, tx.now)
    write_members(tx, ((op.group, op.member, op.value) for op in arrivals.counted))
    write_groups(tx, arrivals.groups)
    brought = _brought(tx, arrivals.counted, names)
    complete = {arrive_ops[position].group for position in arrivals.last}
    store_followups(tx, ((group, then) for group, then in brought.items() if group not in complete))
    release_results(tx, complete | arrivals.alone)
    return {position: _completed(tx, arrive_ops[position], brought, arrivals) for position in arrivals.last}


def write_members(tx: Transaction, members: Iterable[tuple[str, int, bytes]]) -> None:
    """Write *members*, each with its group, number and value."""
    if rows := list(members):
        tx.run(WRITE_MEMBERS, *(list(column) for column in zip(*rows, strict=True)))


def write_groups(tx: Transaction, groups: Mapping[str, Progress]) -> None:
    """Write the state of *groups*."""
    if groups:
        flags = [COMPLETE * group.complete + CANCELLED * group.cancelled for group in groups.values()]
        values = groups.values()
        tx.run(WRITE_GROUPS, list(groups), [group.arrived for group in values], flags, [group.until for group in values])


def _brought(tx: Transaction, counted: Sequence[ArriveOp], names: list[str]) -> dict[str, tuple[DeferredEnqueue, ...]]:
    """Return what follows groups that had nothing stored, from the first of the *counted* operations that has it."""
    bringing = [arrive_op for arrive_op in reversed(counted) if arrive_op.then]
    if not bringing:
        return {}
    kept = set(tx.column(READ_KEPT, names))
    return {arrive_op.group: arrive_op.then for arrive_op in bringing if arrive_op.group not in kept}


def _completed(
    tx: Transaction, arrive_op: ArriveOp, brought: Mapping[str, tuple[DeferredEnqueue, ...]], arrivals: Arrivals
) -> CompletedGroup:
    taking = tx.ask(TAKE_VALUES, arrive_op.group)
    kept = take_followups(tx, arrive_op.group)
    then = arrive_op.then or kept or brought.get(arrive_op.group, ())
    values = [value for _, value in sorted(taking.fetchall())]
    return CompletedGroup(values, then, arrivals.groups.get(arrive_op.group, Progress()).cancelled)


def store_followups(tx: Transaction, followups: Iterable[tuple[str, tuple[DeferredEnqueue, ...]]]) -> None:
    """Store what follows groups, given by group. Nothing may be stored for them yet."""
    rows = [
        (
            group,
            number,
            each.op.message_id,
            each.op.queue_name,
            each.op.actor_name,
            each.op.priority,
            each.op.delay,
            each.head,
            each.tail,
            each.rest,
        )
        for group, then in followups
        for number, each in enumerate(then)
    ]
    if rows:
        tx.run(WRITE_FOLLOWUPS, *(list(column) for column in zip(*rows, strict=True)))


def take_followups(tx: Transaction, group: str) -> tuple[DeferredEnqueue, ...]:
    """Return what follows *group*, and delete it."""
    return tuple(
        DeferredEnqueue(EnqueueOp(message_id, queue, actor, priority, delay, b""), head, tail, rest)
        for _, message_id, queue, actor, priority, delay, head, tail, rest in sorted(tx.rows(TAKE_FOLLOWUPS, group))
    )
