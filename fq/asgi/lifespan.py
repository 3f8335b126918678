"""`lifespan`: the broker of an app, and on demand a worker, that begin and end with an ASGI server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias, TypeVar, overload

from fq.app.app import App
from fq.asgi.closing import Closing, noticing_signals
from fq.errors import BrokerUnavailable
from fq.runtime.logger import logger
from fq.worker.process.worker import Worker
from fq.worker.settings import InlineSettings

log = logger("fq.asgi")

S = TypeVar("S")
A = TypeVar("A")

NoState: TypeAlias = Callable[[object], AbstractAsyncContextManager[None]]

SHUTDOWN_TIMEOUT_MS = 10_000
"""How long a worker inside of a server waits by default for what runs, ms, before it hands it back: servers are killed soon after they are asked to stop."""


@overload
def lifespan(app: App, *, worker: bool | InlineSettings = False) -> NoState: ...
@overload
def lifespan(
    app: App, around: Callable[[A], AbstractAsyncContextManager[S]], *, worker: bool | InlineSettings = False
) -> Callable[[A], AbstractAsyncContextManager[S]]: ...
def lifespan(
    app: App, around: Callable[[A], AbstractAsyncContextManager[object]] | None = None, *, worker: bool | InlineSettings = False
) -> Callable[[A], AbstractAsyncContextManager[object]]:
    """
    Return a lifespan for FastAPI, Starlette or Litestar: it opens the broker of *app* when the server starts, and closes it when the server has stopped.

    >>> import asyncio
    >>> app = App("memory://")
    >>> @app.actor
    ... def add(a: int, b: int) -> int:
    ...     return a + b
    >>> async def serve() -> int:
    ...     async with lifespan(app, worker={"threads": 1})(None):  # FastAPI(lifespan=lifespan(app, worker=True)) does this
    ...         return await (await add.asend(1, 2)).aget_result(block=True)
    >>> asyncio.run(serve())
    3

    A broker that cannot be reached just now is logged, and the server starts: a send fails until the broker is there. An error that a person has to fix is
    raised, and the server does not start.

    While it lasts, streams of `TaskRoutes` end when the server is asked to stop, so that they do not hold it up.

    Args:
        app: the app.

        around: a lifespan of your own, to run inside of this one: it may send messages until its end. What it yields is passed on.

        worker: run a worker in this process, too? True, or its settings, as for `App.worker`. It starts with the server. When the server has answered its
            last request, the worker claims nothing more, waits up to ``shutdown_timeout`` (default here 10 s) for what runs, and hands back the rest.
            Each process of the server has one.

    Raises:
        BrokerError, ConfigError: when the server starts; the broker cannot be used as it is.
    """

    @asynccontextmanager
    async def running(site: A) -> AsyncIterator[object]:
        async with _opened(app), _working(app, worker):
            if around is None:
                yield None
            else:
                async with around(site) as state:
                    yield state

    return running


@asynccontextmanager
async def _opened(app: App) -> AsyncIterator[None]:
    closing = app.singleton(Closing)
    closing.reset()
    try:
        await asyncio.to_thread(app.broker.workers)
    except BrokerUnavailable as error:
        log.error("the broker cannot be reached, and sends fail until it can: %s", error)
    try:
        with noticing_signals(closing):
            yield
    finally:
        closing.begun.give()
        await asyncio.to_thread(app.broker.close)
        closing.reset()  # a test may go on without a server


@asynccontextmanager
async def _working(app: App, settings: bool | InlineSettings) -> AsyncIterator[None]:
    if settings is False:
        yield
        return
    given: InlineSettings = {"shutdown_timeout": SHUTDOWN_TIMEOUT_MS}
    if settings is not True:
        given.update(settings)
    worker = app.worker(**given)
    await asyncio.to_thread(worker.start)
    log.info(
        "a worker runs in this process: %d threads, queues %s", worker.settings.threads, ", ".join(worker.settings.queues or app.queues)
    )
    closing = app.singleton(Closing)
    try:
        yield
    except asyncio.CancelledError:
        closing.forced.give()
        raise
    finally:
        await _stop(worker, closing)


async def _stop(worker: Worker, closing: Closing) -> None:
    """Stop *worker*. If that is forced, or this is cancelled, hand back what runs without waiting for it."""
    stopping = asyncio.ensure_future(asyncio.to_thread(worker.stop))
    with closing.forced.listening() as forced:
        hurried = asyncio.ensure_future(forced.wait())
        try:
            await asyncio.wait((stopping, hurried), return_when=asyncio.FIRST_COMPLETED)
        finally:
            hurried.cancel()
            if not stopping.done():
                worker.stop_waiting()
            await stopping
