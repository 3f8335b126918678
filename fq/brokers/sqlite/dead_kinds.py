"""
The kinds of dead letters: those of one queue, actor and type of error. Inside one transaction.

An index has the letters of each kind side by side, so that a search skips from one kind to the next, however many letters they have.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import islice
from operator import neg

from fq.brokers.browsing import Place
from fq.brokers.planning.bounded_counts import counted
from fq.brokers.planning.dead_kinds import MAX_KINDS, MOST_OF_ALL_KINDS, Kinds
from fq.brokers.planning.statuses import message_of
from fq.brokers.sights import DeadKind, DeadKinds
from fq.brokers.sqlite.bulk_sql import to_json


def _last(condition: str, *columns: str) -> str:
    """Return the SQL of the last letter of the index that fits; *columns* are those that follow the columns which the condition fixes."""
    order = ", ".join(f"next.{column} DESC" for column in (*columns, "died_at", "seq"))
    return f"(SELECT next.seq FROM dead next INDEXED BY dead_by_kind WHERE {condition} ORDER BY {order} LIMIT 1)"


LATEST = f"""
    WITH RECURSIVE latest (seq) AS (
        SELECT {_last("true", "queue", "actor", "error")}
        UNION ALL
        SELECT (SELECT coalesce(
            {_last("next.queue = kind.queue AND next.actor = kind.actor AND next.error < kind.error", "error")},
            {_last("next.queue = kind.queue AND next.actor < kind.actor", "actor", "error")},
            {_last("next.queue < kind.queue", "queue", "actor", "error")}) FROM dead kind WHERE kind.seq = latest.seq)
        FROM latest WHERE seq IS NOT NULL LIMIT {MAX_KINDS + 2})
"""
"""The latest letter of each kind, the kinds backwards, and then NULL."""

_OF_KIND = "of_kind.queue = kind.queue AND of_kind.actor = kind.actor AND of_kind.error = kind.error AND of_kind.died_at > :since"

KINDS = f"{LATEST} SELECT queue, actor, error FROM latest CROSS JOIN dead USING (seq) WHERE died_at > :since"

SHOWN = f"""
    {LATEST} SELECT kind.seq, queue, actor, error, (SELECT min(died_at) FROM dead of_kind WHERE {_OF_KIND}), died_at, fault
    FROM latest CROSS JOIN dead kind USING (seq) WHERE died_at > :since
"""

COUNTS = f"""
    SELECT (SELECT count(*) FROM (SELECT 1 FROM dead of_kind WHERE {_OF_KIND} LIMIT :most))
    FROM json_each(:kinds) CROSS JOIN dead kind ON kind.seq = value ORDER BY json_each.key
"""

_LETTERS = "SELECT died_at, seq FROM dead INDEXED BY dead_by_kind WHERE queue = ? AND actor = ? AND error = ? AND"

DIED_THEN = f"{_LETTERS} died_at = ? AND seq < ? AND +died_at > ? ORDER BY seq DESC LIMIT ?"
"""The plus keeps SQLite from reading all letters that died after this time."""

DIED_BEFORE = f"{_LETTERS} died_at < ? AND died_at > ? ORDER BY died_at DESC, seq DESC LIMIT ?"


def dead_kinds(connection: sqlite3.Connection, since: int, most: int) -> DeadKinds:
    """See `Browser.dead_kinds`; letters died after *since*."""

    def count(seqs: Sequence[int], limit: int) -> list[int]:
        return [number for (number,) in connection.execute(COUNTS, {"since": since, "most": limit, "kinds": to_json(seqs)})]

    rows = connection.execute(SHOWN, {"since": since}).fetchall()
    shown = rows[:MAX_KINDS]
    kinds = [
        DeadKind(queue, actor, error, number, first, last, message_of(fault), is_at_least)
        for (_, queue, actor, error, first, last, fault), (number, is_at_least) in zip(
            shown, counted([row[0] for row in shown], most, count, MOST_OF_ALL_KINDS), strict=True
        )
    ]
    return DeadKinds(tuple(kinds), len(rows) <= MAX_KINDS)


def kinds_that_fit(connection: sqlite3.Connection, queue: str | None, actor: str | None, error: str | None, since: int) -> Kinds:
    """Return the kinds of one *queue*, *actor* and *error*, of which None is any."""
    if queue is not None and actor is not None and error is not None:
        return Kinds(((queue, actor, error),), True)
    rows = connection.execute(KINDS, {"since": since}).fetchall()
    fits = tuple(row for row in rows if queue in (None, row[0]) and actor in (None, row[1]) and error in (None, row[2]))
    return Kinds(fits, len(rows) <= MAX_KINDS)


def read_places(connection: sqlite3.Connection, kinds: Kinds, place: Place, most: int, since: int) -> list[tuple[bool, int, int]]:
    """Return the places of up to *most* letters of *kinds* that come after *place*, the latest first, each with True: it fits."""
    letters = [_letters(connection, kind, place, most, since) for kind in kinds.found]
    return [(True, died_at, seq) for died_at, seq in islice(merge(*letters, key=_backwards), most)]


def _letters(connection: sqlite3.Connection, kind: tuple[str, str, str], place: Place, most: int, since: int) -> Iterator[tuple[int, int]]:
    died_at, seq = place
    yield from connection.execute(DIED_THEN, (*kind, died_at, seq, since, most))
    yield from connection.execute(DIED_BEFORE, (*kind, died_at, since, most))


def _backwards(letter: tuple[int, int]) -> tuple[int, ...]:
    return tuple(map(neg, letter))
