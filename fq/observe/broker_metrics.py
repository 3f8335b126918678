"""Metrics that only the broker knows: the state of the queues, asked for at each scrape. They need no worker."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fq.brokers.operations import DUE
from fq.brokers.protocol import Broker
from fq.brokers.records import QueueStats
from fq.errors import BrokerError
from fq.runtime.logger import logger

if TYPE_CHECKING:
    from fq.app.app import App

log = logger("fq.observe")

MOST_MEASURED = 50_000
"""How far a broker in an SQL database counts for a metric; another metric says that there are more."""

QUEUES = (
    ("fq_ready_messages", "ready", "Messages that wait for a worker: the depth of the queue, unless fq_depth_is_partial is 1"),
    ("fq_delayed_messages", "delayed", "Messages that are not due yet"),
    ("fq_claimed_messages", "in_flight", "Messages that workers hold"),
    ("fq_dead_messages", "dead", "Dead letters that are kept"),
    ("fq_queue_paused", "paused", "1 while the queue is paused"),
)

DEPTHS = (("ready", "ready"), ("delayed", "delayed"), ("claimed", "in_flight"), ("dead", "dead"))
"""The states of the numbers of messages among `QUEUES`, and their names in `QueueStats`."""

PARTIAL = f"1 if there are more messages in this state than their number says: SQLite and PostgreSQL count to {MOST_MEASURED:,}"


class BrokerCollector(Collector):
    """The state of the queues of *app*, and how many worker processes have a lease: what ``fq metrics`` serves."""

    def __init__(self, app: "App") -> None:
        self._app = app

    def collect(self) -> Iterator[Metric]:
        """Return the metrics as they are now."""
        yield from broker_metrics(self._app)
        try:
            alive = sum(worker.lease_left > 0 for worker in self._app.broker.workers())
        except BrokerError:
            return  # fq_broker_up says so
        yield GaugeMetricFamily("fq_workers_total", "Worker processes that are alive", value=alive)


def broker_metrics(app: "App") -> Iterator[Metric]:
    """Return whether the broker of *app* answers and, if it does, the metrics of its queues."""
    try:
        queues, schedules = app.broker.queues(MOST_MEASURED), tuple(_schedule_metrics(app.broker))
    except BrokerError as error:
        log.warning("cannot ask the broker for metrics: %s", error)
        yield GaugeMetricFamily("fq_broker_up", "1 if the broker answered", value=0)
        return
    yield GaugeMetricFamily("fq_broker_up", "1 if the broker answered", value=1)
    yield from queue_metrics(queues)
    yield from schedules
    yield from _outbox_metrics(app)


def _outbox_metrics(app: "App") -> Iterator[Metric]:
    """Return the metrics of the outbox, if the app has one and its database answers."""
    if app.registry.source is None:
        return
    try:
        state = app.registry.source.state()
    except Exception as error:
        log.warning("cannot ask the outbox for metrics: %s", error)
        return
    yield GaugeMetricFamily("fq_outbox_rows", "Rows of the outbox that wait for a worker to move them", value=state.waiting)
    yield GaugeMetricFamily("fq_outbox_failed_rows", "Rows of the outbox that could not be sent", value=state.failed)
    yield GaugeMetricFamily("fq_outbox_oldest_age_seconds", "How long the oldest row has waited", value=state.oldest_age / 1_000)


def _schedule_metrics(broker: Broker) -> Iterator[Metric]:
    """Return the metrics of schedules that are neither paused nor orphaned."""
    yield GaugeMetricFamily("fq_schedules", "Schedules that tick", value=broker.count_marks(DUE))
    late = max((broker.now() - mark.order for mark in broker.marks_in(DUE, limit=1)), default=0)
    yield GaugeMetricFamily(
        "fq_schedule_lateness_seconds", "For how long a tick has been due that no worker has sent", value=max(0, late) / 1_000
    )


def queue_metrics(queues: Sequence[QueueStats]) -> Iterator[Metric]:
    """Return the metrics of *queues*."""
    for name, attribute, text in QUEUES:
        gauge = GaugeMetricFamily(name, text, labels=("queue_name",))
        for queue in queues:
            gauge.add_metric((queue.queue_name,), float(getattr(queue, attribute)))
        yield gauge
    age = GaugeMetricFamily(
        "fq_oldest_message_age_seconds", "How long the oldest ready message has waited, of any priority", labels=("queue_name",)
    )
    for queue in queues:
        age.add_metric((queue.queue_name,), queue.oldest / 1_000)
    yield age
    partial = GaugeMetricFamily("fq_depth_is_partial", PARTIAL, labels=("queue_name", "state"))
    for queue in queues:
        for state, attribute in DEPTHS:
            partial.add_metric((queue.queue_name, state), float(attribute in queue.at_least))
    yield partial
