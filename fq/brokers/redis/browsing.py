"""
Pages of messages, by ``lua/browse.lua`` and ``lua/browse_claims.lua``.

Each script looks at some of one queue, or of what one worker has claimed. What several of them find is merged as far as all of them have looked.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import itemgetter
from typing import TypeAlias, cast

from attrs import evolve, frozen

from fq.brokers.browsing import MAX_LOOKED_AT, MAX_PAGE_BYTES, BrowsedState, Entry, Page, Place, no_cursor, read_cursor
from fq.brokers.records import DeadLetter, Status
from fq.brokers.redis.inspection import locate, queue_names, queues_of, worker_names
from fq.brokers.redis.namespace import Namespace
from fq.brokers.redis.stored_records import AWAY, SEQUENCE_DIGITS, read_fault, read_letter, read_priority, read_record, record_of_letter
from fq.core.fault import Fault

BYTES = "latin-1"
"""How the members of a place are written in a cursor: each byte is a character, so that texts are in the order of bytes."""

LOOKS_PER_SCRIPT = 250
"""How many messages one script looks at, at most."""

PAD_FIELD = b""
"""A field of what a worker has claimed that is no message."""

BEFORE_ALL = (-(2**53), "")
"""A place that comes before all."""

REST = "~"
"""The members of the places of what is due, beyond what the script ``browse`` merges into what is ready, begin with this in a cursor."""

IS_FOLLOWED_BY_REST = 2
"""As what the script says of the end."""


@frozen
class Search:
    """What is looked for: messages in *state*, of one *actor* or type of *error* unless that is ``""``."""

    state: BrowsedState
    actor: str
    error: str

    def wanted(self, look_limit: int, limit: int) -> tuple[str | int, ...]:
        """Return the first arguments of a script."""
        return (self.actor, self.error, int(self.state == "retrying"), look_limit, limit)

    def arguments(self, place: Place, look_limit: int, limit: int) -> tuple[str | bytes | int, ...]:
        """Return the arguments of a script that goes on after *place* in a queue."""
        score, text = (place[0], cast(str, place[1])) if place else ("", "")
        state: str = "delayed" if self.state == "retrying" else self.state
        if self.is_in_rest(place):
            state, score, text = "due", "" if text == REST else score, text.removeprefix(REST)
        if self.state == "dead" and place:
            score = -cast(int, score)  # the latest come first
        return (*self.wanted(look_limit, limit), state, score, text.encode(BYTES))

    def is_in_rest(self, place: Place) -> bool:
        """Is *place* one of what is due and comes after all that is ready?"""
        return self.state == "ready" and bool(place) and cast(str, place[1]).startswith(REST)


@frozen
class Found:
    """
    What has been found: *entries* with their places, the *last* place that was looked at, and whether that is the last of all.

    *places* are all that were looked at.
    """

    entries: list[tuple[Place, Entry]]
    last: Place
    is_end: bool
    places: list[Place]

    @property
    def size(self) -> int:
        """How many bytes the bodies come to."""
        return sum(len(entry.body) for _, entry in self.entries)

    def then(self, after: "Found") -> "Found":
        """Return this and what was found *after* it."""
        return Found(self.entries + after.entries, after.last or self.last, after.is_end, self.places + after.places)


NOTHING = Found([], (), False, [])


@frozen
class Bounds:
    """What a look may take: how many messages it looks at, for how many that fit, and how many bytes."""

    look_limit: int
    limit: int
    size: int = MAX_PAGE_BYTES


Look: TypeAlias = Callable[[str, Place, int, int], Found]
"""Looks, by one script, at some of what belongs to a queue, or a worker, of this name: after a place, at so many messages at most, for so many that fit."""


def browse(namespace: Namespace, search: Search, queue: str | None, after: str, limit: int) -> Page:
    """See `Browser.browse`."""
    cursor = read_cursor(after, *((str, int, str) if search.state == "ready" else (int, str)))
    if cursor and not all(ord(character) < 256 for character in cast(str, cursor[-1])):
        raise no_cursor(after)
    if limit <= 0:
        return Page((), after)
    if search.state == "running":
        return _merged(partial(_look_at_worker, namespace, search, queue), worker_names(namespace), cursor, limit)
    look = partial(_look_at_queue, namespace, search)
    names = queue_names(namespace) if queue is None else [queue]
    return _one_by_one(look, names, cursor, limit) if search.state == "ready" else _merged(look, names, cursor, limit)


def _one_by_one(look: Look, names: Sequence[str], cursor: Place, limit: int) -> Page:
    """Return what *look* finds of *names*, one after the other; the name comes first in a place."""
    found, left, size = list[Entry](), MAX_LOOKED_AT, MAX_PAGE_BYTES
    for name in names:
        if cursor and name < cast(str, cursor[0]):
            continue
        if left <= 0 or size <= 0 or len(found) == limit:
            return Page(tuple(found), json.dumps((name, *BEFORE_ALL)), MAX_LOOKED_AT - left)
        part = _looked(look, name, cursor[1:] if cursor and name == cursor[0] else (), Bounds(left, limit - len(found), size))
        found += [entry for _, entry in part.entries]
        left, size = left - len(part.places), size - part.size
        if not part.is_end:
            return Page(tuple(found), json.dumps((name, *part.last)), MAX_LOOKED_AT - left)
    return Page(tuple(found), "", MAX_LOOKED_AT - left)


def _merged(look: Look, names: Sequence[str], cursor: Place, limit: int) -> Page:
    """Return what *look* finds of all *names*, by place, as far as none of them has anything before that which was not looked at."""
    share = max(1, len(names))
    bounds = Bounds(max(1, MAX_LOOKED_AT // share), limit, MAX_PAGE_BYTES // share)
    parts = [_looked(look, name, cursor, bounds) for name in names]
    unknown_after = min((part.last for part in parts if not part.is_end), default=None)
    merged = sorted((pair for part in parts for pair in part.entries), key=itemgetter(0))
    known = [pair for pair in merged if unknown_after is None or pair[0] <= unknown_after]
    shown = known[:limit]
    end = shown[-1][0] if len(known) > limit else unknown_after
    looked_at = sum(end is None or place <= end for part in parts for place in part.places)
    return Page(tuple(entry for _, entry in shown), "" if end is None else json.dumps(end), looked_at)


def _looked(look: Look, name: str, place: Place, bounds: Bounds) -> Found:
    """Return what *look* finds of *name* after *place*, by several scripts, so that none of them takes long."""
    found = NOTHING
    while not found.is_end:
        look_limit, limit = bounds.look_limit - len(found.places), bounds.limit - len(found.entries)
        if look_limit <= 0 or limit <= 0 or found.size >= bounds.size:
            break
        found = found.then(look(name, found.last or place, min(look_limit, LOOKS_PER_SCRIPT), limit))
    return found


def _look_at_queue(namespace: Namespace, search: Search, name: str, place: Place, look_limit: int, limit: int) -> Found:
    reply = namespace.run_for("browse", (name,), *search.arguments(place, look_limit, limit))
    found = _found(search, reply, "", REST if search.is_in_rest(place) else "")
    is_followed = cast(list[object], reply)[3] == IS_FOLLOWED_BY_REST
    return evolve(found, last=(0, REST)) if is_followed else found


def _look_at_worker(
    namespace: Namespace, search: Search, queue: str | None, worker: str, place: Place, look_limit: int, limit: int
) -> Found:
    names = [name for name in queues_of(namespace, worker) if queue in (None, name)]
    claims = sorted(claim for name in names for claim in _claims(namespace, name, worker) if not place or claim[:2] > place)
    call = namespace.arguments(names)
    chosen: list[str | bytes | int] = []
    for token, member, name in claims[:look_limit]:
        chosen += (call.queue_number(name), member.encode(BYTES), token)
    reply = namespace.run("browse_claims", call, (*search.wanted(look_limit, limit), *chosen), worker)
    found = _found(search, reply, worker)
    return found if len(claims) <= look_limit else evolve(found, is_end=False)


def _claims(namespace: Namespace, name: str, worker: str) -> Iterator[tuple[int, str, str]]:
    """Yield what *worker* has claimed of the queue *name*: its token, its id as in a cursor, and *name*."""
    fields = cast(list[bytes], namespace.client.command("HGETALL", namespace.keys.claimed(name, worker)))
    for message_id, token in zip(fields[::2], fields[1::2], strict=True):
        if message_id != PAD_FIELD and token.isdigit():
            yield int(token), message_id.decode(BYTES), name


def _found(search: Search, reply: object, worker: str, prefix: str = "") -> Found:
    rows, score, member, is_end, looked_at = cast(tuple[list[list[bytes]], bytes, bytes, int, list[list[bytes]]], reply)
    entries = [(_place(search, row[0], row[1], prefix), _entry(search, row, worker)) for row in rows]
    last = _place(search, score, member, prefix) if score else ()
    return Found(entries, last, is_end == 1, [_place(search, score, member, prefix) for score, member in looked_at])


def _place(search: Search, score: bytes, member: bytes, prefix: str) -> Place:
    number = int(float(score))
    return (-number if search.state == "dead" else number, prefix + member.decode(BYTES))


def _entry(search: Search, row: Sequence[bytes], worker: str) -> Entry:
    score, member, id_, stored, deliveries, fault = row
    if search.state == "dead":
        return entry_of_letter(id_, stored)
    since = int(member[:SEQUENCE_DIGITS]) // 1_000 if search.state == "ready" else int(float(score))
    if search.state == "running":
        return entry_of_message(id_, "running", stored, int(deliveries) + 1, since // 1_000, worker, fault, token=since)
    return entry_of_message(id_, "ready" if search.state == "ready" else "delayed", stored, int(deliveries), since, "", fault)


def entry_of_letter(message_id: bytes, stored: bytes) -> Entry:
    """Return the entry of a dead letter."""
    letter = read_letter(message_id, stored)
    status = Status(letter.message_id, "dead", letter.queue_name, letter.actor_name, fault=letter.fault)
    return Entry(status, read_priority(record_of_letter(stored)), letter.died_at, letter.body)


def entry_of_message(
    message_id: bytes, state: str, record: bytes, deliveries: int, since: int, worker: str, fault: bytes, token: int = 0
) -> Entry:
    """Return the entry of a message; *since* is a time in ms."""
    queue, actor, body = read_record(record)
    since = 0 if since == AWAY else since
    status = Status(
        message_id.decode("utf-8", "backslashreplace"),
        state,
        queue,
        actor,
        deliveries,
        since if state == "delayed" else 0,
        worker,
        read_fault(fault),
        token=token,
    )
    return Entry(status, read_priority(record), since, body)


def dead_letters(namespace: Namespace, search: Search, queue: str | None, limit: int, until: int | None) -> tuple[DeadLetter, ...]:
    """Return up to *limit* dead letters, the latest first, of those that died by *until* if given."""
    found: list[DeadLetter] = []
    after, is_end = "", False
    while len(found) < limit and not is_end:
        page = browse(namespace, search, queue, after, min(MAX_LOOKED_AT, limit - len(found)) if until is None else MAX_LOOKED_AT)
        found += [_letter_of(entry) for entry in page.entries if until is None or entry.since <= until]
        after, is_end = page.after, page.after == ""
    return tuple(found[: max(0, limit)])


def _letter_of(entry: Entry) -> DeadLetter:
    status = entry.status
    return DeadLetter(status.message_id, status.queue_name, status.actor_name, entry.body, status.fault or Fault("", ""), entry.since)


def peek(namespace: Namespace, message_id: str) -> Entry | None:
    """See `Browser.peek`."""
    state, *rest = locate(namespace, message_id)
    if len(rest) < 2:
        return None
    record, deliveries, due, worker, fault, since = cast(tuple[bytes, int, int, bytes, bytes, bytes], rest)
    if state == b"dead":
        found = read_fault(fault)
        queue, actor, body = read_record(record)
        return Entry(Status(message_id, "dead", queue, actor, fault=found), read_priority(record), int(since), body)
    at, token = due if state == b"delayed" else int(since) // 1_000, int(since) if state == b"running" else 0
    return entry_of_message(message_id.encode(), cast(bytes, state).decode(), record, deliveries, at, worker.decode(), fault, token)
