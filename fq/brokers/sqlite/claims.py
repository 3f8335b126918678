"""The worker's side of a turn: its lease, the snapshot, what time has changed, and the claim. All inside one transaction."""

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from attrs import frozen

from fq.brokers.planning.states import DELAYED, NEVER, READY, RUNNING
from fq.brokers.records import DUE, ClaimRequest, Delivery, new_delivery
from fq.brokers.sqlite.bulk_sql import LARGE_BODY_BYTES, from_json, split_bodies, to_json
from fq.brokers.validation import rotate

MAX_ROWS_PER_TURN = 1_000
"""How many messages one turn makes ready, or takes back, at most; the next turn goes on."""

REGISTER = """
    INSERT INTO workers (name, lease_until, queues) VALUES (?, ?, ?)
    ON CONFLICT (name) DO UPDATE SET lease_until = excluded.lease_until, turns = turns + 1,
        queues = CASE WHEN queues = excluded.queues THEN queues ELSE (
            SELECT json_group_array(value) FROM (
                SELECT value FROM json_each(workers.queues) UNION SELECT value FROM json_each(excluded.queues) ORDER BY value)
        ) END
"""

READ_SNAPSHOT = f"""
    SELECT
        (SELECT json_group_array(json_array(message_id, token, seq)) FROM json_each(?1) CROSS JOIN messages WHERE message_id = value AND state = {RUNNING}),
        (SELECT json_group_array(name) FROM queues WHERE paused),
        EXISTS (SELECT 1 FROM messages WHERE state = {DELAYED} AND due <= ?2),
        EXISTS (SELECT 1 FROM workers WHERE lease_until <= ?2),
        (SELECT turns FROM workers WHERE name = ?3),
        (SELECT latest FROM tokens),
        EXISTS (SELECT 1 FROM cancelled),
        EXISTS (SELECT 1 FROM unique_keys)
"""

PROMOTE = f"""
    UPDATE messages SET state = {READY}
    WHERE seq IN (SELECT seq FROM messages WHERE state = {DELAYED} AND due <= ? ORDER BY due LIMIT {MAX_ROWS_PER_TURN})
"""

_EXPIRED = "SELECT name FROM workers WHERE lease_until <= ?"

RECLAIM = f"""
    UPDATE messages SET state = {READY}, token = 0, worker = '', interrupted = ''
    WHERE seq IN (SELECT seq FROM messages WHERE state = {RUNNING} AND worker IN ({_EXPIRED}) LIMIT {MAX_ROWS_PER_TURN})
"""

FORGET_WORKERS = f"""
    DELETE FROM workers WHERE name IN ({_EXPIRED})
    AND NOT EXISTS (SELECT 1 FROM messages WHERE state = {RUNNING} AND worker = workers.name)
"""

_MARK = f"SELECT min(place) FROM marks WHERE list = '{DUE}' AND list <> '' AND (until = 0 OR until > ?3)"
"""The SQL of when the first mark falls due; an index has all of it. ?3 is now."""

_NEXT = f"""
    coalesce((SELECT min(due) FROM messages WHERE state = {DELAYED}), ?1),
    coalesce((SELECT min(lease_until) FROM workers WHERE name <> ?2), ?1),
    coalesce(({_MARK}), ?1)
"""

NEXT_DUE = f"SELECT {_NEXT}"

NEXT_MARK = f"SELECT coalesce(({_MARK} AND place > ?2), ?1)"

OUTLOOK = f"""
    SELECT {_NEXT}, coalesce(({_MARK} AND place > ?5), ?1), EXISTS (
        SELECT 1 FROM json_each(?4)
        WHERE EXISTS (SELECT 1 FROM messages WHERE state = {READY} AND queue = value)
        AND NOT EXISTS (SELECT 1 FROM queues WHERE name = value AND paused))
"""
"""For a worker without work: the columns of `NEXT_DUE`, that of `NEXT_MARK`, and whether any of its queues has a ready message."""

_HELD = f"state = {RUNNING} AND worker = ?2"

UNCOUNT = f"""
    UPDATE messages SET deliveries = deliveries - 1
    WHERE {_HELD} AND message_id NOT IN (SELECT value FROM json_each(?1))
"""

RELEASE_INTERRUPTED = f"""
    UPDATE messages SET state = {READY}, token = 0, worker = '', interrupted = json_extract(value, '$[1]')
    FROM json_each(?1) WHERE message_id = json_extract(value, '$[0]') AND {_HELD}
"""

RELEASE = f"UPDATE messages SET state = {READY}, token = 0, worker = '', interrupted = ?1 WHERE {_HELD}"

CLAIM = f"""
    UPDATE messages SET state = {RUNNING}, token = ?, worker = ?, claimed = ?, deliveries = deliveries + 1
    WHERE seq IN (SELECT seq FROM messages WHERE state = {READY} AND queue = ? ORDER BY priority, due, seq LIMIT ?)
"""

READ_CLAIMED = f"""
    SELECT
        json_group_array(json_array(
            priority, due, seq, CASE WHEN length(body) <= {LARGE_BODY_BYTES} THEN length(body) END,
            message_id, queue, actor, deliveries, interrupted)),
        CAST(group_concat(CASE WHEN length(body) <= {LARGE_BODY_BYTES} THEN CAST(body AS TEXT) END, '') AS BLOB)
    FROM messages WHERE state = {RUNNING} AND worker = ? AND token = ?
"""

PUT_BACK = f"""
    UPDATE messages SET state = {READY}, token = 0, worker = '', deliveries = deliveries - 1
    WHERE seq IN (SELECT value FROM json_each(?))
"""


@frozen
class TurnSnapshot:
    """The state at the start of a turn: token and ``seq`` of those messages to commit that run, and what there is to do."""

    running: dict[str, tuple[int, int]]
    paused: frozenset[str]
    has_due: bool
    has_expired_leases: bool
    turns: int
    latest_token: int
    has_cancelled: bool
    has_keys: bool


def register_turn(connection: sqlite3.Connection, request: ClaimRequest, now: int) -> None:
    """Renew the lease of a worker, and count one more turn, which asks for these queues."""
    connection.execute(REGISTER, (request.worker, now + request.lease, _listed(request.queues)))


@lru_cache(1_024)
def _listed(queues: tuple[str, ...]) -> str:
    """Return *queues* as the table stores them, distinct and sorted; cached, since a worker asks for the same queues in every turn."""
    return to_json(sorted(set(queues)))


def renew(connection: sqlite3.Connection, workers: Sequence[str], until: int) -> None:
    """Let the leases of those *workers* that have one run until *until*."""
    connection.execute("UPDATE workers SET lease_until = ? WHERE name IN (SELECT value FROM json_each(?))", (until, to_json(list(workers))))


def release(connection: sqlite3.Connection, worker: str, interrupted: Mapping[str, str], counted: Collection[str] | None) -> int:
    """Delete *worker*, take back all that it holds, and return how many messages that was."""
    if counted is not None:
        connection.execute(UNCOUNT, (to_json(list(counted)), worker))
    first = connection.execute(RELEASE_INTERRUPTED, (to_json(list(interrupted.items())), worker)).rowcount
    rest = connection.execute(RELEASE, ("", worker)).rowcount
    connection.execute("DELETE FROM workers WHERE name = ?", (worker,))
    return first + rest


def read_snapshot(connection: sqlite3.Connection, message_ids: Iterable[str], worker: str, now: int) -> TurnSnapshot:
    """Return the state before *worker* commits *message_ids*."""
    row = connection.execute(READ_SNAPSHOT, (to_json(list(message_ids)), now, worker)).fetchone()
    running, paused, has_due, has_expired_leases, turns, latest_token, has_cancelled, has_keys = row
    held = {message_id: (token, seq) for message_id, token, seq in from_json(running)}
    due, expired, cancelled, keys = bool(has_due), bool(has_expired_leases), bool(has_cancelled), bool(has_keys)
    return TurnSnapshot(held, frozenset(from_json(paused)), due, expired, turns, latest_token, cancelled, keys)


def promote_and_reclaim(connection: sqlite3.Connection, snapshot: TurnSnapshot, now: int) -> bool:
    """Make delayed messages ready that are due, take back what expired leases hold, both up to a bound, and return whether the bound was reached."""
    promoted = connection.execute(PROMOTE, (now,)).rowcount if snapshot.has_due else 0
    reclaimed = 0
    if snapshot.has_expired_leases:
        reclaimed = connection.execute(RECLAIM, (now,)).rowcount
        connection.execute(FORGET_WORKERS, (now,))
    return MAX_ROWS_PER_TURN in (promoted, reclaimed)


def claim(connection: sqlite3.Connection, request: ClaimRequest, snapshot: TurnSnapshot, now: int) -> tuple[Delivery, ...]:
    """Return what *request* asks for; its worker holds it from now on."""
    token = snapshot.latest_token + 1
    queues = [queue for queue in rotate(request.queues, snapshot.turns) if queue not in snapshot.paused]
    claimed = 0
    for queue in queues:
        if claimed < request.limit:
            claimed += connection.execute(CLAIM, (token, request.worker, now, queue, request.limit - claimed)).rowcount
    if not claimed:
        return ()
    connection.execute("UPDATE tokens SET latest = ?", (token,))
    return _deliveries(connection, request, token, queues, now)


def _deliveries(connection: sqlite3.Connection, request: ClaimRequest, token: int, queues: Sequence[str], now: int) -> tuple[Delivery, ...]:
    """Return what has been claimed with *token*, and put back what exceeds the byte limit of *request*."""
    found, bodies = connection.execute(READ_CLAIMED, (request.worker, token)).fetchone()
    rows: list[list[Any]] = from_json(found)
    sizes = [row[3] or 0 for row in rows]  # 0 for large bodies
    for row, body in zip(rows, split_bodies(bodies or b"", sizes), strict=True):
        row.append(body)
    rows.sort()  # by priority, due and seq
    if len(queues) > 1:
        places = {queue: place for place, queue in enumerate(queues)}
        rows.sort(key=lambda row: places[row[5]])
    if 0 in sizes or sum(sizes) > request.max_bytes:
        rows = _within_limit(connection, request, rows)
    return tuple(
        [
            new_delivery(message_id, queue, actor, body, token, deliveries, now, interrupted)
            for _, _, _, _, message_id, queue, actor, deliveries, interrupted, body in rows
        ]
    )


def _within_limit(connection: sqlite3.Connection, request: ClaimRequest, rows: list[list[Any]]) -> list[list[Any]]:
    """Return those of *rows* that the byte limit of *request* admits, with large bodies, and put back the others."""
    left = request.max_bytes
    for kept, row in enumerate(rows):
        seq, size = row[2], row[3]
        left -= _length(connection, seq) if size is None else size
        if left < 0 and kept:
            connection.execute(PUT_BACK, (to_json([row[2] for row in rows[kept:]]),))
            return rows[:kept]
        if size is None:
            row[-1] = _body(connection, seq)
    return rows


def _length(connection: sqlite3.Connection, seq: int) -> int:
    (length,) = connection.execute("SELECT length(body) FROM messages WHERE seq = ?", (seq,)).fetchone()
    return int(length)


def _body(connection: sqlite3.Connection, seq: int) -> bytes:
    (body,) = connection.execute("SELECT body FROM messages WHERE seq = ?", (seq,)).fetchone()
    return bytes(body)


def next_due(connection: sqlite3.Connection, worker: str, now: int) -> tuple[int, int]:
    """Return when the next delay or lease, other than that of *worker*, ends, or a mark falls due; and when the first mark is or was due. `NEVER` is none."""
    due, until, first_mark = connection.execute(NEXT_DUE, (NEVER, worker, now)).fetchone()
    next_mark = connection.execute(NEXT_MARK, (NEVER, now, now)).fetchone()[0] if first_mark <= now else first_mark
    return min(due, until, next_mark), first_mark
