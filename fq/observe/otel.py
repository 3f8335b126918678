"""
`OpenTelemetry`: spans and metrics of messages, by the messaging conventions of OpenTelemetry (semantic conventions v1.44).

It needs ``fq[otel]``, the API of OpenTelemetry. Your program installs an SDK and sets the providers. ``fq.observe.otel_attributes`` has the names.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING

from attrs import evolve, field, frozen, validators

from fq.core.message import Message, evolve_message
from fq.core.outcome import Enqueue, Outcome, Retry, Setback
from fq.errors import ConfigError
from fq.errors.exception_text import is_a
from fq.middleware.send_call import SendCall
from fq.observe.attempt_layer import AttemptLayer, Finish, is_tick
from fq.observe.otel_attributes import PROCESS, attributes_of, outcome_name, server_attributes

try:
    from opentelemetry import context, propagate, trace
    from opentelemetry.trace import Link, Span, SpanContext, SpanKind

    from fq.observe.otel_sends import CARRIED, Attributes, carried_by, context_of, instruments, note_error, traced, tracer
except ImportError:
    raise ConfigError("otel() needs the API of OpenTelemetry, which is not installed: pip install 'fq[otel]'") from None

if TYPE_CHECKING:
    from fq.app.app import App

PREVIOUS = "otel.previous"
"""Option of a message that is tried again: the trace context of the attempt before."""

LONG_DELAY_MS = 3_600_000
"""A message that waited longer than this, or was sent by a schedule, begins a trace of its own, with a link."""


@frozen
class OpenTelemetry(AttemptLayer):
    """
    A span for each message that is sent and for each attempt to process one, joined by the trace context in the message.

    Put it outside of all other layers, so that its span contains theirs: ``compose(otel(), default_middleware)``. The context travels through retries,
    pipelines, groups and callbacks. Set providers that have threads, such as a `BatchSpanProcessor`, in each process: see docs/tracing.md.

    >>> from fq import Outcome
    >>> from fq.observe.otel import otel
    >>> from fq.testing import message
    >>> otel().wrap(lambda message: Outcome.success(3))(message("add")).result
    <Success: 3>

    Attributes:
        parent: is the span of the sender the parent of the attempt's span? Default: True, so that one trace shows both. If not, there is only a link.

        create_spans: has each message of a batch a span of its own? Default: True. If not, the batch has one span, and its messages have the context of that.
    """

    parent: bool = field(default=True, validator=validators.instance_of(bool))
    create_spans: bool = field(default=True, validator=validators.instance_of(bool))

    def on_enqueue(self, enqueue: Enqueue) -> Enqueue:
        """Do what `on_send` does, where it is not known what becomes of the message."""
        call = SendCall(is_commit=True)
        enqueue = self.on_send(enqueue, call)
        call.end()
        return enqueue

    def on_send(self, enqueue: Enqueue, call: SendCall) -> Enqueue:
        """Make a span for *enqueue* that ends with *call*, and put its context into the message. A message that has a context keeps it."""
        return traced(enqueue, call, self._server(), create_spans=self.create_spans)

    def _server(self) -> Attributes:
        """Return where the broker's server is."""
        return {} if self.app is None else self.app.singleton(_server_of)

    @contextmanager
    def _processing(self, message: Message) -> Iterator[Finish]:
        """Make the span of one attempt current. Yield a function that notes its outcome, and returns it."""
        creation = context_of(message)
        links = [Link(each) for each in (_span_context(creation), _previous(message)) if each is not None]
        joins = self.parent and not _begins_a_trace(message)
        span = tracer().start_span(
            f"{PROCESS} {message.queue_name}",
            context=creation if joins else context.Context(),
            kind=SpanKind.CONSUMER,
            links=links,
            attributes={**attributes_of(message, PROCESS), **self._server()},
        )
        started = perf_counter()
        token = context.attach(trace.set_span_in_context(span, creation))
        try:
            yield lambda outcome: self._finish(span, message, outcome, started)
        finally:
            context.detach(token)
            span.end()

    def _finish(self, span: Span, message: Message, outcome: Outcome, started: float) -> Outcome:
        error = outcome.error
        is_expected = error is not None and is_a(error, self._thrown(message))
        instruments.processed(message, perf_counter() - started, None if is_expected else error)
        if span.is_recording():
            span.set_attribute("fq.outcome", outcome_name(outcome))
            if error is not None and not is_expected:
                note_error(span, error)
        return outcome.alt(lambda setback: _with_previous(setback, span))


def _server_of(app: "App") -> Attributes:
    return server_attributes(str(app.broker))


def _span_context(found: context.Context) -> SpanContext | None:
    span_context = trace.get_current_span(found).get_span_context()
    return span_context if span_context.is_valid else None


def _previous(message: Message) -> SpanContext | None:
    """Return the context of the attempt before this one."""
    previous = message.options.get(PREVIOUS)
    return _span_context(propagate.extract({CARRIED[0]: previous})) if isinstance(previous, str) else None


def _begins_a_trace(message: Message) -> bool:
    return is_tick(message) or message.received_at - message.message_timestamp > LONG_DELAY_MS


def _with_previous(setback: Setback, span: Span) -> Setback:
    """Return *setback* with the context of *span* in the message of a retry."""
    if not isinstance(setback, Retry):
        return setback
    carried = carried_by(trace.set_span_in_context(span, context.Context()))
    if CARRIED[0] not in carried:
        return setback
    options = {**setback.message.options, PREVIOUS: carried[CARRIED[0]]}
    return evolve(setback, message=evolve_message(setback.message, options=options))


def otel(*, parent: bool = True, create_spans: bool = True) -> OpenTelemetry:
    """Return an `OpenTelemetry` layer."""
    return OpenTelemetry(parent=parent, create_spans=create_spans)
