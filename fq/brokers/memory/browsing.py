"""`Browsing`: looking at the messages of a `MemoryBroker`, page by page. A cursor is the place of the last message that was looked at."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import TypeAlias, cast

from fq.brokers.browsing import MAX_LOOKED_AT, MAX_PAGE_BYTES, BrowsedState, Entry, Page, Place, read_cursor
from fq.brokers.memory.items import Item
from fq.brokers.memory.operations import Operators
from fq.brokers.records import DeadKind, DeadLetter, Status
from fq.core.fault import Fault

Found: TypeAlias = Item | DeadLetter | None
"""A message or a dead letter; None where one was that has gone elsewhere since."""


class Browsing(Operators):
    """See `fq.brokers.browsing.Browser`."""

    def browse(
        self, state: BrowsedState, queue: str | None, actor: str | None, error: str | None, after: str, limit: int, now: int
    ) -> Page:
        """See `Browser.browse`."""
        cursor = read_cursor(after, *((str, int, int, int) if state == "ready" else (int, int)))
        if limit <= 0:
            return Page((), after)
        entries: list[Entry] = []
        last: Place = ()
        steps = looked_at = size = 0
        places = self._places(state, queue, cursor, now) if state != "dead" else self._dead_places((queue, actor, error), cursor, now)
        for place, found in places:
            if place != last and (len(entries) == limit or steps >= MAX_LOOKED_AT or size >= MAX_PAGE_BYTES):
                return Page(tuple(entries), json.dumps(last), looked_at)
            last, steps = place, steps + 1
            looked_at += found is not None
            if found is not None and (state != "retrying" or found.fault is not None) and _fits(found, queue, actor, error):
                entries.append(self._entry(found))
                size += len(found.body)
        return Page(tuple(entries), "", looked_at)

    def count_waiting(self, queue: str) -> int:
        """Return how many messages wait in *queue*."""
        counts = self._queues[queue].counts if queue in self._queues else Counter[str]()
        return counts["ready"] + counts["delayed"]

    def purge_some(self, state: BrowsedState, queue: str, after: str, limit: int, now: int) -> tuple[int, str | None]:
        """Delete up to *limit* messages in *state* of *queue*, and return how many, and from where to go on; None at the end."""
        page = self.browse(state, queue, None, None, after, limit, now)
        for entry in page.entries:
            self._delete(self._items[entry.status.message_id], now)
        return len(page.entries), page.after or None

    def _places(self, state: BrowsedState, queue: str | None, cursor: Place, now: int) -> Iterator[tuple[Place, Found]]:
        """Yield what comes after *cursor*, with its place."""
        if state == "ready":
            return self._ready_places(queue, cursor)
        position = cast("tuple[int, int] | None", cursor or None)
        return self._running_places(cursor) if state == "running" else self._delayed_places(position)

    def _ready_places(self, queue: str | None, cursor: Place) -> Iterator[tuple[Place, Found]]:
        for name in sorted(self._queues) if queue is None else [queue]:
            if name in self._queues and (not cursor or name >= cast(str, cursor[0])):
                start = cast("tuple[int, int, int]", cursor[1:]) if cursor and name == cursor[0] else None
                for place, item in self._queues[name].ready_after(start):
                    yield (name, *place), item

    def _running_places(self, cursor: Place) -> Iterator[tuple[Place, Found]]:
        held = [item for worker in self._workers.values() for item in worker.held.values()]
        return (((item.since, item.number), item) for item in sorted(held, key=_claim) if not cursor or _claim(item) > cursor)

    def _delayed_places(self, position: tuple[int, int] | None) -> Iterator[tuple[Place, Found]]:
        for due, number, item in self._delayed.after(position):
            yield (due, number), item if item.state == "delayed" and item.due == due else None

    def _dead_places(self, kind: tuple[str | None, str | None, str | None], cursor: Place, now: int) -> Iterator[tuple[Place, Found]]:
        at = cast("tuple[int, int] | None", cursor or None)
        position = (-at[0], -at[1]) if at else None
        for died_at, number, message_id in (
            self._died.before(position) if kind == (None, None, None) else self._kinds.letters(*kind, position)
        ):
            if died_at + self._dead_ttl <= now:
                return
            yield (-died_at, -number), self._dead[message_id][0]

    def _entry(self, found: Item | DeadLetter) -> Entry:
        return _entry_of_item(found) if isinstance(found, Item) else self._entry_of_letter(found)

    def _entry_of_letter(self, letter: DeadLetter) -> Entry:
        status = Status(letter.message_id, "dead", letter.queue_name, letter.actor_name, fault=letter.fault)
        return Entry(status, self._dead[letter.message_id][1], letter.died_at, letter.body)

    def dead_kinds(self) -> Iterator[DeadKind]:
        """See `Browser.dead_kinds`."""
        return self._kinds.kinds(lambda message_id: self._dead[message_id][0].fault.message)

    def peek(self, message_id: str, now: int) -> Entry | None:
        """See `Browser.peek`."""
        if item := self._items.get(message_id):
            return _entry_of_item(item)
        letter = next(self.dead_letters([message_id], now), None)
        return None if letter is None else self._entry_of_letter(letter)


def _claim(item: Item) -> tuple[int, int]:
    return item.since, item.number


def _entry_of_item(item: Item) -> Entry:
    status = item.status()
    return Entry(
        status, item.priority, item.since if item.state == "running" else status.due if item.state == "delayed" else item.due, item.body
    )


def _fits(found: Item | DeadLetter, queue: str | None, actor: str | None, error: str | None) -> bool:
    name = found.queue.name if isinstance(found, Item) else found.queue_name
    return queue in (None, name) and actor in (None, found.actor_name) and error in (None, _type_of(found.fault))


def _type_of(fault: Fault | None) -> str | None:
    return None if fault is None else fault.type
