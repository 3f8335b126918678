"""`Worker`: one worker process, or one worker inside a process of yours: a dispatcher, a pool of threads and an event loop. Mutable shell."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Self

from fq.brokers.protocol import Broker
from fq.core.events import WorkerBooted, WorkerBooting, WorkerStopped, WorkerStopping
from fq.core.message import Message
from fq.errors import Cancelled, FqError, Shutdown
from fq.execution.registry import Registry
from fq.layers.cancellation import Cancellation
from fq.layers.shutdown_notifications import ShutdownNotifications
from fq.runtime.fresh_ids import fresh_worker_name
from fq.runtime.logger import logger
from fq.worker.executors.executors import Executors
from fq.worker.executors.forks import call_in_forks
from fq.worker.finished_jobs import FinishedJobs
from fq.worker.process.broker_session import BrokerSession
from fq.worker.process.claim_size import ClaimedQueues
from fq.worker.process.dispatcher import Dispatcher
from fq.worker.process.inline_heartbeat import InlineHeartbeat
from fq.worker.process.resource_lifespan import ResourceLifespan
from fq.worker.process.scheduler import Scheduler
from fq.worker.scoreboard import Scoreboard
from fq.worker.settings import WorkerSettings

log = logger("fq.worker")

GRACE_SECONDS = 0.05
"""How long actors that asked for it are left alone when a worker stops: most have ended by then, and what has not begun is handed back meanwhile."""

LOOP_CLEAN_UP_SECONDS = 1.0
"""How long async actors may take to clean up when they are cancelled at the end."""


class Worker:
    """
    Runs messages of the actors in *registry* until it is stopped. As a context manager it runs inside your process: for tests and notebooks.

    Under a supervisor it has a *scoreboard*, and the supervisor renews its lease; without one it does so itself. The broker knows it by *name*; without a
    supervisor it takes a new name when it starts, since each fork of the process that made it may start it.
    """

    def __init__(
        self, registry: Registry, broker: Broker, settings: WorkerSettings, name: str = "inline", scoreboard: Scoreboard | None = None
    ) -> None:
        self.settings = settings
        self.lost: BaseException | None = None
        self._registry = registry
        self._broker = broker
        self._session = BrokerSession(broker, name, settings.lease)
        finished = FinishedJobs(self._session.wake)
        self._executors = Executors.create(registry, settings, finished, scoreboard, self.lose)
        queues = ClaimedQueues(registry, settings.queues)
        self._resources = ResourceLifespan(registry, self._executors.runner.resources, queues, self._executors.loop, self.lose)
        scheduler = Scheduler(registry, self._session)
        self.dispatcher = Dispatcher(self._session, finished, self._executors, queues, scheduler, self._resources, self.cancel, self.lose)
        self._stuck_logged = False
        self._forked = False
        self._mover = None if registry.source is None else registry.source.relay(broker, registry.emit_enqueued)
        self._heartbeat = InlineHeartbeat(broker, self._session, settings, self, self.lose) if scoreboard is None else None

    @property
    def name(self) -> str:
        """What the broker knows it by."""
        return self._session.name

    def start(self) -> None:
        """Start all threads."""
        if self._heartbeat is not None:
            self._session.name = fresh_worker_name("inline")
        call_in_forks(self)
        self._registry.emit(WorkerBooting(self.name))
        self._executors.start()
        if self._heartbeat is not None:
            self._heartbeat.start()
        self._resources.start()
        self.dispatcher.start()
        if self._mover is not None:
            self._mover.start()
        self._registry.emit(WorkerBooted(self.name))

    def stop(self, timeout: int | None = None) -> None:
        """
        Stop claiming, hand back what has not begun, wait up to *timeout* ms for what runs, commit it, and hand back the rest.

        *timeout* is the setting ``shutdown_timeout`` unless given.
        """
        if self._forked:
            return
        seconds = (self.settings.shutdown_timeout if timeout is None else timeout) / 1_000
        self._registry.emit(WorkerStopping(self.name))
        if self._mover is not None:
            self._mover.stop()
        self._call_shutdown_function()
        if not self.dispatcher.drain(min(seconds, GRACE_SECONDS)):
            self._executors.interrupter.interrupt(self._shutdown_for)
            self._executors.loop.interrupt(self._shutdown_for)
            self.dispatcher.drain(seconds)
        self._executors.stop(min(LOOP_CLEAN_UP_SECONDS, seconds), self._end)
        self._executors.join()
        if self._mover is not None:
            self._mover.join()
        if self._heartbeat is not None:
            self._heartbeat.stop()
        self._registry.emit(WorkerStopped(self.name))

    def stop_waiting(self) -> None:
        """Let a `stop` in another thread wait no longer for what runs: it hands that back."""
        self.dispatcher.give_up()

    def _end(self) -> None:
        """Commit what has finished, and close the resources: nothing uses them any more, and those on the event loop need it once more."""
        self.dispatcher.stop()
        self._resources.stop()

    def forked(self) -> None:
        """Run nothing any more: this process is a fork."""
        self._forked = True
        self._executors.forked()

    def heartbeat(self, scoreboard: Scoreboard) -> None:
        """Write a heartbeat on *scoreboard*, unless the dispatcher is stuck, or the resources are not open: then nothing is claimed or committed."""
        if not self._resources.ready:
            return  # it has not booted yet
        if not self.dispatcher.stuck:
            scoreboard.heartbeat(self.dispatcher.committed)
            self._stuck_logged = False
        elif not self._stuck_logged:
            self._stuck_logged = True
            log.error("the dispatcher is stuck, and nothing is committed meanwhile; it is here:\n%s", self.dispatcher.stack())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, raised: type[BaseException] | None, *_: object) -> None:
        self.stop()
        if self.lost is not None and raised is None:
            raise RuntimeError("a thread of this worker could not go on, so the worker has run nothing since") from self.lost

    def stacks(self) -> str:
        """Return where each thread of this process is, and each task of the event loop."""
        return self._executors.stacks()

    def running(self) -> list[tuple[str, float]]:
        """Return the ids of the messages whose actors run, each with when it began, in seconds on the monotonic clock."""
        return self._executors.since()

    def lose(self, thread: str, error: BaseException) -> None:
        """
        Stop claiming, because *thread*, which this worker needs, has ended with *error*; what has not begun is handed back.

        The process of a supervisor then ends, and is replaced. Inside your own process, what runs is finished, and the end of the context raises.
        """
        self.lost = self.lost or error
        log.error("worker %s has lost its thread %s: it claims nothing more, and hands back what it holds", self.name, thread)
        self.dispatcher.stop_claiming()
        if self.dispatcher.alive and thread != "fq-dispatcher":
            return
        counted = [message.message_id for message in self._executors.running()]
        if self.dispatcher.last_received is not None:
            counted.append(self.dispatcher.last_received.message_id)
        with suppress(FqError):
            self._broker.release(self.name, {}, counted)
        self.dispatcher.give_up()

    def _call_shutdown_function(self) -> None:
        """Call the function that the app's stack has for a worker that stops."""
        layer = self._registry.stack.get(ShutdownNotifications)
        try:
            if layer is not None:
                layer.call()
        except Exception:
            log.exception("%s has failed at the stop of the worker", layer)

    def _shutdown_for(self, message: Message) -> Shutdown | None:
        """Return what to raise in the actor that runs *message*, if it asked for that."""
        layer = self._registry.plan(message.actor_name).stack.get(ShutdownNotifications)
        return Shutdown("the worker is stopping") if layer is not None and holds(layer.notifies, message) else None

    def cancel(self, message_ids: Sequence[str]) -> None:
        """Interrupt those of *message_ids* that run: async actors, and those sync actors that are cancellable."""
        cancelled_ids = frozenset(message_ids)

        def cancelled(message: Message) -> Cancelled | None:
            text = f"{message.actor_name} {message.message_id} was cancelled"
            return Cancelled(text) if message.message_id in cancelled_ids else None

        def cancelled_if_cancellable(message: Message) -> Cancelled | None:
            layer = self._registry.plan(message.actor_name).stack.get(Cancellation)
            return cancelled(message) if layer is not None and holds(layer.interrupts, message) else None

        self._executors.interrupter.interrupt(cancelled_if_cancellable)
        self._executors.loop.interrupt(cancelled)


def holds(question: Callable[[Message], bool], message: Message) -> bool:
    """Return the answer to *question* about *message*; False if an option of the message cannot be read: it fails for that in its stack."""
    try:
        return question(message)
    except Exception:
        return False
