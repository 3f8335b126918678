"""A turn, from its first statement to its last: the order of the parts is the point of this page. All inside one transaction."""

import sqlite3
from collections.abc import Sequence

from attrs import frozen

from fq.brokers.records import ClaimRequest, Commit, StoreResultOp, Turn
from fq.brokers.sqlite.cancellation import cancel, forget_ended, marked, tell
from fq.brokers.sqlite.claims import claim, look, next_due, register, settle
from fq.brokers.sqlite.commits import change, dispose, sort
from fq.brokers.sqlite.maintenance import Upkeep

LONGEST_IDLE = 60_000
"""The longest that a turn tells anybody to be idle, in ms."""


@frozen
class Taken:
    """What a turn came to, the results that it kept, and whether others may find something *new* to claim."""

    turn: Turn
    keeps: tuple[StoreResultOp, ...]
    new: bool


def take_turn(
    connection: sqlite3.Connection, commits: Sequence[Commit], want: ClaimRequest, now: int, upkeep: Upkeep, known: set[str]
) -> Taken:
    """
    Do all that a turn does at *now*; *known* are queues that are listed.

    The worker's own lease comes first, so that it never takes back what it holds itself; then its commits, while their tokens are still current.
    """
    register(connection, want, now)
    seen = look(connection, [commit.message_id for commit in commits], want.worker, now)
    ends = marked(connection, seen.running) if seen.something_is_cancelled else set[str]()
    todo = sort(commits, seen.running, ends)
    dispose(connection, todo, now, known)
    if ends:
        cancel(connection, ends.difference(todo.ended), now)  # what was put off is ready at once
        forget_ended(connection, ends.intersection(todo.ended))
    something_is_cancelled = change(connection, todo, now, known) or seen.something_is_cancelled
    more = settle(connection, seen, now)
    deliveries = claim(connection, want, seen, now) if want.limit > 0 else ()
    deliveries, cancelled = tell(connection, want.worker, deliveries) if something_is_cancelled else (deliveries, ())
    more = upkeep.do(connection, now) or more
    idle_for = 0 if more else min(LONGEST_IDLE, max(0, next_due(connection, want.worker) - now))
    new = bool(commits) or seen.something_is_due or seen.a_lease_is_over
    return Taken(Turn(deliveries, tuple(todo.stale), idle_for, cancelled), tuple(todo.keeps), new)
