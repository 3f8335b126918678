"""Marks: small named records with an end, and the indexes that list them. Those that set marks run in a transaction that is alone."""

from collections.abc import Sequence

from fq.brokers.planning.mark_sets import decide, in_parts
from fq.brokers.planning.states import NEVER
from fq.brokers.postgres.transaction import Transaction
from fq.brokers.records import ANYTHING, Mark, SetMarkOp

LIVE = "(until = 0 OR until > %s)"

READ_BODIES = f"SELECT key, body FROM fq.marks WHERE key = ANY (%s::text[]) AND {LIVE}"

READ_MARKS = f"SELECT key, body, until, list, place FROM fq.marks WHERE key = ANY (%s::text[]) AND {LIVE}"

_LISTED = f"SELECT key, body, until, list, place FROM fq.marks WHERE list = %s AND list <> '' AND {LIVE}"

UPWARDS = f"{_LISTED} AND (place, key) > (%s, %s) ORDER BY place, key LIMIT %s"

DOWNWARDS = f"{_LISTED} AND (place, key) < (%s, %s) ORDER BY place DESC, key DESC LIMIT %s"

COUNT = "SELECT count(*) FROM fq.marks WHERE list = %s AND list <> ''"

SET = """
    INSERT INTO fq.marks (key, until, list, place, body) SELECT * FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::bigint[], %s::bytea[])
    ON CONFLICT (key) DO UPDATE SET until = excluded.until, list = excluded.list, place = excluded.place, body = excluded.body
"""

MOVED_DOWN = """
    SELECT m.key FROM unnest(%s::text[], %s::text[], %s::bigint[]) AS t (key, list, place)
    JOIN fq.marks m ON m.key = t.key AND m.list = t.list AND m.place > t.place
"""

DELETE = "DELETE FROM fq.marks WHERE key = ANY (%s::text[])"

TRIM = """
    DELETE FROM fq.marks WHERE key IN (
        SELECT key FROM fq.marks WHERE list = %s AND list <> '' ORDER BY place, key
        LIMIT greatest(0, (SELECT count(*) FROM fq.marks WHERE list = %s AND list <> '') - %s))
"""


def set_marks(tx: Transaction, ops: Sequence[SetMarkOp]) -> list[bool]:
    """Set the marks of *ops*, in order, and return for each whether its mark was as expected. What comes *then* is left to the caller."""
    done: list[bool] = []
    for part in in_parts(ops, _moved_down(tx, ops)):
        asked = [op.key for op in part if op.expected != ANYTHING]
        as_expected, latest = decide(part, dict(tx.rows(READ_BODIES, asked, tx.now)) if asked else {})
        _write(tx, latest)
        done += as_expected
    return done


def _moved_down(tx: Transaction, ops: Sequence[SetMarkOp]) -> set[str]:
    """Return the keys that *ops* move down in an index with a bound. Before such an op the index must be cut."""
    bounded = [(op.key, op.index, op.order) for op in ops if op.most and op.body is not None]
    if len(bounded) < 2:
        return set()
    return set(tx.column(MOVED_DOWN, *(list(column) for column in zip(*bounded, strict=True))))


def _write(tx: Transaction, ops: Sequence[SetMarkOp]) -> None:
    if deleted := [op.key for op in ops if op.body is None]:
        tx.run(DELETE, deleted)
    kept = [(op.key, tx.now + op.ttl if op.ttl else 0, op.index, op.order, op.body) for op in ops if op.body is not None]
    if kept:
        tx.run(SET, *(list(column) for column in zip(*kept, strict=True)))
    for index, most in {op.index: op.most for op in ops if op.body is not None and op.index and op.most}.items():
        tx.run(TRIM, index, index, most)


def read_marks(tx: Transaction, keys: Sequence[str]) -> dict[str, Mark]:
    """Return those marks of *keys* that exist."""
    return {row[0]: Mark(*row) for row in tx.rows(READ_MARKS, list(keys), tx.now)}


def marks_in(tx: Transaction, index: str, after: tuple[int, str] | None, limit: int, latest_first: bool) -> tuple[Mark, ...]:
    """See `MarkStore.marks_in`."""
    statement, first = (DOWNWARDS, (NEVER, "")) if latest_first else (UPWARDS, (-NEVER, ""))
    return tuple(Mark(*row) for row in tx.rows(statement, index, tx.now, *(after or first), limit))


def count_marks(tx: Transaction, index: str) -> int:
    """See `MarkStore.count_marks`."""
    return int(tx.row(COUNT, index)[0])
