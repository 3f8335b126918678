"""
Marks: small named records with an end, and the indexes that list them. Inside one transaction.

`set_marks` carries out any number of operations with a few statements: what each does is decided in order, and written together.
"""

import sqlite3
from collections.abc import Iterator, Sequence

from fq.brokers.planning.mark_sets import decide, in_parts
from fq.brokers.planning.states import NEVER
from fq.brokers.records import ANYTHING, Mark, SetMarkOp
from fq.brokers.sqlite.bulk_sql import BODY, from_json, pack_rows, split_bodies, sql_field, to_json

LIVE = "(until = 0 OR until > ?2)"

READ_BODIES = f"""
    SELECT json_group_array(json_array(marks.key, length(body))), CAST(group_concat(CAST(body AS TEXT), '') AS BLOB)
    FROM json_each(?1) CROSS JOIN marks WHERE marks.key = value AND {LIVE}
"""

READ_MARKS = f"""
    SELECT json_group_array(json_array(length(body), marks.key, until, list, place)), CAST(group_concat(CAST(body AS TEXT), '') AS BLOB)
    FROM json_each(?1) CROSS JOIN marks WHERE marks.key = value AND {LIVE}
"""

READ_LISTED = f"""
    SELECT json_group_array(json_array(length(body), key, until, list, place)), CAST(group_concat(CAST(body AS TEXT), '') AS BLOB)
    FROM (SELECT * FROM marks WHERE list = ?1 AND list <> '' AND {LIVE} AND {{}} ORDER BY {{}} LIMIT ?5)
"""

UPWARDS = READ_LISTED.format("(place, key) > (?3, ?4)", "place, key")
DOWNWARDS = READ_LISTED.format("(place, key) < (?3, ?4)", "place DESC, key DESC")

COUNT = "SELECT coalesce((SELECT count FROM mark_counts WHERE list = ?), 0)"

SET = f"""
    INSERT INTO marks (key, until, list, place, body)
    SELECT {", ".join(map(sql_field, range(4)))}, {BODY} FROM json_each(?1) WHERE true
    ON CONFLICT (key) DO UPDATE SET until = excluded.until, list = excluded.list, place = excluded.place, body = excluded.body
"""

MOVED_DOWN = """
    SELECT json_group_array(key) FROM (
        SELECT marks.key FROM json_each(?1) CROSS JOIN marks
        WHERE marks.key = json_extract(value, '$[0]') AND list = json_extract(value, '$[1]') AND place > json_extract(value, '$[2]'))
"""

DELETE = "DELETE FROM marks WHERE key IN (SELECT value FROM json_each(?))"

TRIM = """
    DELETE FROM marks WHERE key IN (
        SELECT key FROM marks WHERE list = ?1 AND list <> '' ORDER BY place, key
        LIMIT max(0, coalesce((SELECT count FROM mark_counts WHERE list = ?1), 0) - ?2))
"""


def set_marks(connection: sqlite3.Connection, ops: Sequence[SetMarkOp], now: int) -> list[bool]:
    """Set the marks of *ops*, in order, and return for each whether its mark was as expected. What comes *then* is left to the caller."""
    done: list[bool] = []
    for part in in_parts(ops, _moved_down(connection, ops)):
        done += _set(connection, part, now)
    return done


def _moved_down(connection: sqlite3.Connection, ops: Sequence[SetMarkOp]) -> set[str]:
    """
    Return the keys that *ops* move down in an index with a bound.

    Before such an op the index must be cut. Later, the cut would take the mark that has moved in the place of one that had to go before.
    """
    bounded = [(op.key, op.index, op.order) for op in ops if op.most and op.body is not None]
    if len(bounded) < 2:
        return set()
    return set(from_json(connection.execute(MOVED_DOWN, (to_json(bounded),)).fetchone()[0]))


def _set(connection: sqlite3.Connection, ops: Sequence[SetMarkOp], now: int) -> list[bool]:
    asked = [op.key for op in ops if op.expected != ANYTHING]
    done, latest = decide(ops, dict(_bodies(connection, asked, now)) if asked else {})
    _write(connection, latest, now)
    return done


def _write(connection: sqlite3.Connection, ops: Sequence[SetMarkOp], now: int) -> None:
    if deleted := [op.key for op in ops if op.body is None]:
        connection.execute(DELETE, (to_json(deleted),))
    rows = [(op.body, (op.key, now + op.ttl if op.ttl else 0, op.index, op.order)) for op in ops if op.body is not None]
    for packed, bodies in pack_rows(rows):
        connection.execute(SET, (packed, bodies))
    for index, most in {op.index: op.most for op in ops if op.body is not None and op.index and op.most}.items():
        connection.execute(TRIM, (index, most))


def _bodies(connection: sqlite3.Connection, keys: Sequence[str], now: int) -> Iterator[tuple[str, bytes]]:
    found, bodies = connection.execute(READ_BODIES, (to_json(keys), now)).fetchone()
    rows = from_json(found)
    return zip([key for key, _ in rows], split_bodies(bodies or b"", [size for _, size in rows]), strict=True)


def read_marks(connection: sqlite3.Connection, keys: Sequence[str], now: int) -> dict[str, Mark]:
    """Return those marks of *keys* that exist."""
    found = connection.execute(READ_MARKS, (to_json(list(keys)), now)).fetchone()
    return {mark.key: mark for mark in _marks(*found)}


def marks_in(
    connection: sqlite3.Connection, index: str, after: tuple[int, str] | None, limit: int, latest_first: bool, now: int
) -> tuple[Mark, ...]:
    """See `MarkStore.marks_in`."""
    statement, first = (DOWNWARDS, (NEVER, "")) if latest_first else (UPWARDS, (-1, ""))
    return tuple(_marks(*connection.execute(statement, (index, now, *(after or first), limit)).fetchone()))


def count_marks(connection: sqlite3.Connection, index: str) -> int:
    """See `MarkStore.count_marks`."""
    (count,) = connection.execute(COUNT, (index,)).fetchone()
    return int(count)


def _marks(found: str, bodies: bytes | None) -> Iterator[Mark]:
    rows = from_json(found)
    for (_, key, until, index, order), body in zip(rows, split_bodies(bodies or b"", [row[0] for row in rows]), strict=True):
        yield Mark(key, body, until, index, order)
