"""`EventStream`: an answer that sends events as they come, and ends with them, with the client, with the server, or after a while."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import suppress

from attrs import frozen
from starlette.types import Receive, Scope, Send

from fq.asgi.closing import Closing
from fq.asgi.events import ServerEvent
from fq.errors import BrokerUnavailable
from fq.runtime.logger import logger

log = logger("fq.asgi")

HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),  # nginx would hold events back
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)

KEEP_ALIVE = b": still here\n\n"
"""A comment, which clients ignore: so proxies do not take the connection for dead."""


@frozen
class EventStream:
    """
    Answers a request with *events*. It ends after *longest* seconds, too: browsers connect again and go on from the latest event.

    A comment is sent where nothing else was for *keep_alive* seconds.
    """

    events: AsyncGenerator[ServerEvent, None]
    closing: Closing
    keep_alive: float
    longest: float

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
        await send({"type": "http.response.body", "body": b"retry: 2000\n\n", "more_body": True})
        with self.closing.begun.listening() as closed:
            try:
                await first_of(self._send_events(send), disconnected(receive), is_set(closed), timeout=self.longest)
            except BrokerUnavailable as error:
                log.error("a stream of events ends, and its client will connect again: %s", error)
        with suppress(OSError):  # the client has left
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_events(self, send: Send) -> None:
        latest = asyncio.ensure_future(anext(self.events, None))
        try:
            while True:
                await asyncio.wait((latest,), timeout=self.keep_alive)
                body = KEEP_ALIVE
                if latest.done():
                    if (event := latest.result()) is None:
                        return
                    body, latest = event.encode(), asyncio.ensure_future(anext(self.events, None))
                await send({"type": "http.response.body", "body": body, "more_body": True})
        finally:
            await _cancelled(latest)
            await self.events.aclose()


async def first_of(*coroutines: Coroutine[None, None, None], timeout: float | None = None) -> None:
    """
    Run *coroutines* at once until the first one has ended, or *timeout* seconds have passed, and cancel the others.

    Raises what the first one raises, but for an `OSError`: the client has left.
    """
    tasks = [asyncio.ensure_future(each) for each in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            await _cancelled(task)
    for task in done:
        with suppress(OSError):
            task.result()


async def _cancelled(task: "asyncio.Future[ServerEvent | None] | asyncio.Future[None]") -> None:
    """Cancel *task* and wait for its end."""
    task.cancel()
    await asyncio.wait((task,))
    if not task.cancelled():
        task.exception()  # asyncio must not log it as lost


async def disconnected(receive: Receive) -> None:
    """Return when the client has left."""
    body_ended = False
    while (message := await receive())["type"] != "http.disconnect":
        if body_ended:  # a middleware that repeats the body for ever: it does not tell
            await asyncio.Event().wait()
        body_ended = not message.get("more_body", False)


async def is_set(event: asyncio.Event) -> None:
    """Return when *event* is set."""
    await event.wait()
