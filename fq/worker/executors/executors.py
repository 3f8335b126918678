"""`Executors`: all that runs actors in one worker: a pool of threads, a thread for quarantined messages, an event loop, and what interrupts them."""

from collections.abc import Callable
from time import monotonic

from attrs import frozen

from fq.core.message import Message
from fq.execution.registry import Registry
from fq.layers.time_limit import TimeLimit
from fq.runtime.stacks import stacks_of_process
from fq.runtime.watched_threads import OnLost
from fq.worker.executors.event_loop import EventLoop
from fq.worker.executors.interrupts import Interrupter
from fq.worker.executors.running_tasks import RunningTasks
from fq.worker.executors.thread_pool import ThreadPool
from fq.worker.finished_jobs import FinishedJobs
from fq.worker.job import JobRunner
from fq.worker.reports import Reports
from fq.worker.scoreboard import Scoreboard
from fq.worker.settings import WorkerSettings

JOIN_SECONDS = 0.2
"""How long all idle threads together have to end. Those that still run an actor are left behind."""


@frozen(eq=False)
class Executors:
    """The executors of one worker, which share a *runner*, and the *reports* of what they run."""

    runner: JobRunner
    interrupter: Interrupter
    pool: ThreadPool
    quarantine: ThreadPool
    loop: EventLoop
    reports: Reports

    @classmethod
    def create(
        cls, registry: Registry, settings: WorkerSettings, finished: FinishedJobs, scoreboard: Scoreboard | None, lost: OnLost
    ) -> "Executors":
        """Return executors for the actors of *registry*, not started yet; time limits are looked at as often as its layers ask for."""
        layers = (layer for plan in registry.plans() for layer in plan.stack)
        interval = min((layer.interval for layer in layers if isinstance(layer, TimeLimit)), default=1_000)
        interrupter = Interrupter(interval, scoreboard, lost)
        tasks = RunningTasks(scoreboard, interval)
        reports = Reports(finished.notify)
        runner = JobRunner(registry, interrupter.run, tasks.run, settings.unknown_actor_grace, settings.log_tasks, reports.add)
        return cls(
            runner,
            interrupter,
            ThreadPool(settings.threads, runner, interrupter, finished, lost),
            ThreadPool(1, runner, interrupter, finished, lost),
            EventLoop(settings.concurrency, tasks, runner, finished, lost),
            reports,
        )

    def start(self) -> None:
        """Start the threads; that of the event loop starts with its first message."""
        self.interrupter.start()
        self.pool.start()
        self.quarantine.start()

    def stop(self, timeout: float, before_end: Callable[[], None]) -> None:
        """End idle threads, and cancel what runs on the event loop, which has up to *timeout* seconds to clean up; call *before_end* before it ends."""
        self.pool.stop()
        self.quarantine.stop()
        self.loop.stop(timeout, before_end)

    def join(self) -> None:
        """Wait for threads to end, for a moment."""
        self.interrupter.stop()
        self.pool.join(JOIN_SECONDS)
        self.quarantine.join(0.0)

    def running(self) -> list[Message]:
        """Return the messages whose actors run."""
        return [message for message, _ in (*self.interrupter.running(), *self.loop.running())]

    def since(self) -> list[tuple[str, float]]:
        """Return the ids of the messages whose actors run, each with when it began, in seconds on the monotonic clock."""
        now = monotonic()
        return [(message.message_id, now - seconds) for message, seconds in (*self.interrupter.running(), *self.loop.running())]

    def stacks(self) -> str:
        """Return where each thread of this process is, and each task of the event loop, with the messages that they run."""
        labels = {thread: f"runs {message.actor_name} {message.message_id}" for thread, message in self.interrupter.by_thread().items()}
        return stacks_of_process(labels, self.loop.labelled_tasks())

    def forked(self) -> None:
        """See `ForkAware.forked`."""
        self.interrupter.forked()
        self.loop.forked()
