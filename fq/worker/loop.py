"""`Loop`: the one event-loop thread that runs async actors, hundreds or thousands at once. Mutable shell."""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, cast

from attrs import define

from fq.errors import Interrupt
from fq.events import ThreadBooted, ThreadStopping
from fq.layers.time_limit import exceeded
from fq.message import Message
from fq.worker.board import Board
from fq.worker.job import Chains, Job
from fq.worker.pool import cut_short, hand_back
from fq.worker.steps import Steps

if TYPE_CHECKING:
    from fq.worker.child import Child

log = logging.getLogger("fq.worker")


BLOCKED = 1.0
"""An event loop that has not turned for so long, in seconds, is blocked by an actor."""


@define(eq=False)
class Call:
    """Mutable: the running call of one async actor; *struck* is the interrupt that it was cancelled for."""

    message: Message
    task: "asyncio.Task[None]"
    started: float
    deadline: float
    struck: Interrupt | None = None


class Loop:
    """Runs the async actors of *child*, up to *size* at once. *interval*: how finely time limits are looked at, ms."""

    def __init__(self, size: int, child: "Child", interval: int = 1_000, board: Board | None = None) -> None:
        self._slot = None if board is None else board.slot()
        self._shown: Call | None = None
        self.size = size
        self.used = False
        self._child = child
        self._flushing = False
        self._interval = interval / 1_000
        self._waiting: deque[Job] = deque()
        self._tasks: dict[asyncio.Task[None], Job] = {}
        self._calls: dict[asyncio.Task[None], Call] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._turned = monotonic()
        self._blamed: asyncio.Task[None] | None = None
        self._winding_up: asyncio.Future[None] | None = None  # held here, since a loop holds its tasks weakly

    def put(self, jobs: Sequence[Job]) -> None:
        """Start *jobs*, or queue those for which there is no room; the thread itself starts with the first."""
        self.used = True
        if self._thread is None:
            self._thread = threading.Thread(target=self._main, name="fq-loop", daemon=True)
            self._thread.start()
            threading.Thread(target=self._watch, name="fq-loop-watch", daemon=True).start()
            self._ready.wait()
        self._waiting.extend(jobs)
        self._soon(self._fill)

    def load(self) -> int:
        """How many jobs run or wait here."""
        return len(self._tasks) + len(self._waiting)

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
        return tuple((call.message, now - call.started) for call in list(self._calls.values()))

    def stop(self, timeout: float) -> None:
        """Cancel what still runs, give it up to *timeout* seconds to clean up, and end the thread."""
        if self._thread is not None:
            self._soon(self._shut)
            self._thread.join(timeout)

    async def run(self, message: Message, fn: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object], /) -> object:
        """Return ``await fn(*args, **kwargs)``; raises what it raises, or the interrupt that it was cancelled for."""
        task = cast("asyncio.Task[None]", asyncio.current_task(self._loop))
        started = monotonic()
        call = self._calls[task] = Call(message, task, started, started + message.time_limit / 1_000)
        if message.time_limit < self._interval * 5_000:
            asyncio.get_running_loop().call_later(message.time_limit / 1_000, self._strike_if_overdue, call)
        self._show(call)  # a function that returns an awaitable may do work of its own first
        try:
            coroutine = cast("Awaitable[object]", fn(*args, **kwargs))
            return await (coroutine if self._slot is None else Steps(coroutine, partial(self._show, call)))
        except asyncio.CancelledError:
            if call.struck is None:
                raise
            task.uncancel()
            raise call.struck from None
        finally:
            del self._calls[task]
            if self._shown is call:
                self._show(next(iter(self._calls.values()), None))

    def _show(self, call: Call | None) -> None:
        """Say on the board what runs: of many calls, the one that is at work or was last. Should the process die, that is to blame."""
        if self._slot is None or self._shown is call:
            return
        self._shown = call
        if call is None:
            self._slot.leave()
        else:
            self._slot.enter(call.message.message_id, call.started, call.deadline)

    def _soon(self, call: Callable[..., None], *args: object) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *args)

    def _main(self) -> None:
        tell, name = self._child.app.tell, threading.current_thread().name
        tell(ThreadBooted(name, "loop"))
        try:
            self._serve()
        finally:
            tell(ThreadStopping(name, "loop"))

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            self._loop = runner.get_loop()
            self._turned = monotonic()
            self._loop.call_soon(self._ready.set)
            self._loop.call_later(self._interval, self._look)
            self._loop.run_forever()

    def _fill(self) -> None:
        loop = cast(asyncio.AbstractEventLoop, self._loop)
        chains = self._child.chains
        while self._waiting and len(self._tasks) < self.size:
            try:
                job = self._waiting.popleft()
            except IndexError:  # taken back
                return
            task = loop.create_task(self._run(job, chains))
            self._tasks[task] = job
            task.add_done_callback(self._done)

    async def _run(self, job: Job, chains: Chains) -> None:
        try:
            await chains.arun(job)
        except (SystemExit, KeyboardInterrupt) as error:  # nothing is committed, the delivery counts; let go on, they would end the loop
            job.commit = cut_short(job, error)

    def _done(self, task: "asyncio.Task[None]") -> None:
        job = self._tasks.pop(task)
        if job.commit is None:  # cancelled from outside, or a BaseException: nothing is committed
            error = None if task.cancelled() else task.exception()
            job.commit = hand_back(job) if error is None else cut_short(job, error)
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
            if task in self._tasks and task is not self._blamed:
                self._blamed = task
                log.warning(
                    "%s has kept the event loop from turning for %.1f s, and all other async actors wait: call what blocks with asyncio.to_thread",
                    self._tasks[task].delivery.actor_name,
                    stuck,
                )

    def _flush(self) -> None:
        self._flushing = False
        self._child.pump.flush()

    def _look(self) -> None:
        self._turned = monotonic()
        for call in list(self._calls.values()):
            self._strike_if_overdue(call)
        cast(asyncio.AbstractEventLoop, self._loop).call_later(self._interval, self._look)

    def _strike_if_overdue(self, call: Call) -> None:
        if call.task in self._calls and call.deadline <= monotonic() + 0.001:
            self._cancel(call, exceeded(call.message.actor_name, call.message.time_limit))

    def _strike(self, chosen: Callable[[Message], Interrupt | None]) -> None:
        for call in list(self._calls.values()):
            if (interrupt := chosen(call.message)) is not None:
                self._cancel(call, interrupt)

    def _cancel(self, call: Call, interrupt: Interrupt) -> None:
        if call.struck is None:
            call.struck = interrupt
            call.task.cancel()

    def _shut(self) -> None:
        self._winding_up = asyncio.ensure_future(self._wind_up())

    async def _wind_up(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        asyncio.get_running_loop().stop()


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop: uvloop's when it is installed."""
    try:
        import uvloop  # pyright: ignore[reportMissingImports]  # optional
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
