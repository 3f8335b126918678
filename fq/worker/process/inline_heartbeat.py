"""`InlineHeartbeat`: the heartbeat of a worker inside your own process, which has no supervisor: a thread. Mutable shell."""

import os
import threading
from time import monotonic
from typing import Protocol

from fq.brokers.protocol import Broker
from fq.errors import BrokerError
from fq.execution.worker_orders import Order
from fq.runtime.logger import logger
from fq.runtime.watched_threads import OnLost, watched_thread
from fq.worker.order_desk import OrderDesk
from fq.worker.process.broker_session import BrokerSession
from fq.worker.process.dispatcher import Dispatcher
from fq.worker.reported_process import ReportedProcess
from fq.worker.settings import WorkerSettings

log = logger("fq.worker")

MOST_REPORTED = 20
"""How many running messages a report has, those that run longest."""


class InlineWorker(Protocol):
    """What a heartbeat needs of its worker."""

    dispatcher: Dispatcher

    def running(self) -> list[tuple[str, float]]:
        """See `Worker.running`."""
        ...

    def stacks(self) -> str:
        """See `Worker.stacks`."""
        ...


class InlineHeartbeat:
    """
    Every ``settings.heartbeat`` ms: renews the lease of the worker of *session*, reports how *worker* is, and does what people ask of it.

    When the broker cannot be reached, it tries again at the next heartbeat. *lost* is called if its thread cannot go on.
    """

    def __init__(self, broker: Broker, session: BrokerSession, settings: WorkerSettings, worker: InlineWorker, lost: OnLost) -> None:
        self._broker, self._session, self._settings, self._worker = broker, session, settings, worker
        self._interval_seconds = settings.heartbeat / 1_000
        self._is_quiet = False
        self._started_at = 0.0
        self._stopped = threading.Event()
        self._thread = watched_thread("fq-heartbeat", self._run, lost)

    def start(self) -> None:
        """Start renewing."""
        self._started_at = monotonic()
        self._desk = OrderDesk(self._session.name)
        self._thread.start()

    def stop(self) -> None:
        """Stop renewing."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(0.0 if self._desk.has_answers else self._interval_seconds):
            try:
                self._beat()
            except BrokerError:
                self._stopped.wait(self._interval_seconds)

    def _beat(self) -> None:
        name = self._session.name
        process = ReportedProcess(os.getpid(), self._started_at, is_quiet=self._is_quiet, stops=False)
        running = sorted(self._worker.running(), key=lambda each: each[1])[:MOST_REPORTED]
        report = process.report(self._desk.program, self._settings, running)
        orders = self._desk.heartbeat(self._broker, [name], self._settings.lease, {name: report})
        self._obey(orders.wanted)
        if name in orders.stacks:
            self._desk.answer(name, orders.stacks[name], self._worker.stacks())

    def _obey(self, order: Order) -> None:
        if order.wanted in ("quiet", "active"):
            log.warning("%s asks this worker to be %s", order.who, order.wanted)
            self._is_quiet = order.wanted == "quiet"
            self._worker.dispatcher.pause(self._is_quiet)
        elif order.wanted:
            log.warning("%s asks this worker to be %s: it runs inside a process of yours, which alone can do that", order.who, order.wanted)
