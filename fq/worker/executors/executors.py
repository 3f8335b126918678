"""`Executors`: all that runs actors in one worker: a pool of threads, a thread for quarantined messages, an event loop, and what interrupts them."""

from attrs import frozen

from fq.core.message import Message
from fq.execution.registry import Registry
from fq.layers.time_limit import TimeLimit
from fq.runtime.watched_threads import OnLost
from fq.worker.executors.event_loop import EventLoop
from fq.worker.executors.interrupts import Interrupter
from fq.worker.executors.running_tasks import RunningTasks
from fq.worker.executors.thread_pool import ThreadPool
from fq.worker.job import JobRunner
from fq.worker.outbox import Outbox
from fq.worker.scoreboard import Scoreboard
from fq.worker.settings import WorkerSettings

JOIN_SECONDS = 0.2
"""How long all idle threads together have to end. Those that still run an actor are left behind."""


@frozen(eq=False)
class Executors:
    """The executors of one worker, which share a *runner*."""

    runner: JobRunner
    interrupter: Interrupter
    pool: ThreadPool
    quarantine: ThreadPool
    loop: EventLoop

    @classmethod
    def create(
        cls, registry: Registry, settings: WorkerSettings, outbox: Outbox, scoreboard: Scoreboard | None, lost: OnLost
    ) -> "Executors":
        """Return executors for the actors of *registry*, not started yet; time limits are looked at as often as its layers ask for."""
        layers = (layer for plan in registry.plans() for layer in plan.stack)
        interval = min((layer.interval for layer in layers if isinstance(layer, TimeLimit)), default=1_000)
        interrupter = Interrupter(interval, scoreboard, lost)
        tasks = RunningTasks(scoreboard, interval)
        runner = JobRunner(registry, interrupter.run, tasks.run, settings.unknown_actor_grace)
        return cls(
            runner,
            interrupter,
            ThreadPool(settings.threads, runner, interrupter, outbox, lost),
            ThreadPool(1, runner, interrupter, outbox, lost),
            EventLoop(settings.concurrency, tasks, runner, outbox, lost),
        )

    def start(self) -> None:
        """Start the threads; that of the event loop starts with its first message."""
        self.interrupter.start()
        self.pool.start()
        self.quarantine.start()

    def stop(self, timeout: float) -> None:
        """End idle threads, and cancel what runs on the event loop, which has up to *timeout* seconds to clean up."""
        self.pool.stop()
        self.quarantine.stop()
        self.loop.stop(timeout)

    def join(self) -> None:
        """Wait for threads to end, for a moment."""
        self.interrupter.stop()
        self.pool.join(JOIN_SECONDS)
        self.quarantine.join(0.0)

    def running(self) -> list[Message]:
        """Return the messages whose actors run."""
        return [message for message, _ in (*self.interrupter.running(), *self.loop.running())]

    def forked(self) -> None:
        """See `ForkAware.forked`."""
        self.interrupter.forked()
        self.loop.forked()
