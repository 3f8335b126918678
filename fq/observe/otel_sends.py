"""
`traced`: the span of a message that is sent, from the layers of the sender until the broker has it, with the error if it does not take it.

Messages that one call sends together have a span ``create`` each, and the call has one span ``send`` that links to them.
"""

from collections import Counter
from collections.abc import Mapping
from time import perf_counter
from typing import TypeAlias

from attrs import evolve
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from fq.core.message import Message
from fq.core.outcome import Enqueue
from fq.errors.exception_text import is_formattable, text_of
from fq.middleware.send_call import SendCall
from fq.observe.otel_attributes import CREATE, SEND, AttributeValue, attributes_of, error_type
from fq.observe.otel_metrics import Instruments

CARRIED = ("traceparent", "tracestate", "baggage")
"""Options of a message in which its creation context travels."""

MAX_TEXT = 200
"""How much of the text of an error is the description of a status."""

Attributes: TypeAlias = Mapping[str, AttributeValue]

SCHEMA = "https://opentelemetry.io/schemas/1.44.0"

instruments = Instruments()


def tracer() -> trace.Tracer:
    """Return the tracer of fq, of the provider that is set now."""
    return trace.get_tracer("fq", schema_url=SCHEMA)


def traced(enqueue: Enqueue, call: SendCall, server: Attributes, *, create_spans: bool) -> Enqueue:
    """Return *enqueue*, which *call* sends to *server*, with the context of its span. A message that has a context keeps it."""
    message = enqueue.message
    has_context = CARRIED[0] in message.options
    if has_context and message.origin is not None:
        return enqueue  # it is tried again: no new message
    if call.is_batch and not call.is_commit:
        batch = call.once(Batch)
        batch.counts[message.queue_name] += 1
        if has_context:
            return enqueue
        batch.span.set_attributes(server)
        return with_context(enqueue, batch.create(enqueue) if create_spans else batch.span)
    started = perf_counter()
    span = None if has_context else start_span(SEND, enqueue, server)

    def end(error: BaseException | None) -> None:
        seconds = None if call.is_commit else perf_counter() - started
        instruments.sent({message.queue_name: 1}, seconds, error)
        if span is not None:
            end_span(span, error)

    call.at_end(end)
    return enqueue if span is None else with_context(enqueue, span)


class Batch:
    """Mutable: the span of *call*, which sends several messages, and how many of them by queue."""

    def __init__(self, call: SendCall) -> None:
        self.counts: Counter[str] = Counter()
        self.started = perf_counter()
        attributes = {"messaging.system": "fq", "messaging.operation.name": SEND, "messaging.operation.type": SEND}
        self.span = tracer().start_span(SEND, kind=SpanKind.CLIENT, attributes=attributes)
        call.at_end(self.end)

    def create(self, enqueue: Enqueue) -> Span:
        """Return the span of one of the messages. It has ended: what takes time is the call."""
        span = start_span(CREATE, enqueue, {})
        span.end()
        self.span.add_link(span.get_span_context())
        return span

    def end(self, error: BaseException | None) -> None:
        """End the span, and count."""
        self.span.set_attribute("messaging.batch.message_count", self.counts.total())
        if len(self.counts) == 1:
            (queue,) = self.counts
            self.span.update_name(f"{SEND} {queue}")
            self.span.set_attribute("messaging.destination.name", queue)
        end_span(self.span, error)
        instruments.sent(self.counts, perf_counter() - self.started, error)


def start_span(operation: str, enqueue: Enqueue, server: Attributes) -> Span:
    """Return a new span of *operation* on the message of *enqueue*, in the current context."""
    attributes = {**attributes_of(enqueue.message, operation, delay_ms=enqueue.delay), **server}
    return tracer().start_span(f"{operation} {enqueue.message.queue_name}", kind=SpanKind.PRODUCER, attributes=attributes)


def end_span(span: Span, error: BaseException | None) -> None:
    """End *span*, with *error* if there is one."""
    if error is not None:
        note_error(span, error)
    span.end()


def note_error(span: Span, error: BaseException) -> None:
    """Note *error* in *span*. One whose class has bugs is noted without its traceback."""
    if not span.is_recording():
        return
    text = text_of(error)[:MAX_TEXT]
    span.set_attribute("error.type", error_type(error))
    span.set_status(Status(StatusCode.ERROR, text))
    if is_formattable(error):
        span.record_exception(error)
    else:
        span.add_event("exception", {"exception.type": error_type(error), "exception.message": text})


def with_context(enqueue: Enqueue, span: Span) -> Enqueue:
    """Return *enqueue*, whose message carries the context of *span*."""
    carried = carried_by(trace.set_span_in_context(span))
    return evolve(enqueue, message=enqueue.message.with_options(**carried)) if carried else enqueue


def carried_by(context: Context) -> Mapping[str, str]:
    """Return the options in which *context* travels."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier, context)
    return {name: value for name, value in carrier.items() if name in CARRIED}


def context_of(message: Message) -> Context:
    """Return the creation context of *message*; an empty one if it has none."""
    carrier = {name: value for name in CARRIED if isinstance(value := message.options.get(name), str)}
    return propagate.extract(carrier, Context()) if carrier else Context()
