"""`ResultReader`: reads results and waits for them, for any number of threads and coroutines over one connection. Mutable shell."""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import cast

from fq.brokers.redis.namespace import Namespace
from fq.brokers.redis.scripts import script
from fq.brokers.waiters import MAX_SLEEP_SECONDS, ResultWaiters
from fq.errors import BrokerUnavailable

MAX_REGISTERED_MS = 2 * round(MAX_SLEEP_SECONDS * 1_000)
"""A reader is registered for this long at most: it registers again every `MAX_SLEEP_SECONDS`, and the server forgets one that is gone."""

MAX_FLAGS = 5_000
"""One script says of at most this many messages whether they have results, which takes a few ms."""

RESULT_FLAG = ord("1")
"""What that script says of a result that is there."""

MAX_RESULTS = 1_000
"""One round trip reads at most this many results."""


class ResultReader:
    """
    Reads the results of messages. A reader that waits for one registers with *channel*, where it is published; it must be subscribed to before.

    *is_subscribed* says whether this process is subscribed to a channel, *subscribe* returns once it is, within a number of seconds.
    """

    def __init__(self, namespace: Namespace, is_subscribed: Callable[[str], bool], subscribe: Callable[[str, float], None]) -> None:
        self._namespace = namespace
        self._is_subscribed = is_subscribed
        self._subscribe = subscribe
        self._waiters = ResultWaiters(self._find)
        self.channel = namespace.keys.result_channel(uuid.uuid4().hex)

    def get(self, message_id: str) -> bytes | None:
        """Return the result kept for *message_id*, None if there is none."""
        found = cast(bytes | None, self._namespace.client.command(b"GET", self._namespace.keys.result(message_id)))
        return found[1:] if found is not None and found[:1] == b"R" else None

    def ids_with_results(self, message_ids: Sequence[str]) -> set[str]:
        """Return those of *message_ids* of which a result is kept."""
        found: set[str] = set()
        for first in range(0, len(message_ids), MAX_FLAGS):
            part = message_ids[first : first + MAX_FLAGS]
            flags = cast(bytes, self._namespace.client.call(script("result_flags"), tuple(map(self._namespace.keys.result, part)), ()))
            found.update(message_id for message_id, flag in zip(part, flags, strict=True) if flag == RESULT_FLAG)
        return found

    def wait(self, message_id: str, timeout: int) -> bytes | None:
        """Return the result kept for *message_id*, waiting up to *timeout* ms for it."""
        return self._waiters.wait(message_id, timeout) if timeout > 0 else self.get(message_id)

    async def wait_async(self, message_id: str, timeout: int) -> bytes | None:
        """`wait`, for coroutines."""
        return await self._waiters.wait_async(message_id, timeout)

    def on_message(self, text: bytes) -> None:
        """Take in what was published on `channel`: the id of a message and, unless it is large, its result."""
        name, mark, body = text.partition(b"\0")
        if mark:
            self._waiters.resolve(name.decode(), body)
        else:
            self._waiters.look({name.decode(): 0})

    def look_again(self) -> None:
        """Look for all results that are awaited: messages may have been missed."""
        self._waiters.look(dict.fromkeys(self._waiters.ids(), MAX_REGISTERED_MS))

    def close(self) -> None:
        """End the thread that looks on behalf of coroutines."""
        self._waiters.close()

    def _find(self, waits: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
        """Yield the results that are there; where there is none yet, register as a reader that waits that many ms, in the same step."""
        if any(waits.values()) and not self._is_subscribed(self.channel):
            with suppress(BrokerUnavailable):
                self._subscribe(self.channel, self._namespace.tuning.subscribe_seconds)
        ids = list(waits)
        for first in range(0, len(ids), MAX_RESULTS):
            part = ids[first : first + MAX_RESULTS]
            wait_ms = [min(waits[id_] + 1_000, MAX_REGISTERED_MS) if waits[id_] else 0 for id_ in part]
            keys = [self._namespace.keys.result(id_) for id_ in part]
            found = cast(list[bytes | None], self._namespace.client.call(script("await_result"), keys, (self.channel, *wait_ms)))
            yield from ((id_, body) for id_, body in zip(part, found, strict=True) if body is not None)
