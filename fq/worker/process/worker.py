"""`Child`: one worker process, or one worker inside a process of yours: a pump, a pool of threads, an event loop. Mutable shell."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from fq.core.events import WorkerBooted, WorkerBooting, WorkerStopped, WorkerStopping
from fq.core.message import Message
from fq.errors import BrokerError, Cancelled, FqError, Shutdown
from fq.layers.cancellation import Cancellation
from fq.layers.shutdown_notifications import ShutdownNotifications
from fq.layers.time_limit import TimeLimit
from fq.runtime.fresh_ids import fresh_worker_name
from fq.runtime.logger import logger
from fq.runtime.watched_threads import OnLost, watched_thread
from fq.worker.executors.event_loop import Loop
from fq.worker.executors.forks import tell_of_forks
from fq.worker.executors.interrupts import Deadlines
from fq.worker.executors.thread_pool import Pool
from fq.worker.job import Chains
from fq.worker.process.dispatcher import Pump
from fq.worker.scoreboard import Board
from fq.worker.settings import WorkerSettings

if TYPE_CHECKING:
    from fq.app.app import App

log = logger("fq.worker")

HEAD_START = 0.05
"""How long a stopping worker's actors have before those that asked are told, in seconds: what has not started is handed back meanwhile."""

END = 0.2
"""How long threads have to end that run nothing any more, in seconds, all together. Those that still run an actor are left behind."""


class Child:
    """
    Runs messages of *app* until it is stopped. As a context manager it runs inside your process: for tests and notebooks.

    Under a supervisor it has a *board*, and the supervisor renews its lease; without one it does so itself. *name* is what it is known by to the broker;
    without a supervisor it draws a new one when it starts, since a fork of the process that made it may start it, too.
    """

    def __init__(self, app: "App", settings: WorkerSettings, name: str = "inline", board: Board | None = None) -> None:
        self.app = app
        self.name = name
        self.settings = settings
        self.lost: BaseException | None = None
        interval = min(
            (layer.interval for plan in app.registry.plans() for layer in plan.stack if isinstance(layer, TimeLimit)), default=1_000
        )
        self.pump = Pump(self)
        self.deadlines = Deadlines(interval, board, self.lose)
        self.loop = Loop(settings.concurrency, self, interval, board)
        self.chains = Chains(app, self.deadlines.run, self.loop.run, settings.unknown_actor_grace)
        self.pool = Pool(settings.threads, self.chains, self.deadlines, self.pump.finished, self.lose)
        self.quarantine = Pool(1, self.chains, self.deadlines, self.pump.finished, self.lose)
        self._complained = False
        self._forked = False
        self._heart = Heart(self._renew, settings.heartbeat, self.lose) if board is None else None

    @property
    def queues(self) -> tuple[str, ...]:
        """The queues that it claims from."""
        return self.settings.queues or self.app.queues

    def queues_of(self, sync: bool) -> tuple[str, ...]:
        """Return those of its queues that have a sync actor, or an async one; a queue of no actor that is declared here may have either."""
        colours: dict[str, set[bool]] = {}
        for actor in self.app.actors.values():
            colours.setdefault(actor.queue_name, set()).add(not actor.signature.is_async)
        return tuple(queue for queue in self.queues if sync in colours.get(queue, (True, False)))

    def start(self) -> None:
        """Start all threads."""
        if self._heart is not None:
            self.name = fresh_worker_name("inline")
        tell_of_forks(self)
        self.app.registry.emit(WorkerBooting(self.name))
        self.deadlines.start()
        self.pool.start()
        self.quarantine.start()
        if self._heart is not None:
            self._heart.start()
        self.pump.start()
        self.app.registry.emit(WorkerBooted(self.name))

    def stop(self, timeout: int | None = None) -> None:
        """
        Stop claiming, hand back what has not started, wait up to *timeout* ms for what runs, commit it, and hand back the rest.

        *timeout* is the setting ``shutdown_timeout`` unless given.
        """
        if self._forked:
            return
        patience = self.settings.shutdown_timeout if timeout is None else timeout
        self.app.registry.emit(WorkerStopping(self.name))
        self._call()
        if not self.pump.drain(min(patience / 1_000, HEAD_START)):
            self.deadlines.strike(self._notice)
            self.loop.strike(self._notice)
            self.pump.drain(patience / 1_000)
        self.pool.stop()
        self.quarantine.stop()
        self.loop.stop(min(1.0, patience / 1_000))
        self.pump.stop()
        self.deadlines.stop()
        self.pool.join(END)
        self.quarantine.join(0.0)
        if self._heart is not None:
            self._heart.stop()
        self.app.registry.emit(WorkerStopped(self.name))

    def forked(self) -> None:
        """Be no worker any more: this process is a fork."""
        self._forked = True
        self.deadlines.forked()
        self.loop.forked()

    def beat(self, board: Board) -> None:
        """Give a sign of life on *board*, as long as the pump goes on: without it nothing is committed, or claimed."""
        if self.pump.sound:
            board.beat(self.pump.committed)
            self._complained = False
        elif not self._complained:
            self._complained = True
            log.error("the pump is stuck, and nothing is committed meanwhile; it is here:\n%s", self.pump.stack())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, raised: type[BaseException] | None, *_: object) -> None:
        self.stop()
        if self.lost is not None and raised is None:
            raise RuntimeError("a thread of this worker could not go on, so that it has run nothing since") from self.lost

    def lose(self, thread: str, error: BaseException) -> None:
        """
        Stop claiming, since *thread*, without which this worker cannot work, has ended with *error*; what has not started is handed back.

        The process of a supervisor ends then, and is replaced. Inside your own process, what runs is finished, and the end of the context raises.
        """
        self.lost = self.lost or error
        log.error("worker %s has lost its thread %s: it claims nothing any more, and hands back what it holds", self.name, thread)
        if self.pump.alive and thread != "fq-pump":
            self.pump.flush()
            return
        counted = [message.message_id for message, _ in (*self.deadlines.running(), *self.loop.running())]
        if self.pump.judging is not None:
            counted.append(self.pump.judging.message_id)
        with suppress(FqError):
            self.app.broker.release(self.name, {}, counted)
        self.pump.give_up()

    def _call(self) -> None:
        """Call the function that the app's stack has for a worker that stops."""
        layer = self.app.stack.get(ShutdownNotifications)
        try:
            if layer is not None:
                layer.call()
        except Exception:
            log.exception("%s could not be told that the worker stops", layer)

    def _notice(self, message: Message) -> Shutdown | None:
        """Return what to raise in the actor that runs *message*, if it asked to be told."""
        layer = self.app.registry.plan(message.actor_name).stack.get(ShutdownNotifications)
        return Shutdown("the worker is stopping") if layer is not None and holds(layer.tells, message) else None

    def cancel(self, message_ids: Sequence[str]) -> None:
        """Interrupt what runs of *message_ids*: async actors, and those sync actors that are cancellable."""
        chosen = frozenset(message_ids)

        def cancelled(message: Message) -> Cancelled | None:
            return Cancelled(f"{message.actor_name} {message.message_id} was cancelled") if message.message_id in chosen else None

        def cancelled_if_it_may_be(message: Message) -> Cancelled | None:
            layer = self.app.registry.plan(message.actor_name).stack.get(Cancellation)
            return cancelled(message) if layer is not None and holds(layer.interrupts, message) else None

        self.deadlines.strike(cancelled_if_it_may_be)
        self.loop.strike(cancelled)

    def _renew(self) -> None:
        self.app.broker.renew([self.name], self.settings.lease)


def holds(question: Callable[[Message], bool], message: Message) -> bool:
    """Return the answer to *question* about *message*; no, where an option of the message cannot be read: in its stack it fails for that."""
    try:
        return question(message)
    except Exception:
        return False


class Heart:
    """Calls *beat* every *interval* ms in a thread of its own; a broker that cannot be reached is tried again at the next beat."""

    def __init__(self, beat: Callable[[], None], interval: int, lost: OnLost) -> None:
        self._beat = beat
        self._interval = interval / 1_000
        self._stopped = threading.Event()
        self._thread = watched_thread("fq-heart", self._run, lost)

    def start(self) -> None:
        """Start beating."""
        self._thread.start()

    def stop(self) -> None:
        """Stop beating."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(self._interval):
            with suppress(BrokerError):
                self._beat()
