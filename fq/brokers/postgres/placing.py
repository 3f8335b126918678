"""Enqueueing messages of which some have unique keys, or whose caller wants to know which are new. In a transaction that is alone."""

from collections.abc import Sequence

from fq.brokers.planning.unique_keys import KeyTable, place_all
from fq.brokers.postgres.enqueue import insert
from fq.brokers.postgres.transaction import Transaction
from fq.brokers.postgres.unique_keys import read_keys, write_keys
from fq.brokers.records import EnqueueOp, Placement

UNKNOWN = "SELECT id FROM unnest(%s::text[]) AS id WHERE NOT EXISTS (SELECT 1 FROM fq.messages WHERE message_id = id)"


def has_unique(ops: Sequence[EnqueueOp]) -> bool:
    """Has any of *ops* a unique key?"""
    return any(op.unique is not None for op in ops)


def place(tx: Transaction, ops: Sequence[EnqueueOp]) -> tuple[Placement, ...]:
    """Put messages on their queues, and say which message stands for each."""
    keys = [op.unique.key for op in ops if op.unique is not None]
    asked = tx.ask(UNKNOWN, [op.message_id for op in ops])
    table = read_keys(tx, keys) if keys else KeyTable(tx.now, {})
    placements, new = place_all(ops, table, {name for (name,) in asked.fetchall()})
    if new:
        insert(tx, new)
    write_keys(tx, table)
    return tuple(placements)


def placed_plainly(ops: Sequence[EnqueueOp], new: Sequence[str]) -> tuple[Placement, ...]:
    """Return which message stands for each of *ops*, which have no unique keys; the ids in *new* were new."""
    left = set(new)
    placements = []
    for op in ops:
        placements.append(Placement(op.message_id, op.message_id in left))
        left.discard(op.message_id)
    return tuple(placements)
