"""A turn from its first statement to its last. The order of the parts matters. All inside one transaction."""

import sqlite3
from collections.abc import Sequence

from attrs import frozen

from fq.brokers.records import MAX_IDLE_MS, ClaimRequest, Commit, StoreResultOp, Turn
from fq.brokers.sqlite.cancellation import cancel, cancelled_among, mark_cancelled, unmark_ended
from fq.brokers.sqlite.claims import claim, next_due, promote_and_reclaim, read_snapshot, register_turn
from fq.brokers.sqlite.commits import apply_dispositions, apply_operations, plan_commits
from fq.brokers.sqlite.maintenance import Maintenance


@frozen
class TurnResult:
    """The result of a turn, the results of messages that it stored, and whether other workers may find something *new* to claim."""

    turn: Turn
    results: tuple[StoreResultOp, ...]
    new: bool


def run_turn(
    connection: sqlite3.Connection, commits: Sequence[Commit], request: ClaimRequest, now: int, maintenance: Maintenance, known: set[str]
) -> TurnResult:
    """
    Run a turn at the time *now*. *known* are queues that are in the table of queues.

    The worker's own lease is renewed first, so that the turn does not take back what the worker holds; its commits come next, while their tokens are current.
    """
    register_turn(connection, request, now)
    snapshot = read_snapshot(connection, [commit.message_id for commit in commits], request.worker, now)
    cancelled_ids = cancelled_among(connection, snapshot.running) if snapshot.has_cancelled else set[str]()
    plan = plan_commits(commits, snapshot.running, cancelled_ids)
    apply_dispositions(connection, plan, now, known)
    if cancelled_ids:
        cancel(connection, cancelled_ids.difference(plan.ended), now)  # what was rescheduled is ready at once
        unmark_ended(connection, cancelled_ids.intersection(plan.ended))
    has_cancelled = apply_operations(connection, plan, now, known) or snapshot.has_cancelled
    more = promote_and_reclaim(connection, snapshot, now)
    deliveries = claim(connection, request, snapshot, now) if request.limit > 0 else ()
    deliveries, cancelled = mark_cancelled(connection, request.worker, deliveries) if has_cancelled else (deliveries, ())
    more = maintenance.run(connection, now) or more
    idle_for = 0 if more else min(MAX_IDLE_MS, max(0, next_due(connection, request.worker) - now))
    new = bool(commits) or snapshot.has_due or snapshot.has_expired_leases
    return TurnResult(Turn(deliveries, tuple(plan.stale), idle_for, cancelled), tuple(plan.store_ops), new)
