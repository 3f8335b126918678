"""
`Prometheus`: counts and times messages, for Prometheus to scrape.

``meter.py`` keeps the counters, ``collector.py`` exports them.
"""

import time
from time import perf_counter
from typing import TYPE_CHECKING, Self

from attrs import evolve, field, frozen, validators

from fq.core.events import Committed, Event, Started, WorkerBooting, WorkerStopped
from fq.core.host import Host
from fq.core.message import Message
from fq.core.outcome import Dead, Enqueue, Outcome, Retry
from fq.middleware.base import AsyncHandler, Handler, Middleware
from fq.observe.meter import ERRORS, LOST, MESSAGES, REJECTS, RETRIES, STALE, Meter, find_shared_counters
from fq.observe.shared_counters import Labels

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from fq.app.app import App
    from fq.observe.collector import Exposure
    from fq.observe.user_metrics import MetricsPublisher

DUE = "eta"
"""Option of a delayed message: when it becomes ready, ms since the epoch."""

DUE_SLACK_MS = 10
"""A message that is ready within this time of its creation needs no `DUE`."""


@frozen
class Prometheus(Middleware):
    """
    Metrics of all messages, by queue and actor. ``fq worker`` serves the metrics of all its processes at one address; docs/metrics.md lists them.

    Put it into the app's own stack, outside of every layer whose time is to be measured.

    >>> from fq import Outcome, compose, prometheus, retries
    >>> from fq.testing import message
    >>> layer = prometheus(http_port=9999)
    >>> compose(layer, retries()).wrap(lambda message: Outcome.success(3))(message("add")).result
    <Success: 3>
    >>> layer.meter.totals()["default", "add"].durations.counts[-1]
    1.0

    Attributes:
        http_host: address to serve the metrics on. Default: the loopback address.

        http_port: port to serve them on; 0 for any free port, which is logged. Default 9191.

        registry: a registry of prometheus_client. Its own metrics are served, too, summed over all processes. Inside your own process, fq's metrics
            are added to it; default: the default registry.
    """

    http_host: str = field(default="127.0.0.1", validator=validators.instance_of(str))
    http_port: int = field(default=9191, validator=[validators.instance_of(int), validators.ge(0), validators.le(65_535)])
    registry: "CollectorRegistry | None" = field(default=None, eq=False)
    meter: Meter = field(factory=Meter, eq=False, repr=False, kw_only=True)
    app: "App | None" = field(default=None, eq=False, repr=False, kw_only=True)

    @classmethod
    def option_names(cls) -> frozenset[str]:
        """Actors have no options here."""
        return frozenset()

    def bind(self, app: Host, outside: tuple[Middleware, ...]) -> Self:
        """Return this layer as it is in *app*: it counts together with all others of the app."""
        return evolve(self, app=app.singleton(_app), meter=app.singleton(_meter))

    def wrap(self, next: Handler) -> Handler:
        """Return *next*, timed."""
        meter = self.meter

        def handler(message: Message) -> Outcome:
            labels = labels_of(message)
            meter.begin(labels)
            started = perf_counter()
            try:
                return next(message)
            finally:
                meter.end(labels, (perf_counter() - started) * 1_000)

        return handler

    def awrap(self, next: AsyncHandler) -> AsyncHandler:
        """Return *next*, timed."""
        meter = self.meter

        async def handler(message: Message) -> Outcome:
            labels = labels_of(message)
            meter.begin(labels)
            started = perf_counter()
            try:
                return await next(message)
            finally:
                meter.end(labels, (perf_counter() - started) * 1_000)

        return handler

    def on_enqueue(self, enqueue: Enqueue) -> Enqueue:
        """Record in a delayed message when it becomes ready: its time in the queue is measured from then on."""
        message = enqueue.message
        due = time.time_ns() // 1_000_000 + enqueue.delay
        if due - message.message_timestamp > DUE_SLACK_MS:
            return Enqueue(message.with_options(**{DUE: due}), enqueue.delay)
        return enqueue

    def on_event(self, event: Event) -> None:
        """Count messages that start, and outcomes that are committed."""
        match event:
            case Started(message):
                self._started(message)
            case Committed(message, outcome, stale):
                self.meter.count(self._labels(message), *([STALE] if stale else counters_of(outcome)))
            case WorkerBooting() if self.app is not None:
                self.meter.join()
                if find_shared_counters() is None:  # else fq worker serves the metrics of all its processes
                    self.app.singleton(_exposure).add(self.registry)
                elif self.registry is not None:
                    self.app.singleton(_publisher).start(self.registry)
            case WorkerStopped() if self.app is not None:
                if find_shared_counters() is None:
                    self.app.singleton(_exposure).remove()
                elif self.registry is not None:
                    self.app.singleton(_publisher).stop()
            case _:
                pass

    def _labels(self, message: Message) -> Labels:
        """Return the labels of *message*, with one label for all unknown actors: other producers could name any number of them."""
        known = self.app is None or self.app.registry.plan(message.actor_name).actor is not None
        return labels_of(message) if known else (message.queue_name, "")

    def _started(self, message: Message) -> None:
        labels = self._labels(message)
        if message.deliveries > 1:  # its previous worker has lost it
            self.meter.count(labels, LOST)
        else:
            due = message.options.get(DUE)
            ready = max(due, message.message_timestamp) if isinstance(due, int) else message.message_timestamp  # later if it was requeued
            self.meter.observe_wait(labels, max(0, message.received_at - ready))


def _app(app: "App") -> "App":
    return app


def _meter(_: "App") -> Meter:
    return Meter()


def _exposure(app: "App") -> "Exposure":
    from fq.observe.collector import Collector, Exposure  # noqa: PLC0415  # prometheus_client is only imported where metrics are shown

    return Exposure(Collector(app.singleton(_meter), app))


def _publisher(app: "App") -> "MetricsPublisher":
    from fq.observe.user_metrics import MetricsPublisher  # noqa: PLC0415  # as above

    return MetricsPublisher(app.singleton(_meter))


def labels_of(message: Message) -> Labels:
    """Return the labels under which *message* is counted."""
    return message.queue_name, message.actor_name


def counters_of(outcome: Outcome) -> list[int]:
    """Return the counters that a committed outcome increments."""
    if outcome.succeeded:
        return [MESSAGES]
    setback = outcome.result.failure()
    failed = [] if outcome.error is None else [ERRORS]
    if isinstance(setback, Dead):
        return [MESSAGES, *failed, REJECTS]
    return [MESSAGES, *failed, RETRIES] if isinstance(setback, Retry) and failed else [MESSAGES]


def prometheus(*, http_host: str = "127.0.0.1", http_port: int = 9191, registry: "CollectorRegistry | None" = None) -> Prometheus:
    """Return a `Prometheus` layer."""
    return Prometheus(http_host=http_host, http_port=http_port, registry=registry)
