"""`Maintenance`: deletes expired rows, a few at a time, so that no turn takes long and no table grows for ever."""

import sqlite3

from fq.brokers.sqlite.unique_keys import free_gone

MAX_ROWS_PER_STEP = 1_000
"""How many rows of a table are deleted at once, at most; the next turn goes on."""

INTERVAL_MS = 1_000
"""How often to look for expired rows."""

_SOME = f"LIMIT {MAX_ROWS_PER_STEP}"

STEPS = (
    f"DELETE FROM results WHERE message_id IN (SELECT message_id FROM results WHERE until <= ? {_SOME})",
    f"""
    DELETE FROM members WHERE (group_name, member) IN
    (SELECT group_name, member FROM groups CROSS JOIN members ON group_name = name WHERE until <= ? {_SOME})
    """,
    f"""
    DELETE FROM followups WHERE (group_name, number) IN
    (SELECT group_name, number FROM groups CROSS JOIN followups ON group_name = name WHERE until <= ? {_SOME})
    """,
    f"""
    DELETE FROM groups WHERE name IN
    (SELECT name FROM groups WHERE until <= ? AND NOT EXISTS (SELECT 1 FROM members WHERE group_name = name)
        AND NOT EXISTS (SELECT 1 FROM followups WHERE group_name = name) {_SOME})
    """,
    f"DELETE FROM marks WHERE key IN (SELECT key FROM marks WHERE until > 0 AND until <= ? {_SOME})",
    f"DELETE FROM unique_keys WHERE key IN (SELECT key FROM unique_keys WHERE NOT held AND until <= ? {_SOME})",
    f"DELETE FROM counters WHERE (bucket, name) IN (SELECT bucket, name FROM counters WHERE until <= ? {_SOME})",
)

EXPIRED_LETTERS = f"DELETE FROM dead WHERE seq IN (SELECT seq FROM dead WHERE died_at <= ? ORDER BY died_at {_SOME})"


class Maintenance:
    """Mutable: remembers when to run next, and up to which unique key it has looked for those that an older fq has not freed."""

    def __init__(self, dead_ttl: int) -> None:
        self._dead_ttl = dead_ttl
        self._next_run = 0
        self._last_key = ""

    def run(self, connection: sqlite3.Connection, now: int) -> bool:
        """Delete some of what has expired at *now*, if it is time to, and return whether there may be more."""
        if now < self._next_run:
            return False
        deleted = [connection.execute(step, (now,)).rowcount for step in STEPS]
        deleted.append(connection.execute(EXPIRED_LETTERS, (now - self._dead_ttl,)).rowcount)
        self._last_key = free_gone(connection, self._last_key, MAX_ROWS_PER_STEP, now)
        more = max(deleted) >= MAX_ROWS_PER_STEP
        self._next_run = now if more else now + INTERVAL_MS
        return more
