"""
Pages of messages and dead letters: each is read along an index, from the place where the page before ended. Pure, but for what the callers read.

The places come first, without bodies and at most `MAX_LOOKED_AT` of them; then the messages that fit.

A message that is due is ready, also before a turn makes it so. The first `MAX_LOOKED_AT` of these are merged into those that a turn has made ready, since the
next turns will; the rest come after all, in the order of their time: to sort them would take all of them.
"""

import json
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

from attrs import frozen

from fq.brokers.browsing import MAX_LOOKED_AT, MAX_PAGE_BYTES, BrowsedState, Entry, Page, Place, no_cursor, read_cursor
from fq.brokers.planning.states import DELAYED, NEVER, READY, RUNNING
from fq.brokers.planning.statuses import letter_status, live_status

READ_AT_ONCE = 50
"""How many messages one statement reads with their bodies."""

LIVE = "message_id, state, queue, actor, deliveries, due, worker, fault, token, priority, claimed, body"
"""The columns of `live_entry`."""

LETTER = "message_id, queue, actor, fault, priority, died_at, body"
"""The columns of `letter_entry`."""

ReadPlaces: TypeAlias = Callable[[Place, int], Sequence[Sequence[Any]]]
"""Reads up to so many places after this one, each with: does the message fit?"""

ReadDue: TypeAlias = Callable[[Place, int], Sequence[tuple[bool, int, str, int, int]]]
"""Reads up to so many of those that are due and that no turn has made ready, after this place: each with the question, *due*, *queue*, *seq*, priority."""

ReadEntries: TypeAlias = Callable[[Sequence[int]], dict[int, Entry]]
"""Reads the entries that have these ``seq``."""


@frozen
class Listing:
    """
    How the messages of a state are listed: *those* rows of a *table* by the columns of their *place*; *first* comes before all places.

    Running messages have no index in this order: all are sorted, and workers do not hold many.
    """

    table: str
    those: str
    place: tuple[str, ...]
    first: Place
    latest_first: bool = False


_DUE = ("due", "queue", "seq")

LISTINGS = {
    "ready": Listing("messages", f"state = {READY}", ("queue", "priority", "due", "seq"), ("", -NEVER, 0, 0)),
    "ready in one queue": Listing("messages", f"state = {READY} AND queue = :queue", ("priority", "due", "seq"), (-NEVER, 0, 0)),
    "delayed": Listing("messages", f"state = {DELAYED}", _DUE, (-1, "", 0)),
    "retrying": Listing("messages", f"state = {DELAYED} AND fault IS NOT NULL", _DUE, (-1, "", 0)),
    "running": Listing("messages", f"state = {RUNNING}", ("claimed", "seq"), (-1, 0)),
    "dead": Listing("dead", "died_at > :since", ("died_at", "seq"), (NEVER, 0), latest_first=True),
}


def listing_of(state: BrowsedState, queue: str | None) -> Listing:
    """Return how the messages in *state* are listed, of one *queue* if given."""
    return LISTINGS["ready in one queue" if state == "ready" and queue is not None else state]


@frozen
class Reads:
    """How the caller reads what it is asked for, at the time *now*. Are its messages *filtered*, so that not all that are listed may fit?"""

    now: int
    filtered: bool
    places: ReadPlaces
    due: ReadDue
    entries: ReadEntries


def page(state: BrowsedState, queue: str | None, after: str, limit: int, reads: Reads) -> Page:
    """See `Browser.browse`."""
    first = FIRST_READY if state == "ready" else LISTINGS[state].first
    begins_after = _cursor(after, first)
    if limit <= 0:
        return Page((), after)
    most = (MAX_LOOKED_AT if reads.filtered else min(limit, MAX_LOOKED_AT)) + 1
    rows = _rows(state, queue, begins_after, most, reads)
    chosen: dict[int, int] = {}  # by ``seq``: how many messages had been looked at then
    looked_at = 0
    for number, (fits, *place) in enumerate(rows[:MAX_LOOKED_AT], 1):
        if len(chosen) == limit:
            break
        looked_at = number
        if fits:
            chosen[place[-1]] = number
    entries = _entries(list(chosen), reads.entries)
    if len(entries) < len(chosen):
        looked_at = list(chosen.values())[len(entries) - 1]
    return Page(entries, json.dumps(rows[looked_at - 1][1:]) if looked_at < len(rows) else "", looked_at)


def _rows(state: BrowsedState, queue: str | None, begins_after: Place, most: int, reads: Reads) -> Sequence[Sequence[Any]]:
    if state == "ready":
        return _ready_rows(queue, begins_after, most, reads)
    if state in ("delayed", "retrying"):
        begins_after = max(begins_after, (reads.now + 1, "", 0))  # what is due is ready
    return reads.places(begins_after, most)


MERGED, REST = 0, 1
"""The first part of the place of a ready message: is it in the order of (queue, priority, due), or one of the rest?"""

FIRST_READY: Place = (MERGED, "", -NEVER, 0, 0)
"""Before the places of all ready messages. The other parts are as in the listing ``"ready"``."""


def _ready_rows(queue: str | None, begins_after: Place, most: int, reads: Reads) -> Sequence[Sequence[Any]]:
    """Return up to *most* ready messages, each with: does it fit? and its place."""
    part, name, priority, due, seq = begins_after
    if part != MERGED:
        return _rest(reads.due((due, name, seq), most))
    place = (name, priority, due, seq)
    if queue is None:
        made = [(fits, MERGED, *rest) for fits, *rest in reads.places(place, most)]
    else:
        made = [(fits, MERGED, queue, *rest) for fits, *rest in reads.places(place[1:], most)]
    first = reads.due((-1, "", 0), MAX_LOOKED_AT)
    merged = [(fits, MERGED, name, priority, due, seq) for fits, due, name, seq, priority in first if queue in (None, name)]
    rows = sorted([*made, *(row for row in merged if row[1:] > begins_after)], key=itemgetter(slice(1, None)))[:most]
    if len(rows) == most or len(first) < MAX_LOOKED_AT:
        return rows
    return [*rows, *_rest(reads.due(first[-1][1:4], most - len(rows)))]


def _rest(found: Sequence[tuple[bool, int, str, int, int]]) -> Sequence[Sequence[Any]]:
    return [(fits, REST, name, priority, due, seq) for fits, due, name, seq, priority in found]


def _cursor(after: str, first: Place) -> Place:
    place = read_cursor(after) or first
    if list(map(type, place)) != list(map(type, first)):
        raise no_cursor(after)
    return place


def _entries(chosen: Sequence[int], read_entries: ReadEntries) -> tuple[Entry, ...]:
    """Return the entries that have these ``seq``, in this order, until their bodies come to the size of a page."""
    found: list[Entry] = []
    size = 0
    for first in range(0, len(chosen), READ_AT_ONCE):
        part = chosen[first : first + READ_AT_ONCE]
        entries = read_entries(part)
        for seq in part:
            found.append(entries[seq])
            size += len(entries[seq].body)
            if size >= MAX_PAGE_BYTES:
                return tuple(found)
    return tuple(found)


def live_entry(row: Sequence[Any], now: int) -> Entry:
    """Return the entry of a message that waits or runs."""
    *fields, priority, claimed, body = row
    status, due = live_status(*fields, now=now), fields[5]
    since = claimed if status.state == "running" else status.due if status.state == "delayed" else due
    return Entry(status, priority, since, body)


def letter_entry(row: Sequence[Any]) -> Entry:
    """Return the entry of a dead letter."""
    message_id, queue, actor, fault, priority, died_at, body = row
    return Entry(letter_status(message_id, queue, actor, fault), priority, died_at, body)
