"""The table of unique keys: read together, changed in order by `KeyTable`, and written together. In a transaction that is alone."""

from collections.abc import Callable, Iterable, Sequence

from fq.brokers.findings import HeldKey
from fq.brokers.planning.unique_keys import KeyTable, key_table
from fq.brokers.postgres.transaction import Transaction

_COLUMNS = "key, holder, since, until, held, at_start, aside, aside_at_start"

_ROWS = f"""
    SELECT {_COLUMNS},
        (SELECT CASE WHEN m.state = 2 OR m.deliveries > 0 OR m.fault IS NOT NULL THEN 2 ELSE 1 END FROM fq.messages m WHERE m.message_id = holder),
        EXISTS (SELECT 1 FROM fq.messages m WHERE m.message_id = aside)
    FROM fq.unique_keys
"""
"""Each row with the state of the holder: NULL if there is no such message, 2 if it has begun, else 1; and whether the one aside is there."""

READ_KEYS = f"{_ROWS} WHERE key = ANY (%s::text[]) AND (held OR until > %s)"

READ_OF_MESSAGES = f"{_ROWS} WHERE (held AND holder = ANY (%s::text[])) OR (aside <> '' AND aside = ANY (%s::text[]))"

WRITE = f"""
    INSERT INTO fq.unique_keys ({_COLUMNS})
    SELECT * FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::boolean[], %s::boolean[], %s::text[], %s::boolean[])
    ON CONFLICT (key) DO UPDATE SET holder = excluded.holder, since = excluded.since, until = excluded.until, held = excluded.held,
        at_start = excluded.at_start, aside = excluded.aside, aside_at_start = excluded.aside_at_start
"""

DELETE = "DELETE FROM fq.unique_keys WHERE key = ANY (%s::text[])"

READY_AT_ONCE = "UPDATE fq.messages SET state = 1, due = %s WHERE message_id = ANY (%s::text[]) AND state = 0"

LOST = """
    SELECT key, holder, EXISTS (SELECT 1 FROM fq.messages WHERE message_id = holder)
    FROM (SELECT key, holder FROM fq.unique_keys WHERE held LIMIT %s) AS held_keys
"""


def read_keys(tx: Transaction, keys: Iterable[str]) -> KeyTable:
    """Return the table of *keys*, without holders and messages put aside that are gone."""
    asked = list(keys)
    table = key_table(tx.rows(READ_KEYS, asked, tx.now), tx.now)
    while gone := table.lost_holders():
        free_keys(tx, gone)
        table = key_table(tx.rows(READ_KEYS, asked, tx.now), tx.now)
    table.drop_lost_asides()
    return table


def read_keys_of(tx: Transaction, message_ids: Iterable[str]) -> KeyTable:
    """Return the table of the keys that messages hold, or are put aside for."""
    return ask_keys_of(tx, message_ids)()


def ask_keys_of(tx: Transaction, message_ids: Iterable[str]) -> Callable[[], KeyTable]:
    """Ask for the table of the keys that messages hold, or are put aside for; what is returned reads it."""
    ids = list(message_ids)
    asked = tx.ask(READ_OF_MESSAGES, ids, ids)
    return lambda: key_table(asked.fetchall(), tx.now)


def write_keys(tx: Transaction, table: KeyTable) -> None:
    """Store what has changed in *table*."""
    if kept := table.kept():
        key, holder, since, until, held, at_start, aside, aside_at_start = (list(column) for column in zip(*kept, strict=True))
        flags = list(map(bool, held)), list(map(bool, at_start)), aside, list(map(bool, aside_at_start))
        tx.run(WRITE, key, holder, since, until, *flags)
    if gone := table.gone():
        tx.run(DELETE, gone)
    if table.readied:
        tx.run(READY_AT_ONCE, tx.now, table.readied)


def free_keys(tx: Transaction, message_ids: Sequence[str], started: bool = False) -> None:
    """Let messages that have ended free their keys; or those that have *started* free theirs, if these are freed then."""
    if message_ids:
        table = read_keys_of(tx, message_ids)
        table.free(message_ids, started)
        write_keys(tx, table)


def lost_holders(tx: Transaction, limit: int) -> tuple[int, list[HeldKey]]:
    """Return how many keys are held, up to *limit*, and those of them, with their holders, whose holders are not there."""
    rows = tx.rows(LOST, limit)
    return len(rows), [(key, holder) for key, holder, is_there in rows if not is_there]
