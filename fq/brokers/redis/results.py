"""`Results`: reading results, and waiting for them: many threads and coroutines, one connection. Mutable shell."""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import cast

from fq.brokers.redis.namespace import Server
from fq.brokers.redis.scripts import script
from fq.brokers.waiters import MAX_SLEEP_SECONDS, ResultWaiters
from fq.errors import BrokerUnavailable

REGISTERED = 2 * round(MAX_SLEEP_SECONDS * 1_000)
"""How long a reader stays registered, ms. A live one registers again every `MAX_SLEEP_SECONDS`; one that is gone expires."""

AT_ONCE = 5_000
"""How many results one script looks for, which takes a few ms."""

MARK = ord("1")
"""What that script says of a result that is there."""

TOGETHER = 1_000
"""How many results are read in one round trip."""

LISTEN_SECONDS = 1.0
"""For so long a reader waits until it is heard what is published; then it looks nevertheless, and again once it is heard."""


class Results:
    """
    The results of messages. Whoever waits for one registers as its reader and is told of it on *channel*, which must be heard before.

    *hears* says whether this process hears a channel, *listen* returns once it does, within so many seconds.
    """

    def __init__(self, server: Server, hears: Callable[[str], bool], listen: Callable[[str, float], None]) -> None:
        self._server = server
        self._hears = hears
        self._listen = listen
        self._awaited = ResultWaiters(self._find)
        self.channel = server.keys.reader(uuid.uuid4().hex)

    def get(self, message_id: str) -> bytes | None:
        """Return the result kept for *message_id*, None if there is none."""
        found = cast(bytes | None, self._server.line.command(b"GET", self._server.keys.result(message_id)))
        return found[1:] if found is not None and found[:1] == b"R" else None

    def ids_with_results(self, message_ids: Sequence[str]) -> set[str]:
        """Return those of *message_ids* of which a result is kept."""
        found: set[str] = set()
        for first in range(0, len(message_ids), AT_ONCE):
            part = message_ids[first : first + AT_ONCE]
            marks = cast(bytes, self._server.line.call(script("kept"), tuple(map(self._server.keys.result, part)), ()))
            found.update(message_id for message_id, mark in zip(part, marks, strict=True) if mark == MARK)
        return found

    def wait(self, message_id: str, timeout: int) -> bytes | None:
        """Return the result kept for *message_id*, waiting up to *timeout* ms for it."""
        return self._awaited.wait(message_id, timeout) if timeout > 0 else self.get(message_id)

    async def wait_async(self, message_id: str, timeout: int) -> bytes | None:
        """`wait`, for coroutines."""
        return await self._awaited.wait_async(message_id, timeout)

    def heard(self, text: bytes) -> None:
        """Hand on the news of a result: id and, unless it is large, the result."""
        name, mark, body = text.partition(b"\0")
        if mark:
            self._awaited.resolve(name.decode(), body)
        else:
            self._awaited.look({name.decode(): 0})

    def look_again(self) -> None:
        """Look for everything that is awaited: news may have been missed."""
        self._awaited.look(dict.fromkeys(self._awaited.ids(), REGISTERED))

    def close(self) -> None:
        """End the thread that looks on behalf of coroutines."""
        self._awaited.close()

    def _find(self, asked: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
        """Yield the results that are there; of others, register as a reader who waits for so many ms, in the same step."""
        if any(asked.values()) and not self._hears(self.channel):
            with suppress(BrokerUnavailable):
                self._listen(self.channel, LISTEN_SECONDS)
        ids = list(asked)
        for first in range(0, len(ids), TOGETHER):
            part = ids[first : first + TOGETHER]
            waits = [min(asked[id_] + 1_000, REGISTERED) if asked[id_] else 0 for id_ in part]
            keys = [self._server.keys.result(id_) for id_ in part]
            found = cast(list[bytes | None], self._server.line.call(script("await"), keys, (self.channel, *waits)))
            yield from ((id_, body) for id_, body in zip(part, found, strict=True) if body is not None)
