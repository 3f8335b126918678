"""
Unique keys: which message holds each, and which is put aside for it. Inside one transaction.

A message without a key has no row here, and while the table is empty, a turn calls nothing of this. Rows are read together, changed in order by `KeyTable`,
and written together, so that a call has a fixed number of statements.
"""

import sqlite3
from collections.abc import Iterable, Sequence

from fq.brokers.findings import HeldKey
from fq.brokers.planning.states import DELAYED, READY, RUNNING
from fq.brokers.planning.unique_keys import KeyTable, key_table
from fq.brokers.sqlite.bulk_sql import from_json, to_json

_COLUMNS = "key, holder, since, until, held, at_start, aside, aside_at_start"

_STATE = (
    f"(SELECT CASE WHEN state = {RUNNING} OR deliveries > 0 OR fault IS NOT NULL THEN 2 ELSE 1 END FROM messages WHERE message_id = holder)"
)
"""The SQL of a holder: NULL if there is no such message, 2 if it has begun, else 1."""

_HAS_ASIDE = "EXISTS (SELECT 1 FROM messages WHERE message_id = aside)"

_ROWS = f"SELECT json_group_array(json_array({_COLUMNS}, {_STATE}, {_HAS_ASIDE})) FROM unique_keys"

READ_KEYS = f"{_ROWS} WHERE key IN (SELECT value FROM json_each(?1)) AND (held OR until > ?2)"

READ_OF_MESSAGES = f"""
    {_ROWS} WHERE key IN (
        SELECT unique_keys.key FROM json_each(?1) CROSS JOIN unique_keys WHERE holder = value AND held
        UNION SELECT unique_keys.key FROM json_each(?1) CROSS JOIN unique_keys WHERE aside = value AND aside <> '')
"""

WRITE = f"""
    INSERT OR REPLACE INTO unique_keys ({_COLUMNS})
    SELECT {", ".join(f"json_extract(value, '$[{number}]')" for number in range(8))} FROM json_each(?)
"""

DELETE = "DELETE FROM unique_keys WHERE key IN (SELECT value FROM json_each(?))"

READY_AT_ONCE = f"""
    UPDATE messages SET state = {READY}, due = ?1
    WHERE seq IN (SELECT seq FROM json_each(?2) CROSS JOIN messages WHERE message_id = value AND state = {DELAYED})
"""

GONE = f"""
    SELECT max(key), json_group_array(holder) FILTER (WHERE held AND NOT EXISTS (
        SELECT 1 FROM messages WHERE message_id = holder AND NOT (at_start AND state = {RUNNING})))
    FROM (SELECT * FROM unique_keys WHERE key > ? ORDER BY key LIMIT ?)
"""

LOST = """
    SELECT count(*), json_group_array(json_array(key, holder)) FILTER (WHERE NOT EXISTS (SELECT 1 FROM messages WHERE message_id = holder))
    FROM (SELECT key, holder FROM unique_keys WHERE held LIMIT ?)
"""


def write_keys(connection: sqlite3.Connection, table: KeyTable) -> None:
    """Store what has changed in *table*."""
    if kept := table.kept():
        connection.execute(WRITE, (to_json(kept),))
    if gone := table.gone():
        connection.execute(DELETE, (to_json(gone),))
    if table.readied:
        connection.execute(READY_AT_ONCE, (table.now, to_json(table.readied)))


def read_keys(connection: sqlite3.Connection, keys: Iterable[str], now: int) -> KeyTable:
    """Return the table of *keys*. First it frees those whose holders an older fq has ended, and forgets what that has deleted while it was put aside."""
    asked = (to_json(list(keys)), now)
    table = key_table(from_json(connection.execute(READ_KEYS, asked).fetchone()[0]), now)
    while gone := table.lost_holders():
        free_keys(connection, gone, now)
        table = key_table(from_json(connection.execute(READ_KEYS, asked).fetchone()[0]), now)
    table.drop_lost_asides()
    return table


def read_keys_of(connection: sqlite3.Connection, message_ids: Iterable[str], now: int) -> KeyTable:
    """Return the table of the keys that messages hold, or are put aside for."""
    return key_table(from_json(connection.execute(READ_OF_MESSAGES, (to_json(list(message_ids)),)).fetchone()[0]), now)


def free_keys(connection: sqlite3.Connection, message_ids: Sequence[str], now: int, started: bool = False) -> None:
    """Let messages that have ended free their keys; or those that have *started* free theirs, if these are freed then."""
    if message_ids:
        table = read_keys_of(connection, message_ids, now)
        table.free(message_ids, started)
        write_keys(connection, table)


def free_gone(connection: sqlite3.Connection, last: str, limit: int, now: int) -> str:
    """Free, among *limit* keys after the key *last*, those whose holders an older fq has ended or begun; return the last of them, ``""`` after all."""
    reached, gone = connection.execute(GONE, (last, limit)).fetchone()
    free_keys(connection, from_json(gone), now)
    return reached or ""


def lost_holders(connection: sqlite3.Connection, limit: int) -> tuple[int, list[HeldKey]]:
    """Return how many keys are held, up to *limit*, and those of them, with their holders, whose holders are not there."""
    count, lost = connection.execute(LOST, (limit,)).fetchone()
    return count, [(key, holder) for key, holder in from_json(lost)]
