"""Pages of messages and dead letters: ``fq.brokers.planning.paging`` says which. Inside one transaction that reads."""

from collections.abc import Sequence

from fq.brokers.browsing import BrowsedState, Entry, Page, Place
from fq.brokers.planning.dead_kinds import NO_KINDS
from fq.brokers.planning.paging import LETTER, LIVE, Listing, Reads, letter_entry, listing_of, live_entry, page
from fq.brokers.postgres import dead_kinds
from fq.brokers.postgres.transaction import Transaction

_FITS = "(%s::text IS NULL OR queue = %s::text) AND (%s::text IS NULL OR actor = %s::text) AND (%s::text IS NULL OR coalesce(error, '') = %s::text)"

DUE = f"""
    SELECT {_FITS}, due, queue, seq, priority FROM fq.messages
    WHERE state = 0 AND due <= %s AND (due, queue, seq) > (%s, %s, %s) ORDER BY due, queue, seq LIMIT %s
"""

_FROM = {"messages": "fq.messages JOIN fq.bodies USING (seq)", "dead": "fq.dead"}

_COLUMNS = {"messages": LIVE, "dead": LETTER}


def browse(
    tx: Transaction, state: BrowsedState, queue: str | None, actor: str | None, error: str | None, after: str, limit: int, since: int
) -> Page:
    """See `Browser.browse`; letters died after *since*."""
    listing = listing_of(state, queue)
    is_filtered = not (queue is actor is error is None)
    kinds = dead_kinds.kinds_that_fit(tx, queue, actor, error, since) if state == "dead" and is_filtered else NO_KINDS

    def read_places(begins_after: Place, most: int) -> Sequence[Sequence[object]]:
        asked = (queue, queue, actor, actor, error, error)
        scope = (queue,) if ":queue" in listing.those else (since,) if ":since" in listing.those else ()
        return tx.rows(_statement(listing), *asked, *scope, *begins_after, most)

    def read_due(begins_after: Place, most: int) -> Sequence[tuple[bool, int, str, int, int]]:
        return tx.rows(DUE, queue, queue, actor, actor, error, error, tx.now, *begins_after, most)

    def read_entries(chosen: Sequence[int]) -> dict[int, Entry]:
        table = listing.table
        rows = tx.rows(f"SELECT seq, {_COLUMNS[table]} FROM {_FROM[table]} WHERE seq = ANY (%s::bigint[])", list(chosen))
        return {seq: live_entry(row, tx.now) if table == "messages" else letter_entry(row) for seq, *row in rows}

    def read_letters(begins_after: Place, most: int) -> Sequence[Sequence[object]]:
        return dead_kinds.read_places(tx, kinds, begins_after, most, since)

    if kinds.are_all:
        return page(state, queue, after, limit, Reads(tx.now, False, read_letters, read_due, read_entries))
    return page(state, queue, after, limit, Reads(tx.now, is_filtered, read_places, read_due, read_entries))


def _statement(listing: Listing) -> str:
    """Return the statement that reads places, each with: does the message fit?"""
    columns = ", ".join(listing.place)
    order = ", ".join(f"{column} DESC" if listing.latest_first else column for column in listing.place)
    those = listing.those.replace(":queue", "%s").replace(":since", "%s")
    return f"""
        SELECT {_FITS}, {columns} FROM fq.{listing.table}
        WHERE {those} AND ({columns}) {"<" if listing.latest_first else ">"} ({", ".join("%s" for _ in listing.place)}) ORDER BY {order} LIMIT %s
    """


def peek(tx: Transaction, message_id: str, since: int) -> Entry | None:
    """See `Browser.peek`; letters died after *since*."""
    row = tx.first(f"SELECT {LIVE} FROM {_FROM['messages']} WHERE message_id = %s", message_id)
    if row is not None:
        return live_entry(row, tx.now)
    row = tx.first(f"SELECT {LETTER} FROM fq.dead WHERE message_id = %s AND died_at > %s", message_id, since)
    return None if row is None else letter_entry(row)
