"""
`ResourceLifespan`: opens the resources of a worker process before it claims messages, and closes them at its end. Mutable shell.

It has a thread of its own, in which sync resources are opened and closed; async ones are opened and closed by one task on the event loop of the worker. A
worker whose actors need no resource of the process has no such thread.
"""

import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import wait
from typing import TypeVar

from fq.execution.registry import Registry
from fq.resources.declared import AnyResource
from fq.resources.lifespan_task import LifespanTask
from fq.resources.open_scope import OpenScope
from fq.runtime.logger import logger
from fq.runtime.watched_threads import OnLost, watched_thread
from fq.worker.executors.event_loop import EventLoop
from fq.worker.process.claim_size import ClaimedQueues

T = TypeVar("T")
log = logger("fq.worker")

RETRY_SECONDS = (0.5, 30.0)
"""First and longest pause between attempts to open a resource."""

CLOSE_SECONDS = 3.0
"""How long all resources together may take to close. Then the worker ends without them."""

POLL_SECONDS = 0.1


class ResourceLifespan:
    """
    Opens in *scope* what the actors of *registry* in *queues* need, on *loop* if it is async; *on_open* is called when all of that is open.

    *lost* is called if the thread cannot go on.
    """

    def __init__(self, registry: Registry, scope: OpenScope, queues: ClaimedQueues, loop: EventLoop, lost: OnLost) -> None:
        self.ready = False
        self.on_open: Callable[[], None] = lambda: None
        self.retry_seconds = RETRY_SECONDS
        self._registry, self._scope, self._queues, self._loop = registry, scope, queues, loop
        self._asked: dict[str, AnyResource] = {}
        self._task = LifespanTask()
        self._stopping = False
        self._closing: AnyResource | None = None
        self._wakeup = threading.Event()
        self._thread: threading.Thread | None = None
        self._thread_lock = threading.Lock()
        self._lost = lost
        scope.on_missing = self.ask

    def start(self) -> None:
        """Begin to open what is needed. If nothing is, this worker may claim at once."""
        if self._missing():
            self._start_thread()
        else:
            self.ready = True

    def ask(self, resource: AnyResource) -> None:
        """Open *resource*, which a message needs, soon: its actor was declared later, or its queue is none of this worker."""
        self._asked = {**self._asked, resource.name: resource}
        self._wakeup.set()
        self._start_thread()

    def stop(self) -> None:
        """Close what is open, in reverse order, for up to `CLOSE_SECONDS`."""
        self._stopping = True
        self._wakeup.set()
        with self._thread_lock:
            thread = self._thread
        if thread is not None:
            thread.join(CLOSE_SECONDS)
            if thread.is_alive() and (closing := self._closing) is not None:
                log.error("resource %s has not closed within %g s: the worker ends without that", closing.name, CLOSE_SECONDS)

    def _start_thread(self) -> None:
        with self._thread_lock:
            if self._thread is None and not self._stopping:
                self._thread = watched_thread("fq-resources", self._main, self._lost, restart=False)
                self._thread.start()

    def _missing(self) -> tuple[AnyResource, ...]:
        """Return what is needed and not open, in the order in which to open it."""
        queues, registry = self._queues.all, self._registry
        needs = dict(self._asked)
        for name, actor in registry.actors.items():
            if actor.queue_name in queues:
                needs |= {resource.name: resource for resource in registry.needs_of(name).values()}
        return self._scope.missing(needs)

    def _main(self) -> None:
        pause, longest = self.retry_seconds
        try:
            while not self._stopping:
                self._wakeup.clear()
                try:
                    for resource in self._missing():
                        self._open(resource)
                except Exception as error:
                    self._wait_to_retry(error, pause)
                    pause = min(2 * pause, longest)
                    continue
                pause = self.retry_seconds[0]
                self._all_open()
                self._wakeup.wait()
        finally:
            self._close_all()

    def _all_open(self) -> None:
        if not self.ready:
            self.ready = True
            self.on_open()

    def _wait_to_retry(self, error: Exception, seconds: float) -> None:
        if self._stopping:
            return
        consequence = "the messages that need it wait" if self.ready else "this worker claims no messages until it is open"
        first = seconds == self.retry_seconds[0]
        log.error("%s; %s. Trying again in %g s", error, consequence, seconds, exc_info=error if first else None)
        self._wakeup.wait(seconds)

    def _open(self, resource: AnyResource) -> None:
        needs = {resource.name: resource}
        if not self._stopping:
            self._on_loop(lambda: self._scope.aopen(needs)) if resource.is_async else self._scope.open(needs)

    def _close_all(self) -> None:
        while (last := self._scope.last) is not None:
            self._closing = last
            try:
                error = self._on_loop(self._scope.aclose_last) if last.is_async else self._scope.close_last()
            except Exception as raised:
                error = raised
            if error is not None:
                log.error("resource %s raised an error when it was closed", last.name, exc_info=error)

    def _on_loop(self, step: Callable[[], Awaitable[T]]) -> T:
        """Return what *step* returns, which runs on the event loop of the worker."""
        closes = self._stopping
        future = self._loop.submit(self._task.run(step))
        while not wait((future,), POLL_SECONDS).done:
            if not self._loop.runs:
                raise RuntimeError("the event loop of this worker has ended")
            if self._stopping and not closes:  # it opens one, and this worker ends
                future.cancel()
        return future.result()
