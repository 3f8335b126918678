"""`TaskRoutes`: an ASGI app that shows clients their tasks. `TaskView` is what they see, ``fq.asgi.links`` what stands for a task in a path."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from inspect import isawaitable
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from fq.app.app import App
from fq.asgi.closing import Closing
from fq.asgi.event_stream import EventStream, disconnected, first_of, is_set
from fq.asgi.events import END, task_events
from fq.asgi.links import TaskLinks
from fq.asgi.view import TaskView, Viewer, error_type, unchanged, untyped
from fq.calls.handle import Handle
from fq.calls.task_handle import ANY_ACTOR, TaskHandle
from fq.core.duration import Duration, to_ms
from fq.core.fault import Fault
from fq.errors import BrokerUnavailable, ConfigError, ResultError
from fq.runtime.logger import logger
from fq.wire.signature import Signature

log = logger("fq.asgi")

TaskAccess: TypeAlias = Callable[[Request, str], "bool | Handle[object] | Awaitable[bool | Handle[object] | None] | None"]
"""
Says whether the sender of a request may see the task with an id: True or False.

Or it returns the `Handle` of the task, as it must for a workflow: the id of one of its messages does not say which others belong to it.
"""

HEADERS: Mapping[str, str] = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}


class TaskRoutes:
    """
    Shows clients their tasks: ``GET /{id}`` answers with a `TaskView` as JSON, ``GET /{id}/events`` with server-sent events.

    Mount it below any path, as ``site.mount("/tasks", TaskRoutes(...))`` does in FastAPI and Starlette.

    >>> from starlette.testclient import TestClient
    >>> app = App("memory://")
    >>> @app.actor
    ... def add(a: int, b: int) -> int:
    ...     return a + b
    >>> tasks = TaskRoutes(app, secret="an example of a secret")
    >>> client, handle = TestClient(tasks), add.send(1, 2)
    >>> client.get(f"/{tasks.link(handle)}").json()["state"], client.get(f"/{handle.message_id}").status_code
    ('waiting', 404)
    >>> app.run_until_idle()
    1
    >>> client.get(f"/{tasks.link(handle)}").json()["result"]
    3

    Ids of messages are no secrets: they begin with the time, and the rest can be computed from enough others. So clients get links that are signed with
    *secret*, or *access* decides about each request, or both. What may not be seen, and what does not exist, is answered with 404.

    Clients never see arguments, queues, workers or tracebacks; of an error, they see its type.

    ``GET /{id}?wait=5000`` waits up to so many ms, at most *max_wait*, for the end.

    The events are ``progress`` (a `TaskView`, when it has changed), ``value`` (what the actor emits, with a position as its id), ``restart`` (the stream
    begins anew: forget its values) and ``end`` (a `TaskView`). A browser that was cut off connects again, and goes on after the latest value.

    Args:
        app: the app whose tasks are shown.

        secret: signs links: 16 bytes or more, the same in all processes of the site. Who has the link sees the task.

        access: see `TaskAccess`. It may be a coroutine function.

        show_result: returns what is shown of a result, which is JSON. Default: all of it.

        show_error: returns what is shown of a `Fault`. Default: ``{"type": ...}``.

        interval: how often a stream looks for progress, ms or timedelta. Default 1 s. The end is told at once.

        keep_alive: after this long without an event, a stream sends a comment, for proxies. Default 15 s.

        max_stream: a stream ends after this long, and the browser connects again. Default 5 minutes.

        max_streams: how many streams a process serves at once; the next one ends at once, and its browser connects again. Default 1,000.

        max_wait: the longest ``wait``. Default 30 s.

    Raises:
        ConfigError: neither *secret* nor *access*, or a secret that is too short.
    """

    def __init__(
        self,
        app: App,
        *,
        secret: str | bytes | None = None,
        access: TaskAccess | None = None,
        show_result: Callable[[object], object] = unchanged,
        show_error: Callable[[Fault], object] = error_type,
        interval: Duration = 1_000,
        keep_alive: Duration = 15_000,
        max_stream: Duration = 300_000,
        max_streams: int = 1_000,
        max_wait: Duration = 30_000,
    ) -> None:
        if secret is None and access is None:
            raise ConfigError(
                "found neither secret= nor access=, expected one of them: ids of messages can be guessed, so they open nothing"
            )
        self._app, self._access, self._links = app, access, TaskLinks(secret)
        self._viewer = Viewer(show_result, show_error)
        self._interval, self._max_wait, self._max_streams = max(1, to_ms(interval)), to_ms(max_wait), max_streams
        self._keep_alive, self._max_stream = to_ms(keep_alive) / 1_000, to_ms(max_stream) / 1_000
        self._streams = 0

    def link(self, handle: Handle[object]) -> str:
        """
        Return what stands for the task of *handle* in a path: with a secret, a signed link; else its id.

        Raises:
            OptionError: with a secret, the handle of a group, or of a pipeline with one.
        """
        return self._links.of(handle)

    async def view(self, handle: Handle[object], *, wait: Duration = 0) -> TaskView:
        """
        Return the view of a task, for a handler of your own; wait up to *wait* (ms or timedelta) for its end. The event loop does not block.

        >>> import asyncio
        >>> app = App("memory://")
        >>> @app.actor
        ... def add(a: int, b: int) -> int:
        ...     return a + b
        >>> tasks = TaskRoutes(app, secret="an example of a secret")
        >>> asyncio.run(tasks.view(add.send(1, 2), wait=10)).state
        'waiting'
        """
        return await self._view(self.link(handle), untyped(handle), to_ms(wait))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":  # served alone
            raise NotImplementedError("TaskRoutes has no lifespan")
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        try:
            answer = await self._answer(request)
        except BrokerUnavailable as error:
            log.error("a task cannot be shown: %s", error)
            answer = _refusal(503, "the tasks cannot be shown just now", {"Retry-After": "2"})
        if not isinstance(answer, EventStream):
            await answer(scope, receive, send)
            return
        self._streams += 1
        try:
            await answer(scope, receive, send)
        finally:
            self._streams -= 1

    async def _answer(self, request: Request) -> ASGIApp:
        if request.method != "GET":
            return _refusal(405, "only GET is allowed", {"Allow": "GET"})
        # The last segments of the path: servers, proxies and frameworks differ in what they leave before them.
        *_, before, last = ("", "", *str(request.scope["path"]).rstrip("/").split("/"))
        link = before if last == "events" and before else last
        if (handle := await self._handle(request, link)) is None:
            return _refusal(404, "no such task")
        return self._events(request, link, handle) if link != last else await self._task(request, link, handle)

    async def _handle(self, request: Request, link: str) -> Handle[object] | None:
        """Return the handle of the task that *request* is about; None if its sender may not see it."""
        if (ids := self._links.read(link)) is None:
            return None
        before = tuple(self._handle_of(each) for each in ids[:-1])
        handle = self._handle_of(ids[-1], before)
        if self._access is None:
            return handle
        allowed = self._access(request, handle.message_id)
        allowed = await allowed if isawaitable(allowed) else allowed
        if isinstance(allowed, Handle):
            return untyped(allowed)
        return handle if allowed is True else None

    def _handle_of(self, message_id: str, before: tuple[Handle[object], ...] = ()) -> Handle[object]:
        return TaskHandle(message_id, ANY_ACTOR, True, Signature.returning(object), self._app, before)

    async def _task(self, request: Request, link: str, handle: Handle[object]) -> Response:
        wait = request.query_params.get("wait", "0")
        if not (wait.isascii() and wait.isdecimal()):
            return _refusal(400, f"wait: found {wait!r}, expected ms")
        view = await self._view(link, handle, min(int(wait[:9]), self._max_wait), lambda: disconnected(request.receive))
        return JSONResponse(dataclasses.asdict(view), headers=HEADERS)

    async def _view(
        self, link: str, handle: Handle[object], wait: int, left: Callable[[], Coroutine[None, None, None]] | None = None
    ) -> TaskView:
        """Return the view of *handle*; wait up to *wait* ms for its end, but not after the client has *left*."""
        view = await asyncio.to_thread(self._viewer.current, link, handle)
        if view.has_ended or not wait:
            return view
        with self._app.singleton(Closing).begun.listening() as closed:
            await first_of(self._ended(handle, wait), is_set(closed), *([left()] if left else []))
        return await asyncio.to_thread(self._viewer.current, link, handle)

    async def _ended(self, handle: Handle[object], wait: int) -> None:
        """Return when the task has ended, or after *wait* ms."""
        with suppress(ResultError):
            async for _ in handle.watch(timeout=wait, interval=self._interval):
                pass

    def _events(self, request: Request, link: str, handle: Handle[object]) -> ASGIApp:
        last_id, closing = request.headers.get("last-event-id", ""), self._app.singleton(Closing)
        if last_id == END:  # the answer on which a browser does not connect again
            return Response(status_code=204, headers=HEADERS)
        if self._streams >= self._max_streams or closing.begun.is_given:
            return Response(b"retry: 5000\n\n", headers=HEADERS, media_type="text/event-stream")  # at an error, a browser would give up
        events = task_events(self._viewer, link, handle, last_id, self._interval)
        return EventStream(events, closing, self._keep_alive, self._max_stream)


def _refusal(status: int, error: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": error}, status, {**HEADERS, **(headers or {})})
