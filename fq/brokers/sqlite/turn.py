"""A turn from its first statement to its last. The order of the parts matters. All inside one transaction."""

import sqlite3
from collections.abc import Sequence

from attrs import frozen

from fq.brokers.listener import NO_MARKS, SeenMarks
from fq.brokers.records import MAX_IDLE_MS, ClaimRequest, Commit, StoreResultOp, Turn
from fq.brokers.sqlite.cancellation import mark_cancelled
from fq.brokers.sqlite.claims import claim, next_due, promote_and_reclaim, read_snapshot, register_turn
from fq.brokers.sqlite.commits_in_order import apply_commits
from fq.brokers.sqlite.maintenance import Maintenance
from fq.brokers.sqlite.unique_keys import free_keys


@frozen
class TurnResult:
    """The result of a turn, the results of messages that it stored, whether other workers may find something *new* to claim, and what it saw of marks."""

    turn: Turn
    results: tuple[StoreResultOp, ...]
    new: bool
    marks: SeenMarks = NO_MARKS


def run_turn(
    connection: sqlite3.Connection, commits: Sequence[Commit], request: ClaimRequest, now: int, maintenance: Maintenance, known: set[str]
) -> TurnResult:
    """
    Run a turn at the time *now*. *known* are queues that are in the table of queues.

    The worker's own lease is renewed first, so that the turn does not take back what the worker holds; its commits come next, while their tokens are current.
    """
    register_turn(connection, request, now)
    snapshot = read_snapshot(connection, [commit.message_id for commit in commits], request.worker, now)
    result = apply_commits(connection, commits, snapshot, now, known)
    more = promote_and_reclaim(connection, snapshot, now)
    deliveries = claim(connection, request, snapshot, now) if request.limit > 0 else ()
    if result.has_keys and deliveries:
        free_keys(connection, [delivery.message_id for delivery in deliveries], now, started=True)
    deliveries, cancelled = mark_cancelled(connection, request.worker, deliveries) if result.has_cancelled else (deliveries, ())
    more = maintenance.run(connection, now) or more
    due, first_mark = next_due(connection, request.worker, now)
    idle_for = 0 if more else min(MAX_IDLE_MS, max(0, due - now))
    new = bool(commits) or snapshot.has_due or snapshot.has_expired_leases
    turn = Turn(deliveries, tuple(result.stale), idle_for, cancelled, first_mark <= now)
    return TurnResult(turn, tuple(result.store_ops), new, SeenMarks(now, first_mark))
