"""
The kinds of dead letters: those of one queue, actor and type of error. Inside one transaction that reads.

An index has the letters of each kind side by side, so that a search skips from one kind to the next, however many letters they have. It has the first 200
characters of the names, since PostgreSQL refuses a row whose names are too long for an index; kinds that differ later are taken for one.
"""

from collections.abc import Sequence

from fq.brokers.browsing import Place
from fq.brokers.planning.bounded_counts import counted
from fq.brokers.planning.dead_kinds import MAX_KINDS, MOST_OF_ALL_KINDS, NO_KINDS, Kinds
from fq.brokers.planning.statuses import message_of
from fq.brokers.postgres.queue_counts import BY_INDEX
from fq.brokers.postgres.transaction import Transaction
from fq.brokers.sights import DeadKind, DeadKinds

_KIND = "queue, left(actor, 200), left(error, 200)"

_BACKWARDS = "queue DESC, left(actor, 200) DESC, left(error, 200) DESC, died_at DESC, seq DESC"

LATEST = f"""
    WITH RECURSIVE latest (seq, queue, actor, error) AS (
        (SELECT seq, {_KIND} FROM fq.dead ORDER BY {_BACKWARDS} LIMIT 1)
        UNION ALL
        SELECT n.* FROM latest k CROSS JOIN LATERAL (
            SELECT d.seq, d.queue, left(d.actor, 200), left(d.error, 200) FROM fq.dead d
            WHERE (d.queue, left(d.actor, 200), left(d.error, 200)) < (k.queue, k.actor, k.error)
            ORDER BY {_BACKWARDS} LIMIT 1) n)
    SELECT * FROM latest LIMIT {MAX_KINDS + 1}
"""
"""The latest letter of each kind, the kinds backwards."""

_OF_KIND = "d.queue = k.queue AND left(d.actor, 200) = k.actor AND left(d.error, 200) = k.error"

KINDS = f"SELECT queue, actor, error FROM ({LATEST}) k WHERE (SELECT died_at FROM fq.dead d WHERE d.seq = k.seq) > %s"

SHOWN = f"""
    SELECT k.queue, k.actor, k.error, l.actor, l.error,
        (SELECT min(d.died_at) FROM fq.dead d WHERE {_OF_KIND} AND d.died_at > %s), l.died_at, l.fault
    FROM ({LATEST}) k CROSS JOIN LATERAL (SELECT * FROM fq.dead d WHERE d.seq = k.seq LIMIT 1) l WHERE l.died_at > %s
"""

_GIVEN = "unnest(%s::text[], %s::text[], %s::text[]) WITH ORDINALITY AS k (queue, actor, error, number)"

COUNTS = f"""
    SELECT (SELECT count(*) FROM (SELECT 1 FROM fq.dead d WHERE {_OF_KIND} AND d.died_at > %s LIMIT %s) found) FROM {_GIVEN} ORDER BY k.number
"""

PLACES = f"""
    SELECT true, l.died_at, l.seq FROM {_GIVEN} CROSS JOIN LATERAL (
        SELECT d.died_at, d.seq FROM fq.dead d WHERE {_OF_KIND} AND d.died_at > %s AND (d.died_at, d.seq) < (%s, %s)
        ORDER BY d.died_at DESC, d.seq DESC LIMIT %s) l
    ORDER BY l.died_at DESC, l.seq DESC LIMIT %s
"""

MAX_NAME = 200
"""How many characters of a name the index has."""

MOST_MERGED = 20
"""Of more kinds than this, letters are looked for one by one."""


def dead_kinds(tx: Transaction, since: int, most: int) -> DeadKinds:
    """See `Browser.dead_kinds`; letters died after *since*."""

    def count(kinds: Sequence[tuple[str, str, str]], limit: int) -> list[int]:
        return tx.column(COUNTS, since, limit, *_columns(kinds))

    tx.row(BY_INDEX)
    rows = tx.rows(SHOWN, since, since)
    shown = rows[:MAX_KINDS]
    kinds = [
        DeadKind(queue, actor, error, number, first, last, message_of(fault), is_at_least)
        for (queue, _, _, actor, error, first, last, fault), (number, is_at_least) in zip(
            shown, counted([row[:3] for row in shown], most, count, MOST_OF_ALL_KINDS), strict=True
        )
    ]
    return DeadKinds(tuple(kinds), len(rows) <= MAX_KINDS)


def kinds_that_fit(tx: Transaction, queue: str | None, actor: str | None, error: str | None, since: int) -> Kinds:
    """Return the kinds of one *queue*, *actor* and *error*, of which None is any; not all if the index does not tell them apart, or if they are many."""
    wanted = queue, actor, error
    if any(name is not None and len(name) >= MAX_NAME for name in (actor, error)):
        return NO_KINDS
    tx.row(BY_INDEX)
    rows = tx.rows(KINDS, since)
    fits = tuple(row for row in rows if all(name in (None, found) for name, found in zip(wanted, row, strict=True)))
    return Kinds(fits, len(rows) <= MAX_KINDS and len(fits) <= MOST_MERGED)


def read_places(tx: Transaction, kinds: Kinds, place: Place, most: int, since: int) -> Sequence[tuple[bool, int, int]]:
    """Return the places of up to *most* letters of *kinds* that come after *place*, the latest first, each with True: it fits."""
    return tx.rows(PLACES, *_columns(kinds.found), since, *place, most, most)


def _columns(kinds: Sequence[tuple[str, str, str]]) -> list[list[str]]:
    return [[kind[at] for kind in kinds] for at in range(3)]
