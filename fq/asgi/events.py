"""`task_events`: what is told of a task while it lasts, one after the other, as server-sent events."""

import asyncio
import dataclasses
import json
import re
from collections.abc import AsyncGenerator, Iterator, Sequence

from attrs import define, field, frozen

from fq.asgi.shown import finite
from fq.asgi.view import TaskView, Viewer
from fq.brokers.operations import message_key
from fq.calls.handle import Handle
from fq.calls.reading_progress import CHUNKS_PER_CALL
from fq.calls.watch import Watch, watching
from fq.errors import ResultError
from fq.wire.progress import Chunk, decode_chunk

END = "end"
"""The name, and the id, of the last event."""

POSITION = re.compile(r"(\d{1,19})\.(\d{1,19})")
"""The id of a value of a stream: the epoch and the number of the value."""


@frozen
class ServerEvent:
    r"""
    One event. A browser sends the *id* of the latest one back when it connects again.

    >>> ServerEvent("value", "a\nb", "7.0").encode()
    b'event: value\nid: 7.0\ndata: "a\\nb"\n\n'
    """

    name: str
    data: object
    id: str = ""

    def encode(self) -> bytes:
        """Return the event as it is sent."""
        place = f"id: {self.id}\n" if self.id else ""
        return f"event: {self.name}\n{place}data: {json.dumps(self.data, separators=(',', ':'))}\n\n".encode()


def viewed(name: str, view: TaskView, event_id: str = "") -> ServerEvent:
    """Return an event that shows *view*."""
    return ServerEvent(name, dataclasses.asdict(view), event_id)


async def task_events(viewer: Viewer, link: str, handle: Handle[object], last_id: str, interval: int) -> AsyncGenerator[ServerEvent, None]:
    """Yield the events of a task, looking every *interval* ms, from *last_id* on; the last one shows how it has ended."""
    found = POSITION.fullmatch(last_id)
    news = News(viewer, link, handle, (int(found[1]), int(found[2])) if found else None)
    try:
        async for item in Watch[object](watching(handle, news, None, interval)):
            if isinstance(item, ServerEvent):
                yield item
    except ResultError:
        pass  # the view says so
    yield viewed(END, await asyncio.to_thread(viewer.current, link, handle), END)


@define
class News:
    """Mutable: what a watcher of a task has not seen yet. *after* is the position of the latest value that the client has."""

    viewer: Viewer
    link: str
    handle: Handle[object]
    after: tuple[int, int] | None
    seen: TaskView | None = field(default=None, init=False)
    cursor: tuple[int, str] | None = field(default=None, init=False)

    def look(self) -> Sequence[object]:
        """Return the events since the last look."""
        return (*self._states(), *self._values())

    def restarted(self) -> None:
        """See `Source.restarted`: an event says so here."""

    def _states(self) -> Iterator[ServerEvent]:
        view = self.viewer.unended(self.link, self.handle)
        if not view.has_ended and view != self.seen:
            self.seen = view
            yield viewed("progress", view)

    def _values(self) -> Iterator[ServerEvent]:
        for chunk in self._chunks():
            position = (chunk.epoch, chunk.number)
            if self.after is not None and chunk.epoch > self.after[0]:
                yield ServerEvent("restart", None)
            if self.after is None or position > self.after:
                self.after = position
                yield ServerEvent("value", finite(chunk.value), f"{chunk.epoch}.{chunk.number}")

    def _chunks(self) -> Iterator[Chunk]:
        index, broker = message_key("stream", self.handle.message_id), self.handle.app.broker
        while marks := broker.marks_in(index, after=self.cursor, limit=CHUNKS_PER_CALL):
            self.cursor = (marks[-1].order, marks[-1].key)
            yield from (decode_chunk(mark.body) for mark in marks)
            if len(marks) < CHUNKS_PER_CALL:
                return
