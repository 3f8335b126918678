"""Enqueueing messages and storing results: one statement for any number. Inside one transaction."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import TypeVar

from fq.brokers.postgres.arrays import Packed, bigints, byteas, integers, smallints, texts
from fq.brokers.postgres.transaction import Transaction
from fq.brokers.records import OPEN_GROUP_TTL_MS, EnqueueOp, StoreResultOp

T = TypeVar("T")

ARRAYS = "%s::text[], %s::text[], %s::text[], %s::int[], %s::bigint[], %s::smallint[], %s::bytea[]"

PUT = f"SELECT fq.put({ARRAYS}, %s)"

ENQUEUE = f"SELECT fq.enqueue({ARRAYS})"
"""Sends: a transaction of its own in one statement."""

ENQUEUE_ONE = "SELECT fq.enqueue_one(%s, %s, %s, %s::int, %s, %s)"
"""A send: the same."""

LIST_QUEUES = "SELECT fq.list_queues(%s::text[])"

STORE_RESULTS = "SELECT fq.store_results(%s::text[], %s::bigint[], %s::bytea[], %s)"

HOLD_RESULTS = """
    UPDATE fq.results r SET until = %s + greatest(t.ttl, %s), ttl = t.ttl, hold = t.hold
    FROM unnest(%s::text[], %s::bigint[], %s::text[]) AS t (id, ttl, hold) WHERE r.message_id = t.id
    AND NOT EXISTS (SELECT 1 FROM fq.groups g WHERE g.name = t.hold AND g.flags & 1 = 1 AND g.until > %s)
"""

RELEASE_RESULTS = "UPDATE fq.results SET until = %s + ttl, hold = '', ttl = 0 WHERE hold <> '' AND hold = ANY (%s::text[]) AND until > %s"

ASIDE = -1
"""The delay of a message that is put aside: it has no end."""

KEYED_BY_END = {None: 0, "end": 1, "start": 2}


def columns(ops: Sequence[tuple[EnqueueOp, bool]]) -> tuple[Packed, ...]:
    """Return *ops*, each with: is it put aside?, as the arrays that ``fq.put`` takes."""
    return (
        texts([op.message_id for op, _ in ops]),
        texts(_shared([op.queue_name for op, _ in ops])),
        texts(_shared([op.actor_name for op, _ in ops])),
        integers(_shared([op.priority for op, _ in ops])),
        bigints(_shared([ASIDE if is_aside else op.delay for op, is_aside in ops])),
        smallints(_shared([KEYED_BY_END[None if op.unique is None else op.unique.until] for op, _ in ops])),
        byteas([op.body for op, _ in ops]),
    )


def _shared(values: list[T]) -> list[T]:
    """Return the one value that all *values* are, if they are equal; else all of them."""
    return values[:1] if values and values.count(values[0]) == len(values) else values


def enqueue_plainly(tx: Transaction, ops: Sequence[EnqueueOp]) -> list[str]:
    """Put messages without unique keys on their queues, wake the workers, and return the ids of the new ones. A transaction of its own."""
    if len(ops) > 1:
        return list(tx.row(ENQUEUE, *columns([(op, False) for op in ops]))[0])
    (op,) = ops
    (is_new,) = tx.row(ENQUEUE_ONE, op.message_id, op.queue_name, op.actor_name, op.priority, op.delay, op.body)
    return [op.message_id] if is_new else []


def insert(tx: Transaction, ops: Sequence[tuple[EnqueueOp, bool]]) -> None:
    """Put messages on their queues, each with: is it put aside?, except those that wait or run already."""
    list_queues(tx, {op.queue_name for op, _ in ops})
    tx.run(PUT, *columns(ops), tx.now)


def list_queues(tx: Transaction, queues: AbstractSet[str]) -> None:
    """Add *queues* to the table of queues."""
    tx.run(LIST_QUEUES, sorted(queues))


def store_results(tx: Transaction, store_ops: Sequence[StoreResultOp]) -> None:
    """Store results; a later result of a message replaces an earlier one."""
    if not store_ops:
        return
    tx.run(STORE_RESULTS, [op.message_id for op in store_ops], [op.ttl for op in store_ops], [op.body for op in store_ops], tx.now)
    held = [op for op in {op.message_id: op for op in store_ops}.values() if op.hold]
    if held:
        names = [op.message_id for op in held], [op.ttl for op in held], [op.hold for op in held]
        tx.run(HOLD_RESULTS, tx.now, OPEN_GROUP_TTL_MS, *names, tx.now)


def release_results(tx: Transaction, groups: AbstractSet[str]) -> None:
    """Start the ttl of the results that wait for *groups*."""
    if groups:
        tx.run(RELEASE_RESULTS, tx.now, sorted(groups), tx.now)
