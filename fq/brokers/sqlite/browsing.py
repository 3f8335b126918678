"""Pages of messages and dead letters: ``fq.brokers.planning.paging`` says which. Inside one transaction."""

import sqlite3
from collections.abc import Sequence

from fq.brokers.browsing import BrowsedState, Entry, Page, Place
from fq.brokers.planning.dead_kinds import NO_KINDS
from fq.brokers.planning.paging import LETTER, LIVE, Listing, Reads, letter_entry, listing_of, live_entry, page
from fq.brokers.planning.states import DELAYED
from fq.brokers.sqlite import dead_kinds
from fq.brokers.sqlite.bulk_sql import from_json, to_json

DUE = f"""
    SELECT queue = coalesce(:queue, queue) AND actor = coalesce(:actor, actor) AND (:error IS NULL OR json_extract(fault, '$.type') = :error),
        due, queue, seq, priority
    FROM messages WHERE state = {DELAYED} AND due <= :now AND (due, queue) >= (:place0, :place1) AND (due, queue, seq) > (:place0, :place1, :place2)
    ORDER BY due, queue, seq LIMIT :most
"""


def browse(
    connection: sqlite3.Connection,
    state: BrowsedState,
    queue: str | None,
    actor: str | None,
    error: str | None,
    after: str,
    limit: int,
    now: int,
    since: int,
) -> Page:
    """See `Browser.browse`; letters died after *since*."""
    listing, is_filtered = listing_of(state, queue), not (queue is actor is error is None)
    kinds = dead_kinds.kinds_that_fit(connection, queue, actor, error, since) if state == "dead" and is_filtered else NO_KINDS
    filters = {"queue": queue, "actor": actor, "error": error, "since": since}

    def read_places(begins_after: Place, most: int) -> Sequence[Sequence[object]]:
        places = {f"place{number}": part for number, part in enumerate(begins_after)}
        rows: list[list[object]] = from_json(
            connection.execute(_statement(listing, state), {**filters, **places, "most": most}).fetchone()[0]
        )
        return rows

    def read_due(begins_after: Place, most: int) -> Sequence[tuple[bool, int, str, int, int]]:
        places = {f"place{number}": part for number, part in enumerate(begins_after)}
        return connection.execute(DUE, {**filters, **places, "now": now, "most": most}).fetchall()

    def read_entries(chosen: Sequence[int]) -> dict[int, Entry]:
        columns = LIVE if listing.table == "messages" else LETTER
        statement = f"SELECT seq, {columns} FROM json_each(?) CROSS JOIN {listing.table} WHERE seq = value"
        rows = connection.execute(statement, (to_json(list(chosen)),)).fetchall()
        return {seq: live_entry(row, now) if listing.table == "messages" else letter_entry(row) for seq, *row in rows}

    def read_letters(begins_after: Place, most: int) -> Sequence[Sequence[object]]:
        return dead_kinds.read_places(connection, kinds, begins_after, most, since)

    if kinds.are_all:
        return page(state, queue, after, limit, Reads(now, False, read_letters, read_due, read_entries))
    return page(state, queue, after, limit, Reads(now, is_filtered, read_places, read_due, read_entries))


def _statement(listing: Listing, state: BrowsedState) -> str:
    """
    Return the statement that reads places, each with: does the message fit?

    Many messages may share all of their place but the ``seq``, so the rest of these is one range of the index, and what follows them is another.
    """
    *group, seq = listing.place
    places = [f":place{number}" for number in range(len(listing.place))]
    beyond = "<" if listing.latest_first else ">"
    same_group = " AND ".join([f"{column} = {place}" for column, place in zip(group, places[:-1], strict=True)])
    return f"""
        SELECT json_group_array(json(found)) FROM (
            SELECT * FROM ({_range(listing, state, f"{same_group} AND {seq} {beyond} {places[-1]}")})
            UNION ALL SELECT * FROM ({_range(listing, state, f"({', '.join(group)}) {beyond} ({', '.join(places[:-1])})")})
            LIMIT :most)
    """


def _range(listing: Listing, state: BrowsedState, condition: str) -> str:
    order = ", ".join(f"{column} DESC" if listing.latest_first else column for column in listing.place)
    error = "error" if listing.table == "dead" else "json_extract(fault, '$.type')"
    fits = f"queue = coalesce(:queue, queue) AND actor = coalesce(:actor, actor) AND (:error IS NULL OR {error} = :error)"
    index = "INDEXED BY messages_running" if state == "running" else ""
    return f"""
        SELECT json_array({fits}, {", ".join(listing.place)}) AS found FROM {listing.table} {index}
        WHERE {listing.those} AND {condition} ORDER BY {order} LIMIT :most
    """


def peek(connection: sqlite3.Connection, message_id: str, now: int, since: int) -> Entry | None:
    """See `Browser.peek`; letters died after *since*."""
    row = connection.execute(f"SELECT {LIVE} FROM messages WHERE message_id = ?", (message_id,)).fetchone()
    if row is not None:
        return live_entry(row, now)
    row = connection.execute(f"SELECT {LETTER} FROM dead WHERE message_id = ? AND died_at > ?", (message_id, since)).fetchone()
    return None if row is None else letter_entry(row)
