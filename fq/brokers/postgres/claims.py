"""Leases, what time has changed, and the claim. Inside one transaction."""

from collections.abc import Callable, Collection, Mapping, Sequence

from fq.brokers.planning.states import NEVER
from fq.brokers.postgres.transaction import Transaction
from fq.brokers.records import ClaimRequest, Delivery, new_delivery

MAX_ROWS_PER_TURN = 1_000
"""How many messages one turn makes ready, or takes back, at most; the next turn goes on."""

REGISTER = "SELECT fq.register_turn(%s, %s, %s, %s::text[])"

PROMOTE = f"SELECT fq.promote(%s, {MAX_ROWS_PER_TURN})"

RECLAIM = f"""
    UPDATE fq.messages SET state = 1, token = 0, worker = '', interrupted = ''
    WHERE seq IN (SELECT m.seq FROM fq.messages m JOIN fq.workers w ON w.name = m.worker WHERE m.state = 2 AND w.lease_until <= %s LIMIT {MAX_ROWS_PER_TURN})
"""

FORGET_WORKERS = """
    DELETE FROM fq.workers w WHERE lease_until <= %s AND NOT EXISTS (SELECT 1 FROM fq.messages m WHERE m.state = 2 AND m.worker = w.name)
"""

CLAIM = "SELECT token, ids, queues, actors, bodies, counts, interrupts, has_starters FROM fq.claim(%s, %s::text[], %s, %s::int, %s, %s)"

OUTLOOK = "SELECT next_due, next_lease, first_mark, next_mark FROM fq.outlook(%s, %s, %s)"

RENEW = "UPDATE fq.workers SET lease_until = %s WHERE name = ANY (%s::text[])"

_HELD = "state = 2 AND worker = %s"

UNCOUNT = f"UPDATE fq.messages SET deliveries = deliveries - 1 WHERE {_HELD} AND message_id <> ALL (%s::text[])"

RELEASE = f"""
    UPDATE fq.messages m SET state = 1, token = 0, worker = '',
        interrupted = coalesce((SELECT t.reason FROM unnest(%s::text[], %s::text[]) AS t (id, reason) WHERE t.id = m.message_id), '')
    WHERE {_HELD}
"""


def renew(tx: Transaction, workers: Sequence[str], lease: int) -> None:
    """Let the leases of those *workers* that have one run for *lease* ms from now."""
    tx.run(RENEW, tx.now + lease, sorted(workers))


def release(tx: Transaction, worker: str, interrupted: Mapping[str, str], counted: Collection[str] | None) -> int:
    """Delete *worker*, take back all that it holds, and return how many messages that was."""
    if counted is not None:
        tx.run(UNCOUNT, worker, list(counted))
    released = tx.changed(RELEASE, list(interrupted), list(interrupted.values()), worker)
    tx.run("DELETE FROM fq.workers WHERE name = %s", worker)
    return released


def promote_and_reclaim(tx: Transaction) -> Callable[[], tuple[int, int]]:
    """
    Make delayed messages ready that are due, and take back what expired leases hold, both up to a bound.

    What is returned, called after the answer to a later statement has been read, returns how many of each.
    """
    promoting = tx.ask(PROMOTE, tx.now)
    reclaiming = tx.ask(RECLAIM, tx.now)
    tx.run(FORGET_WORKERS, tx.now)

    def read() -> tuple[int, int]:
        (promoted,) = promoting.fetchall()
        return int(promoted[0]), reclaiming.rowcount

    return read


def claim(tx: Transaction, request: ClaimRequest, turns: int) -> Callable[[], tuple[tuple[Delivery, ...], bool]]:
    """Let the worker of *request* hold what that asks for; what is returned reads it, and whether some of it frees its unique keys now."""
    if request.limit <= 0:
        return lambda: ((), False)
    asked = list(dict.fromkeys(request.queues))
    claiming = tx.ask(CLAIM, request.worker, asked, turns, min(request.limit, 2**31 - 1), min(request.max_bytes, 2**62), tx.now)

    def read() -> tuple[tuple[Delivery, ...], bool]:
        (row,) = claiming.fetchall()
        return deliveries(tx.now, *row[:-1]), bool(row[-1])

    return read


def deliveries(
    now: int,
    token: int | None,
    ids: Sequence[str],
    queues: Sequence[str],
    actors: Sequence[str],
    bodies: Sequence[bytes],
    counts: Sequence[int],
    interrupts: Sequence[str],
) -> tuple[Delivery, ...]:
    """Return what a claim with *token* has got; None is none."""
    if token is None:
        return ()
    rows = zip(ids, queues, actors, bodies, counts, interrupts, strict=True)
    return tuple(new_delivery(name, queue, actor, body, token, count, now, reason) for name, queue, actor, body, count, reason in rows)


def next_due(now: int, due: int | None, lease: int | None, first_mark: int | None, next_mark: int | None) -> tuple[int, int]:
    """Return when the next delay or lease ends, or a mark falls due; and when the first mark is or was due. `NEVER` is none."""
    first = NEVER if first_mark is None else first_mark
    mark = (NEVER if next_mark is None else next_mark) if first <= now else first
    return min(NEVER if due is None else due, NEVER if lease is None else lease, mark), first
