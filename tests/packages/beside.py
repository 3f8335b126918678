"""`on_both`: one scenario with the same middleware and the same actors, first in a worker of Dramatiq, then in one of fq."""

import asyncio
import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import pytest
from attrs import frozen

from fq import App, Callbacks, Retries, compose, default_middleware, hooks
from fq.brokers.memory import MemoryBroker
from fq.class_style import BrokerView
from tests.wait_until import wait_until

dramatiq = pytest.importorskip("dramatiq", reason="Dramatiq is not installed: make test installs it")

T = TypeVar("T")
MIN_BACKOFF = 1
THREADS = 2


class Side(Protocol):
    """Dramatiq or fq, with a *broker* that has the middleware. Sync functions become actors of the colour that the test has."""

    @property
    def broker(self) -> Any: ...

    def actor(self, fn: Callable[..., Any], **options: Any) -> None:
        """Declare *fn* as an actor with its name."""

    def send(self, name: str, *args: Any, **options: Any) -> Any:
        """Send a message to an actor; return it."""

    @contextmanager
    def worker(self) -> Iterator[None]:
        """Run a worker."""

    def done(self) -> bool:
        """Is nothing left of what was sent?"""

    def run(self) -> None:
        """Run a worker until nothing is left."""
        with self.worker():
            wait_until(self.done)


def in_colour(fn: Callable[..., Any], colour: str) -> Callable[..., Any]:
    """Return *fn*, or for "async" a coroutine function that does the same after a wait."""
    if colour == "sync" or inspect.iscoroutinefunction(fn):
        return fn

    async def afn(*args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(0.001)
        return fn(*args, **kwargs)

    afn.__name__ = fn.__name__
    return afn


@frozen
class DramatiqSide(Side):
    broker: Any
    colour: str

    def actor(self, fn: Callable[..., Any], **options: Any) -> None:
        dramatiq.actor(in_colour(fn, self.colour), broker=self.broker, **options)

    def send(self, name: str, *args: Any, **options: Any) -> Any:
        return self.broker.get_actor(name).send_with_options(args=args, **options)

    @contextmanager
    def worker(self) -> Iterator[None]:
        worker = dramatiq.Worker(self.broker, worker_timeout=20, worker_threads=THREADS)
        worker.start()
        try:
            yield
        finally:
            worker.stop()

    def done(self) -> bool:
        return not any(self.broker.queues[name].unfinished_tasks for name in (*self.broker.queues,))


@frozen
class FqSide(Side):
    app: App
    colour: str

    @property
    def broker(self) -> Any:
        return self.app.singleton(BrokerView)

    def actor(self, fn: Callable[..., Any], **options: Any) -> None:
        self.app.actor(name=fn.__name__, **options)(in_colour(fn, self.colour))  # type: ignore[call-overload]

    def send(self, name: str, *args: Any, **options: Any) -> Any:
        return self.broker.get_actor(name).send_with_options(args=args, **options)

    @contextmanager
    def worker(self) -> Iterator[None]:
        with self.app.worker(threads=THREADS):
            yield

    def done(self) -> bool:
        return not any(queue.ready + queue.delayed + queue.in_flight for queue in self.app.broker.queues())


def dramatiq_side(middleware: list[Any], colour: str, max_retries: int = 0) -> DramatiqSide:
    from dramatiq.brokers.stub import StubBroker
    from dramatiq.middleware import AsyncIO
    from dramatiq.middleware import Retries as DramatiqRetries

    retries = DramatiqRetries(max_retries=max_retries, min_backoff=MIN_BACKOFF, max_backoff=MIN_BACKOFF)
    broker = StubBroker(middleware=[*middleware, retries, AsyncIO()])
    broker.emit_after("process_boot")
    return DramatiqSide(broker, colour)


def fq_side(middleware: list[Any], colour: str, max_retries: int = 0) -> FqSide:
    """The default stack, less the layers that do the same as one of *middleware*."""
    stack = default_middleware.update(Retries, lambda _: Retries(max_retries=max_retries, min_backoff=MIN_BACKOFF, max_backoff=MIN_BACKOFF))
    if any(type(each).__name__ == "Callbacks" for each in middleware):
        stack = stack.without(Callbacks)
    app = App(broker=MemoryBroker(), middleware=compose(*map(hooks, middleware), stack))
    side = FqSide(app, colour)
    side.broker.emit_after("process_boot")
    return side


def on_both(make: Callable[[], list[Any]], scenario: Callable[[Side, list[Any]], T], colour: str, max_retries: int = 0) -> tuple[T, T]:
    """Return what *scenario* returns in Dramatiq, and in fq, each with the middleware that *make* makes."""
    sides = (dramatiq_side, fq_side)
    return tuple(scenario(side(middleware, colour, max_retries), middleware) for side in sides for middleware in [make()])  # type: ignore[return-value]


def settle(seconds: float = 0.05) -> None:
    """Let threads of a middleware that nothing can wait for do what is left."""
    time.sleep(seconds)
