"""
The state of limiters in SQLite, in memory or in a file: the tables, and the statements. Each function is part of one transaction.

Reads ignore expired rows, and inserts delete them, so nothing stays for ever.
"""

import sqlite3

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

HOLD_ESTIMATE_TTL_MS = 86_400_000
"""How long the estimate of a key is kept: a day."""

TABLES = (
    """
    CREATE TABLE IF NOT EXISTS limit_slots (key TEXT, holder TEXT, token TEXT, since INTEGER, until INTEGER, PRIMARY KEY (key, holder))
    WITHOUT ROWID
    """,
    "CREATE INDEX IF NOT EXISTS limit_slots_by_key ON limit_slots (key, until)",
    "CREATE INDEX IF NOT EXISTS limit_slots_by_end ON limit_slots (until)",
    # The line. (priority, turn) is a place in it, `back` is when the owner will ask again. Earlier releases had a table limit_line without priorities.
    """
    CREATE TABLE IF NOT EXISTS limit_waiting (key TEXT, owner TEXT, priority INTEGER, turn INTEGER, back INTEGER, PRIMARY KEY (key, owner))
    WITHOUT ROWID
    """,
    "CREATE INDEX IF NOT EXISTS limit_waiting_by_turn ON limit_waiting (key, priority, turn, owner)",
    "CREATE INDEX IF NOT EXISTS limit_waiting_by_return ON limit_waiting (back)",
    "CREATE TABLE IF NOT EXISTS limit_holds (key TEXT PRIMARY KEY, hold INTEGER, known INTEGER, until INTEGER) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS limit_holds_by_end ON limit_holds (until)",
    "CREATE TABLE IF NOT EXISTS barriers (key TEXT PRIMARY KEY, parties INTEGER, until INTEGER) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS barrier_parties (key TEXT, party TEXT, PRIMARY KEY (key, party)) WITHOUT ROWID",
)

READ_LINE = """
    WITH mine AS (
        SELECT ifnull((SELECT turn FROM limit_waiting WHERE :waits AND key = :key AND owner = :owner AND back > :absent), 1 << 62) AS turn
    )
    SELECT
        (SELECT count(*) FROM limit_slots WHERE key = :key AND until > :now AND holder <> :holder),
        EXISTS (SELECT 1 FROM limit_slots WHERE key = :key AND until > :now AND holder = :holder),
        (
            SELECT count(*) FROM limit_waiting
            WHERE key = :key AND turn <= :now AND (priority, turn, owner) < (:priority, mine.turn, :owner)
            AND back > :absent AND back <= :now + ifnull((SELECT hold FROM limit_holds WHERE key = :key), 0) / :grain
        ),
        mine.turn
    FROM mine
"""
"""
How many slots others hold; does the holder have one; how many before the owner have their turn and are about to come back; the place of the owner in the
line, or else its end.
"""

READ_FIRST = """
    SELECT slots.since, slots.until, ifnull(hold, 0), ifnull(known, slots.since) FROM limit_slots slots LEFT JOIN limit_holds USING (key)
    WHERE key = :key AND slots.until > :now ORDER BY slots.until, holder LIMIT 1
"""

READ_RANK = """
    SELECT count(*) FROM limit_waiting WHERE key = :key AND back > :absent AND (priority, turn, owner) < (:priority, :turn, :owner)
"""

LINE_UP = """
    INSERT INTO limit_waiting VALUES (
        :key, :owner, :priority,
        max(:at, ifnull((SELECT max(turn) FROM limit_waiting WHERE key = :key AND priority = :priority), 0)),
        :back
    )
    ON CONFLICT DO UPDATE SET back = excluded.back
"""
"""The owner keeps its place in the line, or gets the last one of its priority."""

READ_MISSING = """
    SELECT max(0, parties - (SELECT count(*) FROM barrier_parties WHERE key = barriers.key)) FROM barriers WHERE key = ? AND until > ?
"""
"""How many parties are missing at a barrier."""


def take(connection: sqlite3.Connection, request: AcquireRequest, now: int) -> Granted | Refused:
    """See `LimitStore.take`."""
    asked = {
        "key": request.key,
        "owner": request.owner,
        "holder": request.holder,
        "waits": request.queues_up,
        "priority": request.priority,
        "now": now,
        "absent": now - NO_SHOW_MS,
        "grain": ESTIMATE_RESOLUTION,
    }
    held, mine, ahead, asked["turn"] = connection.execute(READ_LINE, asked).fetchone()
    if mine or admits(request.limit, held, ahead):
        return _grant(connection, request, now)
    found = connection.execute(READ_FIRST, asked).fetchone()
    first = FirstSlot(*found) if found else None
    rank = connection.execute(READ_RANK, asked).fetchone()[0] if request.queues_up else min(ahead, max(0, request.limit.limit - held))
    wait = estimated_wait(request.limit, held, rank, first, now)
    retry_in = retry_delay(request.limit, wait, first, now)
    if request.queues_up:
        connection.execute("DELETE FROM limit_waiting WHERE back <= :absent", asked)
        connection.execute(LINE_UP, {**asked, "at": now + wait, "back": now + retry_in})
    return Refused(retry_in)


def _grant(connection: sqlite3.Connection, request: AcquireRequest, now: int) -> Granted:
    until = request.limit.expires_at(now)
    connection.execute("DELETE FROM limit_slots WHERE until <= ?", (now,))
    connection.execute(
        "DELETE FROM limit_waiting WHERE (key = ? AND owner = ?) OR back <= ?", (request.key, request.owner, now - NO_SHOW_MS)
    )
    connection.execute("REPLACE INTO limit_slots VALUES (?, ?, ?, ?, ?)", (request.key, request.holder, request.token, now, until))
    return Granted(until)


def renew(connection: sqlite3.Connection, slot: Slot, now: int) -> bool:
    """See `LimitStore.renew`."""
    statement = "UPDATE limit_slots SET until = ? WHERE key = ? AND holder = ? AND token = ? AND until > ?"
    return connection.execute(statement, (now + slot.ttl, slot.key, slot.owner, slot.token, now)).rowcount == 1


def release(connection: sqlite3.Connection, slot: Slot, learn: bool, now: int) -> bool:
    """See `LimitStore.release`."""
    statement = "DELETE FROM limit_slots WHERE key = ? AND holder = ? AND token = ? RETURNING since, until"
    since, until = connection.execute(statement, (slot.key, slot.owner, slot.token)).fetchone() or (0, 0)
    if until <= now:
        return False
    if learn:
        connection.execute("DELETE FROM limit_holds WHERE until <= ?", (now,))
        hold, known = connection.execute("SELECT hold, known FROM limit_holds WHERE key = ?", (slot.key,)).fetchone() or (0, since)
        connection.execute(
            "REPLACE INTO limit_holds VALUES (?, ?, ?, ?)",
            (slot.key, updated_hold_estimate(hold, now - since), known, now + HOLD_ESTIMATE_TTL_MS),
        )
    return True


def holders(connection: sqlite3.Connection, key: str, limit: int, now: int) -> list[tuple[str, str]]:
    """See `LimitStore.holders`."""
    statement = "SELECT holder, token FROM limit_slots WHERE key = ? AND until > ? ORDER BY until LIMIT ?"
    return connection.execute(statement, (key, now, limit)).fetchall()


def waiting(connection: sqlite3.Connection, key: str, limit: int, now: int) -> list[str]:
    """See `LimitStore.waiting`."""
    statement = "SELECT owner FROM limit_waiting WHERE key = ? AND back > ? ORDER BY priority, turn, owner LIMIT ?"
    return [owner for (owner,) in connection.execute(statement, (key, now - NO_SHOW_MS, limit))]


def create(connection: sqlite3.Connection, key: str, parties: int, ttl: int, now: int) -> bool:  # as the protocol has them
    """See `LimitStore.create`."""
    connection.execute("DELETE FROM barrier_parties WHERE key IN (SELECT key FROM barriers WHERE until <= ?)", (now,))
    connection.execute("DELETE FROM barriers WHERE until <= ?", (now,))
    return connection.execute("INSERT OR IGNORE INTO barriers VALUES (?, ?, ?)", (key, parties, now + ttl)).rowcount == 1


def arrive(connection: sqlite3.Connection, key: str, party: str, ttl: int, now: int) -> int | None:  # as above
    """See `LimitStore.arrive`."""
    if not connection.execute("UPDATE barriers SET until = ? WHERE key = ? AND until > ?", (now + ttl, key, now)).rowcount:
        return None
    connection.execute("INSERT OR IGNORE INTO barrier_parties VALUES (?, ?)", (key, party))
    missing: int = connection.execute(READ_MISSING, (key, now)).fetchone()[0]
    return missing
