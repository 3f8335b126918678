"""The worker's side of a turn: its lease, the snapshot, what time has changed, and the claim. All inside one transaction."""

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter

from attrs import evolve, frozen

from fq.brokers.records import ClaimRequest, Delivery
from fq.brokers.sqlite.bulk_sql import LARGE_BODY_BYTES, from_json, split_bodies, to_json
from fq.brokers.sqlite.schema import DELAYED, READY, RUNNING
from fq.brokers.validation import rotate

MAX_ROWS_PER_TURN = 1_000
"""How many messages one turn makes ready, or takes back, at most; the next turn goes on."""

NEVER = 2**62

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
        EXISTS (SELECT 1 FROM cancelled)
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

_NEXT = f"""
    coalesce((SELECT min(due) FROM messages WHERE state = {DELAYED}), ?1),
    coalesce((SELECT min(lease_until) FROM workers WHERE name <> ?2), ?1)
"""

NEXT_DUE = f"SELECT {_NEXT}"

OUTLOOK = f"""
    SELECT {_NEXT}, EXISTS (
        SELECT 1 FROM json_each(?3)
        WHERE EXISTS (SELECT 1 FROM messages WHERE state = {READY} AND queue = value)
        AND NOT EXISTS (SELECT 1 FROM queues WHERE name = value AND paused))
"""
"""For a worker without work: the columns of `NEXT_DUE`, and whether any of its queues has a ready message."""

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
            CASE WHEN length(body) <= {LARGE_BODY_BYTES} THEN length(body) END,
            queue, priority, due, seq, message_id, actor, deliveries, interrupted)),
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
    running, paused, has_due, has_expired_leases, turns, latest_token, has_cancelled = row
    held = {message_id: (token, seq) for message_id, token, seq in from_json(running)}
    return TurnSnapshot(
        held, frozenset(from_json(paused)), bool(has_due), bool(has_expired_leases), turns, latest_token, bool(has_cancelled)
    )


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
    rows = from_json(found)
    places = {queue: place for place, queue in enumerate(queues)}
    sizes = [row[0] or 0 for row in rows]  # 0 for large bodies
    claimed = [
        (places[queue], priority, due, seq, size, Delivery(message_id, queue, actor, body, token, deliveries, now, interrupted))
        for (size, queue, priority, due, seq, message_id, actor, deliveries, interrupted), body in zip(
            rows, split_bodies(bodies or b"", sizes), strict=True
        )
    ]
    claimed.sort(key=itemgetter(0, 1, 2, 3))
    if 0 not in sizes and sum(sizes) <= request.max_bytes:
        return tuple(map(itemgetter(5), claimed))
    kept: list[Delivery] = []
    left = request.max_bytes
    for _, _, _, seq, size, delivery in claimed:
        left -= _length(connection, seq) if size is None else size
        if left < 0 and kept:
            connection.execute(PUT_BACK, (to_json([row[3] for row in claimed[len(kept) :]]),))
            break
        kept.append(delivery if size is not None else evolve(delivery, body=_body(connection, seq)))
    return tuple(kept)


def _length(connection: sqlite3.Connection, seq: int) -> int:
    (length,) = connection.execute("SELECT length(body) FROM messages WHERE seq = ?", (seq,)).fetchone()
    return int(length)


def _body(connection: sqlite3.Connection, seq: int) -> bytes:
    (body,) = connection.execute("SELECT body FROM messages WHERE seq = ?", (seq,)).fetchone()
    return bytes(body)


def next_due(connection: sqlite3.Connection, worker: str) -> int:
    """Return when the next delay, or the lease of a worker other than *worker*, ends; `NEVER` if there is none."""
    due, until = connection.execute(NEXT_DUE, (NEVER, worker)).fetchone()
    return int(min(due, until))
