"""`Loop`: the one event-loop thread that runs async actors, hundreds or thousands at once. Mutable shell."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from returns.result import Failure

from fq.core.events import ThreadBooted, ThreadStopping
from fq.core.message import Message
from fq.errors import Interrupt
from fq.errors.exception_text import name_of
from fq.execution.handler import cancelled_itself, of_the_actor
from fq.layers.time_limit import exceeded
from fq.runtime.logger import logger
from fq.runtime.watched_threads import watched_thread
from fq.worker.executors.forks import end_fork
from fq.worker.executors.running_tasks import Call, Calls
from fq.worker.executors.thread_pool import hand_back
from fq.worker.job import Job
from fq.worker.scoreboard import Board

if TYPE_CHECKING:
    from fq.worker.process.worker import Child

log = logger("fq.worker")

BLOCKED = 1.0
"""An event loop that has not turned for so long, in seconds, is blocked by an actor."""

START_SECONDS = 3.0
"""For how long it is tried to start an event loop."""

LATE = 0.2
"""One that has not taken up a message for so long, in seconds, gets no more for now."""


class Loop:
    """Runs the async actors of *child*, up to *size* at once. *interval*: how finely time limits are looked at, ms."""

    def __init__(self, size: int, child: "Child", interval: int = 1_000, board: Board | None = None) -> None:
        self.size = size
        self.used = False
        self.since = monotonic()
        self.shy_until = 0.0
        self._child = child
        self._calls = Calls(board)
        self._flushing = False
        self._interval = interval / 1_000
        self._waiting: deque[Job] = deque()
        self._asked_to_fill = float("inf")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._runner: asyncio.Runner | None = None
        self._failing_since = float("inf")
        self._ready = threading.Event()
        self._turned = monotonic()
        self._blamed: Call | None = None
        self._winding_up: asyncio.Future[None] | None = None  # held here, since a loop holds its tasks weakly
        self._ended = False
        self._forked = False

    def put(self, jobs: Sequence[Job]) -> None:
        """Start *jobs*, or queue those for which there is no room; the thread itself starts with the first."""
        self.used = True
        self._waiting.extend(jobs)
        self._asked_to_fill = min(self._asked_to_fill, monotonic())
        if self._thread is None:
            self.start_if_needed()
        else:
            self._soon(self._fill)

    def start_if_needed(self) -> None:
        """
        Start the threads, if anything waits for them.

        If there are no threads, or no files, to be had just now, the pump tries again at its next turn; but not for long, since another process may have some.
        """
        if self._thread is not None or not self._waiting:
            return
        main = watched_thread("fq-loop", self._main, self._child.lose, restart=False)
        try:
            if self._loop is None:
                self._runner = asyncio.Runner(loop_factory=new_event_loop)
                self._loop = self._runner.get_loop()
            main.start()
        except (OSError, RuntimeError) as error:
            self._cannot_start(error)
            return
        self._thread = main
        self._ready.wait()
        self._soon(self._fill)
        with suppress(RuntimeError):  # it only says who blocks the loop
            watched_thread("fq-loop-watch", self._watch).start()

    def _cannot_start(self, error: Exception) -> None:
        log.error("the event loop cannot be started, which is tried again: %s", error)
        self._asked_to_fill = float("inf")  # it is not blocked
        self._failing_since = min(self._failing_since, monotonic())
        if monotonic() - self._failing_since > START_SECONDS:
            self._child.lose("fq-loop", error)

    def load(self) -> int:
        """How many jobs run or wait here."""
        return len(self._calls) + len(self._waiting)

    def backlog(self) -> int:
        """How many jobs wait here."""
        return len(self._waiting)

    def blocked(self) -> bool:
        """Has the loop been busy with one actor for so long that it should get no more messages?"""
        return monotonic() - self._asked_to_fill > LATE

    def take_back(self) -> list[Job]:
        """Return all jobs that have not been started, and forget them."""
        jobs: list[Job] = []
        while self._waiting:
            try:
                jobs.append(self._waiting.popleft())
            except IndexError:  # the loop's thread took the last one
                break
        return jobs

    def strike(self, chosen: Callable[[Message], Interrupt | None]) -> None:
        """Cancel the running actors whose message *chosen* names an interrupt for."""
        self._soon(self._strike, chosen)

    def running(self) -> tuple[tuple[Message, float], ...]:
        """Return what runs, with for how long, in seconds."""
        now = monotonic()
        return tuple((message, now - call.started) for call in self._calls if (message := call.message) is not None)

    def stop(self, timeout: float) -> None:
        """Cancel what still runs, give it up to *timeout* seconds to clean up, and end the thread."""
        if self._thread is not None:
            self._soon(self._shut)
            self._thread.join(timeout)

    async def run(self, message: Message, fn: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object], /) -> object:
        """
        Return ``await fn(*args, **kwargs)``; raises what it raises, or the interrupt that it was cancelled for.

        A cancellation that nobody has asked for, since the actor raised it or awaited what was cancelled, is a failure like any other.
        """
        if self._forked:
            end_fork()
        task = cast("asyncio.Task[object]", asyncio.current_task(self._loop))
        call = self._calls.enter(message, task)
        if message.time_limit < self._interval * 5_000:
            asyncio.get_running_loop().call_later(message.time_limit / 1_000, self._strike_if_overdue, call)
        try:
            return await cast("Awaitable[object]", fn(*args, **kwargs))
        except asyncio.CancelledError as error:
            if call.struck is not None:
                task.uncancel()
                raise call.struck from None
            return Failure(of_the_actor(message, error, task))
        except GeneratorExit as error:
            return Failure(of_the_actor(message, error, task))
        finally:
            if self._forked:
                end_fork()
            call.task = call.message = call.struck = None  # what was struck leads to this frame, and this to the call: it is freed at once

    def forked(self) -> None:
        """Let whatever this loop takes up next end the process, a fork, which shares the selector of the parent's loop."""
        self._forked = True
        self._calls.forked()

    def _soon(self, call: Callable[..., None], *args: object) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *args)

    def _main(self) -> None:
        tell, name = self._child.app.registry.emit, threading.current_thread().name
        tell(ThreadBooted(name, "loop"))
        try:
            self._serve()
        finally:
            self._ready.set()
            tell(ThreadStopping(name, "loop"))

    def _serve(self) -> None:
        with cast(asyncio.Runner, self._runner) as runner:
            self._loop = runner.get_loop()
            self._loop.set_task_factory(cast("Any", self._calls.new_task))  # typeshed has it take keywords that only later Pythons pass
            self._turned = monotonic()
            self._loop.call_soon(self._ready.set)
            self._loop.call_later(self._interval, self._look)
            while not self._ended:
                try:
                    self._loop.run_forever()
                except (
                    BaseException
                ) as error:  # of a task that an actor has started, which ends that actor, too; or struck into this thread
                    log.error("%s was raised in the event loop, which goes on", name_of(error), exc_info=error)
                else:
                    if not self._ended:
                        log.error("an async actor has stopped the event loop, and all others with it: it goes on")

    def _fill(self) -> None:
        self._asked_to_fill = float("inf")
        loop, chains = cast(asyncio.AbstractEventLoop, self._loop), self._child.chains
        while self._waiting and len(self._calls) < self.size:
            try:
                job = self._waiting.popleft()
            except IndexError:  # taken back
                return
            self._calls.start(loop, job, chains.arun).add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        if self._forked:
            end_fork()
        job = self._calls.end(task)
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if job.commit is None and (self._winding_up is not None or error is None):
            job.commit = hand_back(job)
        elif job.commit is None and error is not None:  # cancelled by others, past its layers
            self._child.chains.fail(job, cancelled_itself(job.delivery.actor_name, error) if task.cancelled() else error)
        self._child.pump.finished(job, False)
        if not self._flushing:  # once for all that finish in this pass of the loop
            self._flushing = True
            cast(asyncio.AbstractEventLoop, self._loop).call_soon(self._flush)
        if self._waiting:
            self._fill()

    def _watch(self) -> None:
        """Log the actor that keeps the loop from turning: everything else on it waits."""
        while self._thread is not None and self._thread.is_alive():
            time.sleep(BLOCKED / 2)
            stuck = monotonic() - self._turned
            task = None if self._loop is None or stuck < BLOCKED + self._interval else asyncio.current_task(self._loop)
            call = None if task is None else self._calls.owner(task)
            if call is not None and call is not self._blamed:
                self._blamed = call
                log.warning(
                    "%s has kept the event loop from turning for %.1f s, and all other async actors wait: call what blocks with asyncio.to_thread",
                    call.job.delivery.actor_name,
                    stuck,
                )

    def _flush(self) -> None:
        self._flushing = False
        self._child.pump.flush()

    def _look(self) -> None:
        self._turned = monotonic()
        for call in self._calls:
            self._strike_if_overdue(call)
        self._calls.show_latest()
        cast(asyncio.AbstractEventLoop, self._loop).call_later(self._interval, self._look)

    def _strike_if_overdue(self, call: Call) -> None:
        if call.message is not None and call.deadline <= monotonic() + 0.001:
            call.strike(exceeded(call.message.actor_name, call.message.time_limit))

    def _strike(self, chosen: Callable[[Message], Interrupt | None]) -> None:
        for call in self._calls:
            if call.message is not None and (interrupt := chosen(call.message)) is not None:
                call.strike(interrupt)

    def _shut(self) -> None:
        self._winding_up = asyncio.ensure_future(self._wind_up())

    async def _wind_up(self) -> None:
        await self._calls.cancel_all()
        self._ended = True
        asyncio.get_running_loop().stop()


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop: uvloop's when it is installed."""
    try:
        import uvloop  # pyright: ignore[reportMissingImports]  # optional
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
