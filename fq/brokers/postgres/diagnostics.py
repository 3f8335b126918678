"""What ``fq doctor`` reports about a PostgreSQL server and fq's tables in it."""

from fq.brokers.findings import MAX_EXAMINED_KEYS, Finding, unique_keys_finding
from fq.brokers.postgres.transaction import Transaction
from fq.brokers.postgres.unique_keys import lost_holders

LONG_TRANSACTION_SECONDS = 60
"""A transaction that is open for longer than this keeps dead rows from being removed."""

BLOATED_ROWS = 100_000
"""More dead rows than this are reported if they are more than the live ones."""

LONG = """
    SELECT pid, coalesce(extract(epoch FROM now() - xact_start), 0)::int, coalesce(application_name, ''), state LIKE 'idle in transaction%%'
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL OR state LIKE 'idle in transaction%%')
        AND xact_start <= now() - make_interval(secs => %s)
    ORDER BY xact_start LIMIT 1
"""
"""The oldest open transaction, and whether its client does nothing in it."""

ROWS = """
    SELECT coalesce(sum(n_live_tup), 0)::bigint, coalesce(sum(n_dead_tup), 0)::bigint, coalesce(sum(pg_total_relation_size(relid)), 0)::bigint
    FROM pg_stat_user_tables WHERE relid IN ('fq.messages'::regclass, 'fq.bodies'::regclass)
"""

NOT_VACUUMED = """
    SELECT c.relname FROM pg_class c JOIN pg_class m ON m.relnamespace = c.relnamespace WHERE m.oid = 'fq.messages'::regclass
        AND EXISTS (SELECT 1 FROM unnest(c.reloptions) AS o WHERE o IN ('autovacuum_enabled=false', 'autovacuum_enabled=off')) ORDER BY 1
"""

SETTINGS = """
    SELECT current_setting('server_version'),
        CASE WHEN current_setting('track_counts') = 'off' THEN 'off' ELSE current_setting('autovacuum') END,
        current_setting('synchronous_commit'), current_setting('fsync')
"""
"""Without counts of dead rows, autovacuum does not come."""


def diagnose(tx: Transaction, name: str, hears: bool | None) -> tuple[Finding, ...]:
    """Return the findings about the server at *name*. *hears*: does LISTEN work, None if that is not known."""
    version, autovacuum, synchronous, fsync = tx.row(SETTINGS)
    return (
        Finding("server", "good", f"PostgreSQL {version} at {name}"),
        _durability(synchronous, fsync),
        _autovacuum(tx, autovacuum),
        _long_transactions(tx),
        _bloat(tx),
        _listening(hears),
        unique_keys_finding(*lost_holders(tx, MAX_EXAMINED_KEYS)),
    )


def _durability(synchronous: str, fsync: str) -> Finding:
    if fsync == "off":
        return Finding("durability", "bad", "fsync is off: a crash of the machine may destroy the database", "set fsync = on")
    if synchronous == "off":
        return Finding(
            "durability", "warn", "synchronous_commit is off: a crash of the server may undo the latest commits, each as a whole"
        )
    return Finding("durability", "good", f"synchronous_commit is {synchronous}")


def _autovacuum(tx: Transaction, setting: str) -> Finding:
    if setting != "on":
        return Finding("autovacuum", "bad", "off: tables and indexes grow for ever", "set autovacuum = on, and track_counts = on")
    if tables := tx.column(NOT_VACUUMED):
        text = f"off for {', '.join(tables)}: these tables and their indexes grow for ever"
        return Finding("autovacuum", "bad", text, f"ALTER TABLE {tables[0]} RESET (autovacuum_enabled)")
    return Finding("autovacuum", "good", "on")


def _long_transactions(tx: Transaction) -> Finding:
    found = tx.first(LONG, LONG_TRANSACTION_SECONDS)
    if found is None:
        return Finding("transactions", "good", f"none is open for more than {LONG_TRANSACTION_SECONDS} s")
    pid, seconds, application, is_idle = found
    has_had = "is idle in a transaction that it has had" if is_idle else "has had a transaction"
    text = f"process {pid} ({application or 'no name'}) {has_had} open for {seconds} s: dead rows stay, and claims slow down"
    return Finding("transactions", "warn", text, f"end it: SELECT pg_terminate_backend({pid})")


def _bloat(tx: Transaction) -> Finding:
    live, dead, size = tx.row(ROWS)
    text = f"{live:,} live and {dead:,} dead rows, {size / 1024**2:,.0f} MB"
    if dead > BLOATED_ROWS and dead > live:
        return Finding("messages", "warn", text, "look for a long transaction, then: VACUUM the tables messages and bodies")
    return Finding("messages", "good", text)


def _listening(hears: bool | None) -> Finding:
    if hears is False:
        text = "LISTEN is not heard or not used: workers look for messages every so often"
        return Finding("listening", "warn", text, "connect to the server itself, or to a pool that keeps a connection for each session")
    return Finding("listening", "good", "workers are woken by NOTIFY")
