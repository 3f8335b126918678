"""`answer`: lets an ASGI app answer a request that Django has routed, behind `wsgi.py` as behind `asgi.py`. Shell."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any, TypeAlias

from attrs import define, field
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

Message: TypeAlias = MutableMapping[str, Any]
ASGIApp: TypeAlias = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]

STREAM = "text/event-stream"


async def answer(app: ASGIApp, request: HttpRequest, root: str, extra: Mapping[str, object]) -> HttpResponseBase:
    """
    Return the answer of *app*, which is mounted at *root*, to *request*; *extra* is added to its scope.

    A stream of events needs ``asgi.py``. Behind ``wsgi.py`` it would hold a thread for as long as it lasts, so the answer is 204, which ends it.
    """
    if STREAM in request.headers.get("accept", "") and not isinstance(request, ASGIRequest):
        return HttpResponse(status=204)
    exchange = Exchange(request.body)
    exchange.start(app, {**_scope(request, root), **extra})
    start = await exchange.next_message()
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]]
    if any(name.lower() == "content-type" and value.startswith(STREAM) for name, value in headers):
        response: HttpResponseBase = StreamingHttpResponse(exchange.chunks(), status=start["status"])
    else:
        response = HttpResponse(b"".join([chunk async for chunk in exchange.chunks()]), status=start["status"])
    for name, value in headers:
        response.headers[name] = value
    return response


def _scope(request: HttpRequest, root: str) -> dict[str, Any]:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in request.headers.items()]
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.scheme,
        "path": request.path,
        "raw_path": request.path.encode(),
        "root_path": root,
        "query_string": request.META.get("QUERY_STRING", "").encode("latin-1"),
        "headers": headers,
        "client": (request.META.get("REMOTE_ADDR") or "unknown", 0),
        "server": (request.META.get("SERVER_NAME", ""), request.META.get("SERVER_PORT", "")),
    }


@define(eq=False)
class Exchange:
    """Mutable: one request with *body*, and the messages with which an ASGI app answers it; None is their end."""

    body: bytes
    _messages: "asyncio.Queue[Message | None]" = field(factory=asyncio.Queue, init=False)
    _closed: asyncio.Event = field(factory=asyncio.Event, init=False)
    _is_read: bool = field(default=False, init=False)
    _task: "asyncio.Task[None] | None" = field(default=None, init=False)

    def start(self, app: ASGIApp, scope: Message) -> None:
        """Let *app* answer."""
        self._task = asyncio.create_task(self._run(app, scope))

    async def next_message(self) -> Message:
        """
        Return the first message of the answer.

        Raises:
            What the app raises before it answers.
        """
        message = await self._messages.get()
        if message is None:
            await self._end()
            raise RuntimeError("the ASGI app ended without an answer")
        return message

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body of the answer. The app is told when the reader goes away."""
        try:
            while (message := await self._messages.get()) is not None:
                yield message.get("body", b"")
                if not message.get("more_body", False):
                    break
        finally:
            self._closed.set()
            await self._end()

    async def _run(self, app: ASGIApp, scope: Message) -> None:
        try:
            await app(scope, self._receive, self._messages.put)
        finally:
            self._messages.put_nowait(None)

    async def _receive(self) -> Message:
        if self._is_read:
            await self._closed.wait()
            return {"type": "http.disconnect"}
        self._is_read = True
        return {"type": "http.request", "body": self.body, "more_body": False}

    async def _end(self) -> None:
        if self._task is None:
            return
        if self._closed.is_set():
            self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
