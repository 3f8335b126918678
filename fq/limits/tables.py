"""
What limiters keep in SQLite, in memory or in a file: tables, and the statements on them. Each function is a part of one transaction.

What has lapsed is ignored wherever it is looked for, and deleted whenever something is added: nothing stays for ever.
"""

import sqlite3

from fq.limits.terms import ABSENT, Answer, First, Granted, Limit, Refused, Slots, admits, learnt, nap, planned

REMEMBERED = 86_400_000
"""For how long it is remembered how long the slots of a key are held: a day."""

TABLES = (
    "CREATE TABLE IF NOT EXISTS limit_slots "
    "(key TEXT, holder TEXT, token TEXT, since INTEGER, until INTEGER, PRIMARY KEY (key, holder)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS limit_slots_by_key ON limit_slots (key, until)",
    "CREATE INDEX IF NOT EXISTS limit_slots_by_end ON limit_slots (until)",
    # Who waits. `turn` is its place in the line, `back` when it will ask again.
    "CREATE TABLE IF NOT EXISTS limit_line (key TEXT, owner TEXT, turn INTEGER, back INTEGER, PRIMARY KEY (key, owner)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS limit_line_by_turn ON limit_line (key, turn, owner)",
    "CREATE INDEX IF NOT EXISTS limit_line_by_return ON limit_line (back)",
    "CREATE TABLE IF NOT EXISTS limit_holds (key TEXT PRIMARY KEY, hold INTEGER, until INTEGER) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS limit_holds_by_end ON limit_holds (until)",
    "CREATE TABLE IF NOT EXISTS barriers (key TEXT PRIMARY KEY, parties INTEGER, until INTEGER) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS barrier_parties (key TEXT, party TEXT, PRIMARY KEY (key, party)) WITHOUT ROWID",
)

CROWD = """
    WITH mine AS (
        SELECT ifnull((SELECT turn FROM limit_line WHERE :waits AND key = :key AND owner = :owner AND back > :absent), 1 << 62) AS turn
    )
    SELECT
        (SELECT count(*) FROM limit_slots WHERE key = :key AND until > :now AND holder <> :holder),
        EXISTS (SELECT 1 FROM limit_slots WHERE key = :key AND until > :now AND holder = :holder),
        (SELECT count(*) FROM limit_line WHERE key = :key AND back > :absent AND turn <= :now AND (turn, owner) < (mine.turn, :owner)),
        mine.turn
    FROM mine
"""
"""How many slots others hold, whether the holder has one already, how many are due before the owner, and its place in the line (at its end if it has none)."""

FIRST = "SELECT since, until, (SELECT hold FROM limit_holds WHERE key = :key) FROM limit_slots WHERE key = :key AND until > :now ORDER BY until, holder LIMIT 1"

RANK = "SELECT count(*) FROM limit_line WHERE key = :key AND back > :absent AND (turn, owner) < (:turn, :owner)"


def take(connection: sqlite3.Connection, key: str, limit: Limit, owner: str, token: str, waits: bool, now: int) -> Answer:
    """See `LimitStore.take`."""
    holder = owner if isinstance(limit, Slots) else token
    asked = {"key": key, "holder": holder, "owner": owner, "waits": waits, "now": now, "absent": now - ABSENT}
    held, mine, ahead, asked["turn"] = connection.execute(CROWD, asked).fetchone()
    if mine or admits(limit, held, ahead):
        _grant(connection, key, holder, owner, token, now, limit.ends(now))
        return Granted(token)
    first = connection.execute(FIRST, asked).fetchone()
    rank = connection.execute(RANK, asked).fetchone()[0] if waits else ahead
    wait = planned(limit, held, rank, first and First(first[0], first[1], first[2] or 0), now)
    retry_in = nap(limit, wait)
    if waits:
        _line_up(connection, key, owner, now, now + wait, now + retry_in)
    return Refused(retry_in)


def _grant(connection: sqlite3.Connection, key: str, holder: str, owner: str, token: str, now: int, until: int) -> None:
    connection.execute("DELETE FROM limit_slots WHERE until <= ?", (now,))
    connection.execute("DELETE FROM limit_line WHERE (key = ? AND owner = ?) OR back <= ?", (key, owner, now - ABSENT))
    connection.execute("REPLACE INTO limit_slots VALUES (?, ?, ?, ?, ?)", (key, holder, token, now, until))


def _line_up(connection: sqlite3.Connection, key: str, owner: str, now: int, turn: int, back: int) -> None:
    """Let *owner* keep its place in the line, or else put it at the end."""
    connection.execute("DELETE FROM limit_line WHERE back <= ?", (now - ABSENT,))
    connection.execute(
        "INSERT INTO limit_line VALUES (?1, ?2, max(?3, ifnull((SELECT max(turn) FROM limit_line WHERE key = ?1), 0)), ?4) "
        "ON CONFLICT DO UPDATE SET back = excluded.back",
        (key, owner, turn, back),
    )


def renew(connection: sqlite3.Connection, key: str, owner: str, token: str, now: int, until: int) -> bool:
    """See `LimitStore.renew`."""
    return bool(
        connection.execute(
            "UPDATE limit_slots SET until = ? WHERE key = ? AND holder = ? AND token = ? AND until > ?", (until, key, owner, token, now)
        ).rowcount
    )


def release(connection: sqlite3.Connection, key: str, owner: str, token: str, learn: bool, now: int) -> bool:
    """See `LimitStore.release`."""
    deleted = connection.execute(
        "DELETE FROM limit_slots WHERE key = ? AND holder = ? AND token = ? RETURNING since, until", (key, owner, token)
    ).fetchone()
    if deleted is None or deleted[1] <= now:
        return False
    if learn:
        connection.execute("DELETE FROM limit_holds WHERE until <= ?", (now,))
        known = connection.execute("SELECT hold FROM limit_holds WHERE key = ?", (key,)).fetchone()
        hold = learnt(known[0] if known else 0, now - deleted[0])
        connection.execute("REPLACE INTO limit_holds VALUES (?, ?, ?)", (key, hold, now + REMEMBERED))
    return True


def create(connection: sqlite3.Connection, key: str, parties: int, now: int, until: int) -> bool:
    """See `LimitStore.create`."""
    connection.execute("DELETE FROM barrier_parties WHERE key IN (SELECT key FROM barriers WHERE until <= ?)", (now,))
    connection.execute("DELETE FROM barriers WHERE until <= ?", (now,))
    return bool(connection.execute("INSERT OR IGNORE INTO barriers VALUES (?, ?, ?)", (key, parties, until)).rowcount)


def arrive(connection: sqlite3.Connection, key: str, party: str, now: int, until: int) -> int | None:
    """See `LimitStore.arrive`."""
    if not connection.execute("UPDATE barriers SET until = ? WHERE key = ? AND until > ?", (until, key, now)).rowcount:
        return None
    connection.execute("INSERT OR IGNORE INTO barrier_parties VALUES (?, ?)", (key, party))
    missing: int = connection.execute(MISSING, (key, now)).fetchone()[0]
    return missing


MISSING = "SELECT max(0, parties - (SELECT count(*) FROM barrier_parties WHERE key = barriers.key)) FROM barriers WHERE key = ? AND until > ?"
"""How many parties are missing at a barrier."""
