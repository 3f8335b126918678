"""
Groups: which members have arrived, and what to enqueue when all have.

`apply_arrivals` reads the state of the groups, and writes what `plan_arrivals` returns, for all arrivals of a turn together.
"""

import sqlite3
from collections.abc import Mapping, Sequence

from fq.brokers.planning.groups import CANCELLED, COMPLETE, Arrivals, CompletedGroup, Progress, plan_arrivals
from fq.brokers.records import OPEN_GROUP_TTL_MS, ArriveOp, DeferredEnqueue
from fq.brokers.sqlite.bulk_sql import BODY, from_json, pack_rows, split_bodies, sql_field, to_json
from fq.brokers.sqlite.enqueue import release_results
from fq.brokers.sqlite.group_followups import store_followups, take_followups

_OF_NAMES = "IN (SELECT value FROM json_each(?))"

FORGET_MEMBERS = f"DELETE FROM members WHERE group_name IN (SELECT name FROM groups WHERE until <= ? AND name {_OF_NAMES})"
FORGET_FOLLOWUPS = f"DELETE FROM followups WHERE group_name IN (SELECT name FROM groups WHERE until <= ? AND name {_OF_NAMES})"
FORGET_GROUPS = f"DELETE FROM groups WHERE until <= ? AND name {_OF_NAMES}"

READ_GROUPS = f"SELECT json_group_array(json_array(name, arrived, complete, until)) FROM groups WHERE name {_OF_NAMES}"

READ_KEPT = f"SELECT json_group_array(DISTINCT group_name) FROM followups WHERE group_name {_OF_NAMES}"

READ_PRESENT = """
    SELECT json_group_array(json_array(group_name, member)) FROM json_each(?) CROSS JOIN members
    WHERE group_name = json_extract(json_each.value, '$[0]') AND member = json_extract(json_each.value, '$[1]')
"""

WRITE_MEMBERS = f"INSERT INTO members (group_name, member, value) SELECT {sql_field(0)}, {sql_field(1)}, {BODY} FROM json_each(?1)"

WRITE_GROUPS = """
    INSERT INTO groups (name, arrived, complete, until)
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'), json_extract(value, '$[3]') FROM json_each(?) WHERE true
    ON CONFLICT (name) DO UPDATE SET arrived = excluded.arrived, complete = excluded.complete, until = excluded.until
"""

CANCEL_GROUPS = f"""
    INSERT INTO groups (name, arrived, complete, until) SELECT value, 0, {CANCELLED}, ? FROM json_each(?) WHERE true
    ON CONFLICT (name) DO UPDATE SET complete = complete | {CANCELLED}
"""

READ_VALUES = """
    SELECT json_group_array(length(value)), CAST(group_concat(CAST(value AS TEXT), '') AS BLOB)
    FROM (SELECT value FROM members WHERE group_name = ? ORDER BY member)
"""


def cancel_groups(connection: sqlite3.Connection, groups: Sequence[str], now: int) -> None:
    """Cancel what follows those of *groups* that are not complete."""
    names = to_json(list(groups))
    _forget(connection, names, now)
    connection.execute(CANCEL_GROUPS, (now + OPEN_GROUP_TTL_MS, names))


def _forget(connection: sqlite3.Connection, names: str, now: int) -> None:
    connection.execute(FORGET_MEMBERS, (now, names))
    connection.execute(FORGET_FOLLOWUPS, (now, names))
    connection.execute(FORGET_GROUPS, (now, names))


def apply_arrivals(connection: sqlite3.Connection, arrive_ops: Sequence[ArriveOp], now: int) -> dict[int, CompletedGroup]:
    """Let members arrive, and return the groups that they complete, by the position of the operation that completes each."""
    if not arrive_ops:
        return {}
    names = to_json(sorted({arrive_op.group for arrive_op in arrive_ops}))
    _forget(connection, names, now)
    groups, present = _read(connection, arrive_ops, names)
    arrivals = plan_arrivals(arrive_ops, groups, present, now)
    for rows, values in pack_rows((arrive_op.value, (arrive_op.group, arrive_op.member)) for arrive_op in arrivals.counted):
        connection.execute(WRITE_MEMBERS, (rows, values))
    rows = to_json([(name, group.arrived, _state(group), group.until) for name, group in arrivals.groups.items()])
    connection.execute(WRITE_GROUPS, (rows,))
    brought = _brought(connection, arrivals.counted, names)
    complete = {arrive_ops[position].group for position in arrivals.last}
    store_followups(connection, ((group, then) for group, then in brought.items() if group not in complete))
    release_results(connection, complete | arrivals.alone, now)
    return {position: _completed(connection, arrive_ops[position], brought, arrivals) for position in arrivals.last}


def _state(group: Progress) -> int:
    return COMPLETE * group.complete + CANCELLED * group.cancelled


def _brought(connection: sqlite3.Connection, counted: Sequence[ArriveOp], names: str) -> dict[str, tuple[DeferredEnqueue, ...]]:
    """Return what follows groups that had nothing stored, from the first of the *counted* operations that has it."""
    bringing = [arrive_op for arrive_op in reversed(counted) if arrive_op.then]
    if not bringing:
        return {}
    kept = set(from_json(connection.execute(READ_KEPT, (names,)).fetchone()[0]))
    return {arrive_op.group: arrive_op.then for arrive_op in bringing if arrive_op.group not in kept}


def _completed(
    connection: sqlite3.Connection, arrive_op: ArriveOp, brought: Mapping[str, tuple[DeferredEnqueue, ...]], arrivals: Arrivals
) -> CompletedGroup:
    kept = take_followups(connection, arrive_op.group)
    then = arrive_op.then or kept or brought.get(arrive_op.group, ())
    return CompletedGroup(_take_values(connection, arrive_op.group), then, arrivals.groups.get(arrive_op.group, Progress()).cancelled)


def _read(connection: sqlite3.Connection, arrive_ops: Sequence[ArriveOp], names: str) -> tuple[dict[str, Progress], set[tuple[str, int]]]:
    (groups,) = connection.execute(READ_GROUPS, (names,)).fetchone()
    (present,) = connection.execute(READ_PRESENT, (to_json([(arrive_op.group, arrive_op.member) for arrive_op in arrive_ops]),)).fetchone()
    known = {
        name: Progress(arrived, bool(state & COMPLETE), until, bool(state & CANCELLED)) for name, arrived, state, until in from_json(groups)
    }
    return known, {(name, member) for name, member in from_json(present)}


def _take_values(connection: sqlite3.Connection, group: str) -> list[bytes]:
    sizes, values = connection.execute(READ_VALUES, (group,)).fetchone()
    connection.execute("DELETE FROM members WHERE group_name = ?", (group,))
    return list(split_bodies(values or b"", from_json(sizes)))
