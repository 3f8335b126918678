"""
`browse`: pages of messages out of all shards. Pure, but for the looks.

The entries of the shards are merged; those of one shard stay in its order. The cursor is a JSON list: of each shard the cursor of its next page, null where
there is none.
"""

import json
from collections.abc import Callable
from typing import TypeAlias

from attrs import Factory, define

from fq.brokers.browsing import MAX_LOOKED_AT, MAX_PAGE_BYTES, BrowsedState, Entry, Page, no_cursor
from fq.brokers.redis.shards.carriers import OUTBOX

Look: TypeAlias = Callable[[int, str, int], Page]
"""Returns a page of one shard: its number, the cursor, how many entries at most."""


FIRST = "[]"
"""A cursor that stands for the first page."""


@define
class Part:
    """
    The page of one shard, from the cursor *after* on, and how many entries of it are *taken*. Mutable.

    A shard without a *page* has no more.
    """

    after: str
    page: Page | None
    taken: int = Factory(int)

    def head(self) -> Entry | None:
        """Return the next entry, None if this page has no more."""
        return None if self.page is None or self.taken >= len(self.page.entries) else self.page.entries[self.taken]

    @property
    def is_unknown(self) -> bool:
        """Has the shard more messages than this page, all of which are taken?"""
        return self.head() is None and self.page is not None and self.page.after != ""


def browse(look: Look, count: int, state: BrowsedState, after: str, limit: int) -> Page:
    """Return a page of *count* shards, as `Browser.browse` does."""
    cursors, limit = _read_cursors(after, count), min(limit, MAX_LOOKED_AT)
    if limit <= 0:
        return Page((), after)
    parts = [Part(cursor or "", None if cursor is None else look(shard, _cursor(cursor), limit)) for shard, cursor in enumerate(cursors)]
    entries = _merged(parts, state, limit)
    taken = [_taken(look, shard, part) for shard, part in enumerate(parts)]
    rest = [page.after or None for page in taken]
    return Page(tuple(entries), json.dumps(rest) if any(rest) else "", sum(page.looked_at for page in taken))


def _cursor(text: str) -> str:
    return "" if text == FIRST else text


def _read_cursors(after: str, count: int) -> list[str | None]:
    if not after:
        return [FIRST] * count
    try:
        found = json.loads(after)
    except (ValueError, RecursionError):
        raise no_cursor(after) from None
    if not isinstance(found, list) or len(found) != count or not all(each is None or (isinstance(each, str)) for each in found):
        raise no_cursor(after)
    return found


def _merged(parts: list[Part], state: BrowsedState, limit: int) -> list[Entry]:
    """Take entries out of *parts*, the first of all heads each time, until one of them does not know its next one."""
    entries: list[Entry] = []
    size = 0
    while len(entries) < limit and size < MAX_PAGE_BYTES and not any(part.is_unknown for part in parts):
        heads = [(head, part) for part in parts if (head := part.head()) is not None]
        if not heads:
            break
        head, part = min(heads, key=lambda pair: _place(pair[0], state))
        if head.status.queue_name != OUTBOX:
            size += len(head.body)
            entries.append(head)
        part.taken += 1
    return entries


def _place(entry: Entry, state: BrowsedState) -> tuple[str, int, int]:
    if state == "ready":
        return entry.status.queue_name, entry.priority, entry.since
    return "", 0, -entry.since if state == "dead" else entry.since


def _taken(look: Look, shard: int, part: Part) -> Page:
    """Return the page that ends with the last entry which is taken of *part*."""
    if part.page is None or part.taken == len(part.page.entries):
        return part.page or Page(())
    return look(shard, _cursor(part.after), part.taken) if part.taken else Page((), part.after)
