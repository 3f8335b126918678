"""
`apply_commits`: all commits of a turn, in one part, or in several where the order matters.

In a part, all dispositions come first, then all operations. So an operation could find a unique key free that only a later commit frees; then that commit
begins another part.
"""

import sqlite3
from collections.abc import Iterator, Sequence

from attrs import define, field

from fq.brokers.planning.commits import CommitPlan, asks_for_keys, in_parts, plan_commits
from fq.brokers.records import Commit, StoreResultOp
from fq.brokers.sqlite.cancellation import cancel, cancelled_among, unmark_ended
from fq.brokers.sqlite.claims import TurnSnapshot
from fq.brokers.sqlite.commits import apply_dispositions, apply_operations
from fq.brokers.sqlite.unique_keys import free_keys, read_keys_of


@define
class AppliedCommits:
    """Mutable while it is made: the ids of *stale* commits, the stored results, and what there may be after the commits."""

    has_cancelled: bool
    has_keys: bool
    stale: list[str] = field(factory=list)
    store_ops: list[StoreResultOp] = field(factory=list)


def apply_commits(
    connection: sqlite3.Connection, commits: Sequence[Commit], snapshot: TurnSnapshot, now: int, known: set[str]
) -> AppliedCommits:
    """Apply those of *commits* that are not stale. *known* are queues that are in the table of queues."""
    result = AppliedCommits(snapshot.has_cancelled, snapshot.has_keys)
    cancelled = cancelled_among(connection, snapshot.running) if snapshot.has_cancelled else set[str]()
    left = dict(snapshot.running)
    for plan in _plans(connection, commits, snapshot, left, cancelled, now):
        apply_dispositions(connection, plan, now, known)
        if snapshot.has_keys:
            free_keys(connection, plan.ended, now)
        if cancelled:
            cancel(connection, cancelled.difference(plan.ended, left), now)  # what was rescheduled is ready at once
            unmark_ended(connection, cancelled.intersection(plan.ended))
            cancelled.difference_update(plan.ended)
        result.has_cancelled |= apply_operations(connection, plan, now, known)
        result.has_keys = result.has_keys or asks_for_keys(plan)
        result.stale += plan.stale
        result.store_ops += plan.store_ops
    return result


def _plans(
    connection: sqlite3.Connection,
    commits: Sequence[Commit],
    snapshot: TurnSnapshot,
    left: dict[str, tuple[int, int]],
    cancelled: set[str],
    now: int,
) -> Iterator[CommitPlan]:
    """Yield the plans of all parts; *left* are the messages that run after the part."""
    notes_ended = bool(cancelled) or snapshot.has_keys
    plan = plan_commits(commits, left, cancelled, notes_ended)
    if not (snapshot.has_keys and asks_for_keys(plan)):
        yield plan
        return
    left |= snapshot.running
    for part in _parts(connection, commits, snapshot, now):
        yield plan_commits(part, left, cancelled, notes_ended)


def _parts(connection: sqlite3.Connection, commits: Sequence[Commit], snapshot: TurnSnapshot, now: int) -> Iterator[list[Commit]]:
    """Yield *commits* in parts: see `in_parts`."""
    return in_parts(commits, read_keys_of(connection, snapshot.running, now).by_message())
