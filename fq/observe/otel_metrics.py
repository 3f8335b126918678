"""`Instruments`: the metrics of OpenTelemetry's messaging conventions."""

from collections.abc import Mapping

from opentelemetry import metrics

from fq.core.message import Message
from fq.errors import Error
from fq.observe.otel_attributes import PROCESS, SEND, AttributeValue, error_type, metric_attributes, queue_attributes

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""Bounds of the histograms, in seconds, as the conventions advise."""


class Instruments:
    """Counts messages, and times sends and attempts. The API passes measurements to the provider that is set, also if that is set later."""

    def __init__(self) -> None:
        meter = metrics.get_meter("fq", schema_url="https://opentelemetry.io/schemas/1.44.0")
        self._sent = meter.create_counter("messaging.client.sent.messages", "{message}", "Messages that were sent")
        self._consumed = meter.create_counter("messaging.client.consumed.messages", "{message}", "Messages that were delivered")
        self._call = meter.create_histogram(
            "messaging.client.operation.duration", "s", "How long a send took", explicit_bucket_boundaries_advisory=BUCKETS
        )
        self._attempt = meter.create_histogram(
            "messaging.process.duration", "s", "How long an attempt took", explicit_bucket_boundaries_advisory=BUCKETS
        )

    def sent(self, counts: Mapping[str, int], seconds: float | None, error: BaseException | None) -> None:
        """Count messages, by queue, that one call has sent in this many *seconds*, or not, because of *error*. The time of a commit is not that of a send."""
        for queue, count in counts.items():
            self._sent.add(count, _with_error(queue_attributes(queue, SEND), error))
        if seconds is not None:
            attributes: dict[str, AttributeValue] = {"messaging.system": "fq", "messaging.operation.name": SEND}
            attributes = queue_attributes(next(iter(counts)), SEND) if len(counts) == 1 else attributes
            self._call.record(seconds, _with_error({**attributes, "messaging.operation.type": SEND}, error))

    def processed(self, message: Message, seconds: float, error: Error | None) -> None:
        """Count an attempt to process *message*, which took *seconds* and ended with *error*."""
        attributes = _with_error(metric_attributes(message, PROCESS), error)
        self._consumed.add(1, attributes)
        self._attempt.record(seconds, attributes)


def _with_error(attributes: dict[str, AttributeValue], error: BaseException | None) -> dict[str, AttributeValue]:
    return attributes if error is None else {**attributes, "error.type": error_type(error)}
