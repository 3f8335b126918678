"""`Maintenance`: deletes expired rows, a few at a time, so that no turn takes long and no table grows for ever."""

from time import monotonic

from fq.brokers.limits.policy import NO_SHOW_MS
from fq.brokers.postgres.transaction import Transaction

MAX_ROWS_PER_STEP = 1_000
"""How many rows of a table are deleted at once, at most; the next turn goes on."""

INTERVAL_SECONDS = 1.0
"""How often a process looks for expired rows, in seconds."""

_SOME = f"LIMIT {MAX_ROWS_PER_STEP}"

STEPS = (
    f"DELETE FROM fq.results WHERE message_id IN (SELECT message_id FROM fq.results WHERE until <= %s {_SOME})",
    f"""
    DELETE FROM fq.members WHERE (group_name, member) IN
    (SELECT group_name, member FROM fq.groups JOIN fq.members ON group_name = name WHERE until <= %s {_SOME})
    """,
    f"""
    DELETE FROM fq.followups WHERE (group_name, number) IN
    (SELECT group_name, number FROM fq.groups JOIN fq.followups ON group_name = name WHERE until <= %s {_SOME})
    """,
    f"""
    DELETE FROM fq.groups WHERE name IN
    (SELECT name FROM fq.groups WHERE until <= %s AND NOT EXISTS (SELECT 1 FROM fq.members WHERE group_name = name)
        AND NOT EXISTS (SELECT 1 FROM fq.followups WHERE group_name = name) {_SOME})
    """,
    f"DELETE FROM fq.marks WHERE key IN (SELECT key FROM fq.marks WHERE until > 0 AND until <= %s {_SOME})",
    f"DELETE FROM fq.unique_keys WHERE key IN (SELECT key FROM fq.unique_keys WHERE NOT held AND until <= %s {_SOME})",
    f"DELETE FROM fq.counters WHERE (bucket, name) IN (SELECT bucket, name FROM fq.counters WHERE until <= %s {_SOME})",
    f"DELETE FROM fq.limit_slots WHERE (key, holder) IN (SELECT key, holder FROM fq.limit_slots WHERE until <= %s {_SOME} FOR UPDATE SKIP LOCKED)",
    f"""
    DELETE FROM fq.limit_waiting WHERE (key, owner) IN
    (SELECT key, owner FROM fq.limit_waiting WHERE back <= %s - {NO_SHOW_MS} {_SOME} FOR UPDATE SKIP LOCKED)
    """,
    f"DELETE FROM fq.limit_holds WHERE key IN (SELECT key FROM fq.limit_holds WHERE until <= %s {_SOME} FOR UPDATE SKIP LOCKED)",
    f"""
    WITH gone AS (DELETE FROM fq.barriers WHERE key IN (SELECT key FROM fq.barriers WHERE until <= %s {_SOME} FOR UPDATE SKIP LOCKED) RETURNING key)
    DELETE FROM fq.barrier_parties WHERE key IN (SELECT key FROM gone)
    """,
)

EXPIRED_LETTERS = f"DELETE FROM fq.dead WHERE seq IN (SELECT seq FROM fq.dead WHERE died_at <= %s ORDER BY died_at {_SOME})"


class Maintenance:
    """Mutable: remembers when to run next."""

    def __init__(self, dead_ttl: int) -> None:
        self._dead_ttl = dead_ttl
        self._next_run = 0.0

    @property
    def is_due(self) -> bool:
        """Is it time to look for expired rows?"""
        return monotonic() >= self._next_run

    def run(self, tx: Transaction) -> bool:
        """Delete some of what has expired, if it is time to, and return whether there may be more. The transaction is alone."""
        if not self.is_due:
            return False
        deleting = [tx.ask(step, tx.now) for step in STEPS]
        deleting.append(tx.ask(EXPIRED_LETTERS, tx.now - self._dead_ttl))
        tx.settle()
        more = max(step.rowcount for step in deleting) >= MAX_ROWS_PER_STEP
        self._next_run = 0.0 if more else monotonic() + INTERVAL_SECONDS
        return more
