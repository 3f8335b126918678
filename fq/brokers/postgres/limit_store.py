"""`PostgresLimitStore`: the state of limiters in the tables of a `PostgresBroker`. Its transactions exclude each other key by key. Mutable shell."""

import threading
from collections.abc import Callable
from time import monotonic

from fq.brokers.limits.policy import (
    ESTIMATE_RESOLUTION,
    NO_SHOW_MS,
    AcquireRequest,
    FirstSlot,
    Granted,
    Refused,
    Slot,
    admits,
    estimated_wait,
    retry_delay,
    updated_hold_estimate,
)
from fq.brokers.limits.tables import HOLD_ESTIMATE_TTL_MS
from fq.brokers.postgres.database import Database
from fq.brokers.postgres.transaction import Transaction
from fq.runtime.interrupt_mask import checkpoint, shields

BARRIER_POLL_SECONDS = 0.02
"""How often a party that waits at a barrier looks for arrivals in other processes."""

READ_LINE = """
    WITH mine AS (
        SELECT coalesce(
            (SELECT turn FROM fq.limit_waiting WHERE %(waits)s AND key = %(key)s AND owner = %(owner)s AND back > %(absent)s), 1::bigint << 62
        ) AS turn
    )
    SELECT
        (SELECT count(*) FROM fq.limit_slots WHERE key = %(key)s AND until > %(now)s AND holder <> %(holder)s),
        EXISTS (SELECT 1 FROM fq.limit_slots WHERE key = %(key)s AND until > %(now)s AND holder = %(holder)s),
        (
            SELECT count(*) FROM fq.limit_waiting w
            WHERE key = %(key)s AND w.turn <= %(now)s AND (priority, w.turn, owner) < (%(priority)s, mine.turn, %(owner)s)
            AND back > %(absent)s AND back <= %(now)s + coalesce((SELECT hold FROM fq.limit_holds WHERE key = %(key)s), 0) / %(grain)s
        ),
        mine.turn
    FROM mine
"""
"""See `fq.brokers.limits.tables.READ_LINE`."""

READ_FIRST = """
    SELECT s.since, s.until, coalesce(hold, 0), coalesce(known, s.since) FROM fq.limit_slots s LEFT JOIN fq.limit_holds h ON h.key = s.key
    WHERE s.key = %(key)s AND s.until > %(now)s ORDER BY s.until, holder LIMIT 1
"""

READ_RANK = """
    SELECT count(*) FROM fq.limit_waiting
    WHERE key = %(key)s AND back > %(absent)s AND (priority, turn, owner) < (%(priority)s, %(turn)s, %(owner)s)
"""

LINE_UP = """
    INSERT INTO fq.limit_waiting (key, owner, priority, turn, back) VALUES (
        %(key)s, %(owner)s, %(priority)s,
        greatest(%(at)s, (SELECT max(turn) FROM fq.limit_waiting WHERE key = %(key)s AND priority = %(priority)s)), %(back)s
    )
    ON CONFLICT (key, owner) DO UPDATE SET back = excluded.back
"""
"""The owner keeps its place in the line, or gets the last one of its priority."""

READ_MISSING = """
    SELECT greatest(0, parties - (SELECT count(*) FROM fq.barrier_parties p WHERE p.key = b.key)) FROM fq.barriers b WHERE key = %s AND until > %s
"""

NO_SHOWS = "DELETE FROM fq.limit_waiting WHERE key = %(key)s AND back <= %(absent)s"

GRANT = """
    INSERT INTO fq.limit_slots (key, holder, token, since, until) VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (key, holder) DO UPDATE SET token = excluded.token, since = excluded.since, until = excluded.until
"""

RENEW = "UPDATE fq.limit_slots SET until = %s WHERE key = %s AND holder = %s AND token = %s AND until > %s"

RELEASE = "DELETE FROM fq.limit_slots WHERE key = %s AND holder = %s AND token = %s RETURNING since, until"

LEARN = """
    INSERT INTO fq.limit_holds (key, hold, known, until) VALUES (%s, %s, %s, %s)
    ON CONFLICT (key) DO UPDATE SET hold = excluded.hold, known = excluded.known, until = excluded.until
"""

HOLDERS = "SELECT holder, token FROM fq.limit_slots WHERE key = %s AND until > %s ORDER BY until LIMIT %s"

WAITING = "SELECT owner FROM fq.limit_waiting WHERE key = %s AND back > %s ORDER BY priority, turn, owner LIMIT %s"


@shields("create", "arrive", "wait")
class PostgresLimitStore:
    """A `LimitStore` in *database*."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._arrived = threading.Condition()

    def take(self, request: AcquireRequest) -> Granted | Refused:
        """See `LimitStore.take`."""
        return self._database.locked(request.key, lambda tx: _take(tx, request))

    def renew(self, slot: Slot) -> bool:
        """See `LimitStore.renew`."""
        return self._database.locked(
            slot.key, lambda tx: tx.changed(RENEW, tx.now + slot.ttl, slot.key, slot.owner, slot.token, tx.now) == 1
        )

    def release(self, slot: Slot, learn: bool) -> bool:
        """See `LimitStore.release`."""
        return self._database.locked(slot.key, lambda tx: _release(tx, slot, learn))

    def holders(self, key: str, limit: int) -> list[tuple[str, str]]:
        """See `LimitStore.holders`."""
        return self._database.reading(lambda tx: [(holder, token) for holder, token in tx.rows(HOLDERS, key, tx.now, limit)])

    def waiting(self, key: str, limit: int) -> list[str]:
        """See `LimitStore.waiting`."""
        return self._database.reading(lambda tx: tx.column(WAITING, key, tx.now - NO_SHOW_MS, limit))

    def create(self, key: str, parties: int, ttl: int) -> bool:
        """See `LimitStore.create`."""
        return self._database.locked(key, lambda tx: _create(tx, key, parties, ttl))

    def arrive(self, key: str, party: str, ttl: int) -> int | None:
        """See `LimitStore.arrive`."""
        missing = self._database.locked(key, lambda tx: _arrive(tx, key, party, ttl))
        with self._arrived:
            self._arrived.notify_all()
        return missing

    def wait(self, key: str, timeout: float) -> bool:
        """See `LimitStore.wait`."""
        deadline = monotonic() + timeout
        look: Callable[[Transaction], list[int]] = lambda tx: tx.column(READ_MISSING, key, tx.now)  # noqa: E731
        while True:
            missing = self._database.reading(look)
            left = deadline - monotonic()
            if missing in ([], [0]) or left <= 0:
                return missing == [0]
            with self._arrived:  # threads of this process are notified; other processes are not
                self._arrived.wait(min(left, BARRIER_POLL_SECONDS))
            checkpoint()


def _take(tx: Transaction, request: AcquireRequest) -> Granted | Refused:
    asked: dict[str, object] = {
        "key": request.key,
        "owner": request.owner,
        "holder": request.holder,
        "waits": request.queues_up,
        "priority": request.priority,
        "now": tx.now,
        "absent": tx.now - NO_SHOW_MS,
        "grain": ESTIMATE_RESOLUTION,
    }
    held, mine, ahead, asked["turn"] = tx.row(READ_LINE, asked)
    if mine or admits(request.limit, held, ahead):
        return _grant(tx, request, asked)
    found = tx.first(READ_FIRST, asked)
    first = FirstSlot(*found) if found else None
    rank = tx.row(READ_RANK, asked)[0] if request.queues_up else min(ahead, max(0, request.limit.limit - held))
    wait = estimated_wait(request.limit, held, rank, first, tx.now)
    retry_in = retry_delay(request.limit, wait, first, tx.now)
    if request.queues_up:
        tx.run(NO_SHOWS, asked)
        tx.run(LINE_UP, {**asked, "at": tx.now + wait, "back": tx.now + retry_in})
    return Refused(retry_in)


def _grant(tx: Transaction, request: AcquireRequest, asked: dict[str, object]) -> Granted:
    until = request.limit.expires_at(tx.now)
    tx.run("DELETE FROM fq.limit_slots WHERE key = %s AND until <= %s", request.key, tx.now)
    tx.run("DELETE FROM fq.limit_waiting WHERE key = %(key)s AND (owner = %(owner)s OR back <= %(absent)s)", asked)
    tx.run(GRANT, request.key, request.holder, request.token, tx.now, until)
    return Granted(until)


def _release(tx: Transaction, slot: Slot, learn: bool) -> bool:
    since, until = tx.first(RELEASE, slot.key, slot.owner, slot.token) or (0, 0)
    if until <= tx.now:
        return False
    if learn:
        found = tx.first("SELECT hold, known FROM fq.limit_holds WHERE key = %s AND until > %s", slot.key, tx.now)
        hold, known = found or (0, since)
        tx.run(LEARN, slot.key, updated_hold_estimate(hold, tx.now - since), known, tx.now + HOLD_ESTIMATE_TTL_MS)
    return True


def _create(tx: Transaction, key: str, parties: int, ttl: int) -> bool:
    if tx.changed("DELETE FROM fq.barriers WHERE key = %s AND until <= %s", key, tx.now):
        tx.run("DELETE FROM fq.barrier_parties WHERE key = %s", key)
    return (
        tx.changed("INSERT INTO fq.barriers (key, parties, until) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", key, parties, tx.now + ttl)
        == 1
    )


def _arrive(tx: Transaction, key: str, party: str, ttl: int) -> int | None:
    if not tx.changed("UPDATE fq.barriers SET until = %s WHERE key = %s AND until > %s", tx.now + ttl, key, tx.now):
        return None
    tx.run("INSERT INTO fq.barrier_parties (key, party) VALUES (%s, %s) ON CONFLICT DO NOTHING", key, party)
    return int(tx.row(READ_MISSING, key, tx.now)[0])
