"""
A turn. Most are plain: one statement, and any number of them run side by side. The others are taken alone, from their first statement to their last.

The worker's own lease is renewed first, so that the turn does not take back what the worker holds; its commits come next, while their tokens are current.
"""

from collections.abc import Sequence
from typing import cast

import psycopg
from attrs import frozen

from fq.brokers.listener import NO_MARKS, SeenMarks
from fq.brokers.postgres.cancellation import TELL, mark_cancelled
from fq.brokers.postgres.claims import MAX_ROWS_PER_TURN as MOST
from fq.brokers.postgres.claims import OUTLOOK, REGISTER, claim, deliveries, next_due, promote_and_reclaim
from fq.brokers.postgres.commits import apply_commits
from fq.brokers.postgres.database import Database
from fq.brokers.postgres.errors import NOT_PLAIN
from fq.brokers.postgres.maintenance import Maintenance
from fq.brokers.postgres.plain_turns import PLAIN_TURN, plain_arguments
from fq.brokers.postgres.transaction import Row, Transaction
from fq.brokers.postgres.transactional import TAKE, take_in
from fq.brokers.postgres.unique_keys import free_keys
from fq.brokers.records import MAX_IDLE_MS, ClaimRequest, Commit, StoreResultOp, Turn

ANNOUNCE = "SELECT fq.announce(%s)"


@frozen
class TurnResult:
    """The result of a turn, the results of messages that it stored, and what it saw of marks."""

    turn: Turn
    results: tuple[StoreResultOp, ...] = ()
    marks: SeenMarks = NO_MARKS


def take_turn(database: Database, commits: Sequence[Commit], request: ClaimRequest, turn_id: str, maintenance: Maintenance) -> TurnResult:
    """Take a turn, a plain one if it can be one."""
    arguments = None if maintenance.is_due else plain_arguments(commits, request, turn_id)
    if arguments is not None:
        result = database.single(lambda tx: _plain(tx, commits, arguments), retry=False)
        if result is not None:
            return result
    return database.alone(lambda tx: _alone(tx, commits, request, turn_id, maintenance), retry=False)


def _plain(tx: Transaction, commits: Sequence[Commit], arguments: Sequence[object]) -> TurnResult | None:
    """Return the result of a plain turn, or None if it must be taken alone."""
    try:
        now, stale, is_more, *rest = tx.row(PLAIN_TURN, *arguments)
    except psycopg.Error as error:
        if error.sqlstate == NOT_PLAIN:
            return None
        raise
    due, first_mark = next_due(now, *rest[:4])
    turn = Turn(deliveries(now, *rest[4:]), tuple(stale), _idle_for(is_more, due, now), (), first_mark <= now)
    gone = set(stale)
    results = [op for commit in commits if commit.message_id not in gone for op in commit.operations if isinstance(op, StoreResultOp)]
    return TurnResult(turn, tuple(results), SeenMarks(now, first_mark))


def _alone(tx: Transaction, commits: Sequence[Commit], request: ClaimRequest, turn_id: str, maintenance: Maintenance) -> TurnResult:
    registering = tx.ask(REGISTER, request.worker, tx.now + request.lease, turn_id, sorted(set(request.queues)))
    taking_in = tx.ask(TAKE)
    result = apply_commits(tx, commits)
    (turns,) = cast(Row, registering.fetchone())
    take_in(tx, sorted(taking_in.fetchall()))
    read_counts, read_claimed = promote_and_reclaim(tx), claim(tx, request, turns)
    telling, outlook = tx.ask(TELL, request.worker), tx.ask(OUTLOOK, request.worker, tx.now, tx.now)
    claimed, has_starters = read_claimed()
    claimed, cancelled = mark_cancelled(claimed, {name for (name,) in telling.fetchall()})
    promoted, reclaimed = read_counts()
    if has_starters:
        free_keys(tx, [delivery.message_id for delivery in claimed], started=True)
    is_more = MOST in (promoted, reclaimed)
    if has_starters or maintenance.is_due:
        is_more |= maintenance.run(tx)
        outlook = tx.ask(OUTLOOK, request.worker, tx.now, tx.now)
    due, first_mark = next_due(tx.now, *cast(Row, outlook.fetchone()))
    if commits or promoted or reclaimed:
        tx.run(ANNOUNCE, "w")
    if result.store_ops:
        tx.run(ANNOUNCE, "r")
    turn = Turn(claimed, tuple(result.stale), _idle_for(is_more, due, tx.now), cancelled, first_mark <= tx.now)
    return TurnResult(turn, tuple(result.store_ops), SeenMarks(tx.now, first_mark))


def _idle_for(is_more: bool, due: int, now: int) -> int:
    return 0 if is_more else min(MAX_IDLE_MS, max(0, due - now))
