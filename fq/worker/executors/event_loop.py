"""`EventLoop`: the one event-loop thread that runs async actors, hundreds or thousands at once. Mutable shell."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from contextlib import suppress
from time import monotonic
from typing import Any, TypeVar, cast

from fq.core.events import ThreadBooted, ThreadStopping
from fq.core.message import Message
from fq.errors import Interrupt
from fq.errors.exception_text import name_of
from fq.execution.handler import self_cancelled
from fq.runtime.logger import logger
from fq.runtime.stacks import LabelledTask
from fq.runtime.watched_threads import OnLost, watched_thread
from fq.worker.claimed_job import Job
from fq.worker.executors.forks import end_fork
from fq.worker.executors.running_tasks import RunningTasks
from fq.worker.finished_jobs import FinishedJobs, hand_back
from fq.worker.job import JobRunner

T = TypeVar("T")
log = logger("fq.worker")

BLOCKED_AFTER_SECONDS = 1.0
"""An actor that keeps the event loop from turning for this long is logged."""

START_SECONDS = 3.0
"""For how long to try to start an event loop, before this worker is given up."""

LATE_AFTER_SECONDS = 0.2
"""A loop that has not begun a message after this long gets no more for now."""


class EventLoop:
    """Runs async actors as *tasks*, up to *size* at once; finished jobs go to *finished*. *lost* is called if it cannot go on."""

    def __init__(self, size: int, tasks: RunningTasks, runner: JobRunner, finished: FinishedJobs, lost: OnLost) -> None:
        self.size = size
        self.used = False
        self.waiting_since = monotonic()
        self.no_claims_until = 0.0
        self._tasks = tasks
        self._runner = runner
        self._finished = finished
        self._lost = lost
        self._flushing = False
        self._waiting: deque[Job] = deque()
        self._asked_to_fill = float("inf")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._asyncio_runner: asyncio.Runner | None = None
        self._failing_since = float("inf")
        self._starting = threading.Lock()
        self._ready = threading.Event()
        self._last_look = monotonic()
        self._stopping: asyncio.Future[None] | None = None  # held here, since a loop holds its tasks weakly
        self._cancelled, self._may_end = threading.Event(), threading.Event()  # both, and it ends
        self._ended = False

    def put(self, jobs: Sequence[Job]) -> None:
        """Start *jobs*, or queue those for which there is no room. The thread starts with the first job."""
        self.used = True
        self._waiting.extend(jobs)
        self._asked_to_fill = min(self._asked_to_fill, monotonic())
        if self._thread is None:
            self.start_if_needed()
        else:
            self._call_soon(self._fill)

    def start_if_needed(self) -> None:
        """
        Start the thread, if a job waits for it.

        If the machine has no thread or file left just now, the dispatcher tries again at its next turn; after `START_SECONDS` this worker is given up,
        since another process may have some.
        """
        if self._waiting:
            self.start()

    def start(self) -> None:
        """Start the thread, unless it runs."""
        with self._starting:
            if self._thread is None:
                self._start()

    def _start(self) -> None:
        main = watched_thread("fq-loop", self._main, self._lost, restart=False)
        try:
            if self._loop is None:
                self._asyncio_runner = asyncio.Runner(loop_factory=new_event_loop)
                self._loop = self._asyncio_runner.get_loop()
            main.start()
        except (OSError, RuntimeError) as error:
            self._start_failed(error)
            return
        self._thread = main
        self._ready.wait()
        self._call_soon(self._fill)
        with suppress(RuntimeError):  # without it, an actor that blocks the loop is not logged
            watched_thread("fq-loop-watch", self._watch).start()

    def _start_failed(self, error: Exception) -> None:
        log.error("the event loop cannot be started, trying again: %s", error)
        self._asked_to_fill = float("inf")  # it is not blocked
        self._failing_since = min(self._failing_since, monotonic())
        if monotonic() - self._failing_since > START_SECONDS:
            self._lost("fq-loop", error)

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
        """
        Run *coroutine* on the loop, for another thread that waits for it.

        Raises:
            RuntimeError: the loop cannot be started just now, or has ended.
        """
        self.start()
        if self._loop is None or self._thread is None or self._loop.is_closed():
            coroutine.close()
            raise RuntimeError("the event loop of this worker does not run")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    @property
    def runs(self) -> bool:
        """Does the thread run?"""
        return self._thread is not None and self._thread.is_alive()

    def load(self) -> int:
        """How many jobs run or wait here."""
        return len(self._tasks) + len(self._waiting)

    def backlog(self) -> int:
        """How many jobs wait here."""
        return len(self._waiting)

    def blocked(self) -> bool:
        """Has one actor kept the loop busy for so long that it should get no more messages?"""
        return monotonic() - self._asked_to_fill > LATE_AFTER_SECONDS

    def take_back(self) -> list[Job]:
        """Remove and return all jobs that have not begun."""
        jobs: list[Job] = []
        while self._waiting:
            try:
                jobs.append(self._waiting.popleft())
            except IndexError:  # the loop's thread took the last one
                break
        return jobs

    def interrupt(self, choose: Callable[[Message], Interrupt | None]) -> None:
        """Cancel the running actors for whose message *choose* returns an interrupt."""
        self._call_soon(self._interrupt, choose)

    def running(self) -> tuple[tuple[Message, float], ...]:
        """Return the messages whose actors run, each with the seconds since its start."""
        now = monotonic()
        return tuple((message, now - task.started) for task in self._tasks if (message := task.message) is not None)

    def labelled_tasks(self) -> list[LabelledTask]:
        """Return all tasks, each with what it belongs to. Any thread may ask."""
        loop = self._loop
        found: set[asyncio.Task[Any]] = set()
        with suppress(RuntimeError):  # other threads have changed the tasks again and again
            found = set() if loop is None else asyncio.all_tasks(loop)
        return sorted((LabelledTask(task, self._label(task)) for task in found), key=lambda each: each.label)

    def _label(self, task: "asyncio.Task[Any]") -> str:
        running = self._tasks.owner(task)
        return task.get_name() if running is None else f"{running.job.delivery.actor_name} {running.job.delivery.message_id}"

    def stop(self, timeout: float, before_end: Callable[[], None] = lambda: None) -> None:
        """Cancel what still runs, give it up to *timeout* seconds to clean up, call *before_end*, and end the thread."""
        if self._thread is not None:
            self._call_soon(self._stop)
            self._cancelled.wait(timeout)
        before_end()
        if self._thread is not None:
            self._may_end.set()
            with suppress(RuntimeError):  # it has just ended by itself
                self._call_soon(self._end_if_cancelled)
            self._thread.join(timeout)

    def forked(self) -> None:
        """See `ForkAware.forked`."""
        self._tasks.forked()

    def _call_soon(self, call: Callable[..., None], *args: object) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *args)

    def _main(self) -> None:
        emit, name = self._runner.registry.emit, threading.current_thread().name
        emit(ThreadBooted(name, "loop"))
        try:
            self._serve()
        finally:
            self._ready.set()
            emit(ThreadStopping(name, "loop"))

    def _serve(self) -> None:
        with cast(asyncio.Runner, self._asyncio_runner) as runner:
            self._loop = runner.get_loop()
            self._loop.set_task_factory(cast("Any", self._tasks.create_task))  # typeshed demands keywords that only later Pythons pass
            self._last_look = monotonic()
            self._loop.call_soon(self._ready.set)
            self._loop.call_later(self._tasks.interval_seconds, self._look)
            while not self._ended:
                try:
                    self._loop.run_forever()
                except BaseException as error:  # raised in a task that an actor has started, which ends that actor, too; or in this thread
                    log.error("%s was raised in the event loop, which goes on", name_of(error), exc_info=error)
                else:
                    if not self._ended:
                        log.error("an async actor has stopped the event loop, which goes on")

    def _fill(self) -> None:
        self._asked_to_fill = float("inf")
        loop = cast(asyncio.AbstractEventLoop, self._loop)
        while self._waiting and len(self._tasks) < self.size:
            try:
                job = self._waiting.popleft()
            except IndexError:  # taken back
                return
            self._tasks.start(loop, job, self._runner.arun).add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        if self._tasks.is_fork:
            end_fork()
        job = self._tasks.end(task)
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if job.commit is None and (self._stopping is not None or error is None):
            job.commit = hand_back(job)
        elif job.commit is None and error is not None:  # other code has cancelled the task, layers included
            self._runner.fail(job, self_cancelled(job.delivery.actor_name, error) if task.cancelled() else error)
        self._finished.put(job, False)
        if not self._flushing:  # once for all that finish in this turn of the loop
            self._flushing = True
            cast(asyncio.AbstractEventLoop, self._loop).call_soon(self._flush)
        if self._waiting:
            self._fill()

    def _flush(self) -> None:
        self._flushing = False
        self._finished.flush()

    def _watch(self) -> None:
        """Log the actor that keeps the loop from turning: everything else on it waits."""
        while self._thread is not None and self._thread.is_alive():
            time.sleep(BLOCKED_AFTER_SECONDS / 2)
            seconds = monotonic() - self._last_look
            blocked = self._loop is not None and seconds >= BLOCKED_AFTER_SECONDS + self._tasks.interval_seconds
            task = asyncio.current_task(self._loop) if blocked else None
            if task is not None and (running := self._tasks.owner(task)) is not None:
                self._tasks.blame.log_blocking(running, seconds)

    def _look(self) -> None:
        self._last_look = monotonic()
        for task in self._tasks:
            task.interrupt_if_overdue()
        self._tasks.blame.show_most_overdue(self._tasks)
        cast(asyncio.AbstractEventLoop, self._loop).call_later(self._tasks.interval_seconds, self._look)

    def _interrupt(self, choose: Callable[[Message], Interrupt | None]) -> None:
        for task in self._tasks:
            if task.message is not None and (interrupt := choose(task.message)) is not None:
                task.interrupt(interrupt)

    def _stop(self) -> None:
        self._stopping = asyncio.ensure_future(self._cancel_all())

    async def _cancel_all(self) -> None:
        await self._tasks.cancel_all()
        self._cancelled.set()
        self._end_if_cancelled()

    def _end_if_cancelled(self) -> None:
        if self._may_end.is_set() and self._cancelled.is_set():
            self._ended = True
            cast(asyncio.AbstractEventLoop, self._loop).stop()


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop: uvloop's when it is installed."""
    try:
        import uvloop  # pyright: ignore[reportMissingImports]  # optional
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
