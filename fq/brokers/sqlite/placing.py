"""Enqueueing messages of which some have unique keys, or whose caller wants to know which are new. Inside one transaction."""

import sqlite3
from collections.abc import Sequence
from operator import attrgetter

from attrs import evolve

from fq.brokers.planning.states import NEVER
from fq.brokers.planning.unique_keys import KeyTable, place_all
from fq.brokers.records import EnqueueOp, Placement, new_placement
from fq.brokers.sqlite.cancellation import unknown_ids
from fq.brokers.sqlite.enqueue import insert
from fq.brokers.sqlite.unique_keys import read_keys, write_keys

_unique = attrgetter("unique")


def enqueue(connection: sqlite3.Connection, ops: Sequence[EnqueueOp], now: int, known: set[str]) -> int:
    """Put messages on their queues, and return how many are new. *known* are queues that are in the table of queues."""
    if (len(ops) != 1 or ops[0].unique is not None) and has_unique(ops):
        return sum(placement.is_new for placement in place(connection, ops, now, known))
    return insert(connection, ops, now, known)


def has_unique(ops: Sequence[EnqueueOp]) -> bool:
    """Has any of *ops* a unique key?"""
    return any(map(_unique, ops))


def place(connection: sqlite3.Connection, ops: Sequence[EnqueueOp], now: int, known: set[str]) -> tuple[Placement, ...]:
    """Put messages on their queues, and say which message stands for each. *known* are queues that are in the table of queues."""
    if len(ops) == 1 and ops[0].unique is None:
        return (new_placement(ops[0].message_id, insert(connection, ops, now, known) > 0),)
    keys = [op.unique.key for op in ops if op.unique is not None]
    table = read_keys(connection, keys, now) if keys else KeyTable(now, {})
    placements, new = place_all(ops, table, unknown_ids(connection, [op.message_id for op in ops]))
    if new:
        insert(connection, [evolve(op, delay=NEVER - now) if is_aside else op for op, is_aside in new], now, known)
    write_keys(connection, table)
    return tuple(placements)
