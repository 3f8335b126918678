"""`Results`: reading results, and waiting for them: many threads and coroutines, one connection. Mutable shell."""

import asyncio
import uuid
from collections.abc import Callable
from typing import cast

from fq.brokers.redis.scripts import script
from fq.brokers.redis.server import Server
from fq.brokers.waiting import LONG, Awaited

REGISTERED = 2 * round(LONG * 1_000)
"""For how long, ms, a reader is registered at most: it looks again, and so registers again, every `LONG`, and one that is gone is forgotten in the end."""


class Results:
    """
    The results of messages. Whoever waits for one registers as its reader and is told of it on *channel*, which must be heard before.

    *hears* says whether this process hears a channel, *listen* returns once it does.
    """

    def __init__(self, server: Server, hears: Callable[[str], bool], listen: Callable[[str], None]) -> None:
        self._server = server
        self._hears = hears
        self._listen = listen
        self._awaited = Awaited()
        self.channel = server.keys.reader(uuid.uuid4().hex)

    def get(self, message_id: str) -> bytes | None:
        """Return the result kept for *message_id*, None if there is none."""
        found = cast(bytes | None, self._server.line.command(b"GET", self._server.keys.result(message_id)))
        return found[1:] if found is not None and found[:1] == b"R" else None

    def wait(self, message_id: str, timeout: int) -> bytes | None:
        """Return the result kept for *message_id*, waiting up to *timeout* ms for it."""
        if timeout <= 0:
            return self.get(message_id)
        if not self._hears(self.channel):
            self._listen(self.channel)
        return self._awaited.wait(message_id, timeout, lambda: self._look(message_id, timeout))

    async def await_(self, message_id: str, timeout: int) -> bytes | None:
        """`wait`, for coroutines."""
        if timeout <= 0:
            return await asyncio.to_thread(self.get, message_id)
        if not self._hears(self.channel):
            await asyncio.to_thread(self._listen, self.channel)
        return await self._awaited.await_(message_id, timeout, lambda: self._look(message_id, timeout))

    def heard(self, text: bytes) -> None:
        """Hand on the news of a result: id and, unless it is large, the result."""
        name, mark, body = text.partition(b"\0")
        message_id = name.decode()
        found = body if mark else self.get(message_id)
        if found is not None:
            self._awaited.deliver(message_id, found)

    def look_again(self) -> None:
        """Look for everything that is awaited: news may have been missed."""
        for message_id in self._awaited.ids():
            found = self._look(message_id, REGISTERED)
            if found is not None:
                self._awaited.deliver(message_id, found)

    def _look(self, message_id: str, timeout: int) -> bytes | None:
        """Return the result if it is there, else register as a reader of it, who waits *timeout* ms, in one step."""
        key = self._server.keys.result(message_id)
        return cast(bytes | None, self._server.line.call(script("await"), (key,), (self.channel, min(timeout + 1_000, REGISTERED))))
