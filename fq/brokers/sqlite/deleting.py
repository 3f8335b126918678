"""Deleting messages that wait, and dead letters. A unique key and the mark of a cancelled message go with it. Inside one transaction."""

import sqlite3
from collections.abc import Iterable, Sequence

from fq.brokers.planning.states import DELAYED, READY, RUNNING
from fq.brokers.sqlite.bulk_sql import from_json, to_json
from fq.brokers.sqlite.cancellation import unmark_ended
from fq.brokers.sqlite.unique_keys import free_keys

LETTERS = "DELETE FROM dead WHERE message_id IN (SELECT value FROM json_each(?)) AND died_at > ?"

WAITING = f"SELECT json_group_array(value) FROM json_each(?) CROSS JOIN messages WHERE message_id = value AND state <> {RUNNING}"

COUNT = f"SELECT (SELECT count(*) FROM messages WHERE state = {READY} AND queue = ?1) + (SELECT count(*) FROM messages WHERE state = {DELAYED} AND queue = ?1)"

SOME_READY = f"""
    SELECT json_group_array(message_id) FROM (SELECT message_id FROM messages WHERE state = {READY} AND queue = ? ORDER BY priority, due, seq LIMIT ?)
"""

SOME_DELAYED = f"""
    SELECT json_group_array(message_id), max(due)
    FROM (SELECT message_id, due FROM messages WHERE state = {DELAYED} AND queue = ? AND due >= ? ORDER BY due, queue, seq LIMIT ?)
"""

MESSAGES = "DELETE FROM messages WHERE message_id IN (SELECT value FROM json_each(?))"


def discard(connection: sqlite3.Connection, message_ids: Sequence[str], now: int, since: int) -> int:
    """Delete dead letters that died after *since*, and waiting messages, and return how many."""
    letters = connection.execute(LETTERS, (to_json(list(message_ids)), since)).rowcount
    return letters + delete_waiting(connection, message_ids, now)


def delete_waiting(connection: sqlite3.Connection, message_ids: Iterable[str], now: int) -> int:
    """Delete those of *message_ids* that wait, in this order, and return how many."""
    (found,) = connection.execute(WAITING, (to_json(list(dict.fromkeys(message_ids))),)).fetchone()
    _delete(connection, found, now)
    return len(from_json(found))


def _delete(connection: sqlite3.Connection, found: str, now: int) -> None:
    """Delete messages that wait, whose ids are *found*, as JSON."""
    connection.execute(MESSAGES, (found,))
    unmark_ended(connection, from_json(found))
    free_keys(connection, from_json(found), now)


def free_keys_of_waiting(connection: sqlite3.Connection, message_ids: Iterable[str], now: int) -> None:
    """Free the unique keys of those of *message_ids* that wait."""
    (found,) = connection.execute(WAITING, (to_json(list(dict.fromkeys(message_ids))),)).fetchone()
    free_keys(connection, from_json(found), now)


def count_waiting(connection: sqlite3.Connection, queue: str) -> int:
    """Return how many messages wait in *queue*."""
    (count,) = connection.execute(COUNT, (queue,)).fetchone()
    return int(count)


def purge_some(connection: sqlite3.Connection, queue: str, limit: int, since: int, now: int) -> tuple[int, int]:
    """
    Delete up to *limit* messages that wait in *queue*, ready ones first, of delayed ones those that are due from *since* on.

    Return how many, and from when on to look for delayed ones the next time.
    """
    (found,) = connection.execute(SOME_READY, (queue, limit)).fetchone()
    if found == "[]":
        found, last = connection.execute(SOME_DELAYED, (queue, since, limit)).fetchone()
        since = since if last is None else last
    _delete(connection, found, now)
    return len(from_json(found)), since
