"""
`Sentry`: errors and traces of messages for Sentry. It needs ``fq[sentry]``, and a program that calls ``sentry_sdk.init``.

The names are those of Sentry's own integrations for queues: ``queue.publish``, ``queue.task``, ``messaging.message.id`` and so on.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from attrs import evolve, field, frozen, validators

from fq.core.message import RETRIES, Message
from fq.core.outcome import Enqueue, Outcome
from fq.errors import Cancelled, ConfigError, Shutdown
from fq.errors.exception_text import is_a
from fq.middleware.send_call import SendCall
from fq.observe.attempt_layer import AttemptLayer, Finish, is_tick
from fq.schedules.firing import SCHEDULE
from fq.schedules.when import Cron, When

try:
    import sentry_sdk
    import sentry_sdk.crons
    from sentry_sdk.scope import add_global_event_processor, global_event_processors
    from sentry_sdk.tracing import Span
except ImportError:
    raise ConfigError("sentry() needs Sentry's SDK, which is not installed: pip install 'fq[sentry]'") from None

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint, MonitorConfig

TRACE, BAGGAGE = "sentry-trace", "baggage"
"""Options of a message in which the trace of its sender travels."""


CRONTAB_FIELDS = 5
"""A cron expression with more has seconds."""

MINUTE_MS = 60_000


@frozen
class Sentry(AttemptLayer):
    """
    One event for each final failure, with actor, queue and message id as tags; and a transaction for each attempt.

    Each attempt has a scope of its own, so nothing of one message appears in the event of another. Arguments and local variables are sent only if Sentry is
    set up with ``send_default_pii``. Put it outside of all other layers: ``compose(sentry(), default_middleware)``.

    >>> from fq import Outcome
    >>> from fq.observe.sentry import sentry
    >>> from fq.testing import message
    >>> sentry().wrap(lambda message: Outcome.success(3))(message("add")).result
    <Success: 3>

    Attributes:
        every_attempt: make an event of each failed attempt, also if another one follows? Default: False.
    """

    every_attempt: bool = field(default=False, validator=validators.instance_of(bool))

    def on_enqueue(self, enqueue: Enqueue) -> Enqueue:
        """Do what `on_send` does, where it is not known what becomes of the message."""
        call = SendCall()
        enqueue = self.on_send(enqueue, call)
        call.end()
        return enqueue

    def on_send(self, enqueue: Enqueue, call: SendCall) -> Enqueue:
        """Put the current trace into the message of *enqueue*, in a span that ends with *call*. A message that has a trace keeps it."""
        message = enqueue.message
        if TRACE in message.options or not sentry_sdk.is_initialized():
            return enqueue
        span = sentry_sdk.start_span(op="queue.publish", name=message.actor_name)
        _describe(span, message)
        carried = dict(span.iter_headers()) or {TRACE: sentry_sdk.get_traceparent() or "", BAGGAGE: sentry_sdk.get_baggage() or ""}

        def end(error: BaseException | None) -> None:
            span.set_status("ok" if error is None else "internal_error")
            span.finish()

        if call.is_commit:
            end(None)  # its transaction ends before the commit
        else:
            call.at_end(end)
        found = {name: value for name, value in carried.items() if value}
        return evolve(enqueue, message=message.with_options(**found)) if found else enqueue

    def _check_in(self, message: Message, outcome: Outcome | None = None) -> None:
        """Tell Sentry's monitor of the schedule that its message begins, or how it ended."""
        if not is_tick(message):
            return
        if outcome is not None and not outcome.final:
            return  # it is tried again, and goes on until then
        status: Literal["in_progress", "ok", "error"] = "in_progress" if outcome is None else "ok" if outcome.succeeded else "error"
        name = str(message.options[SCHEDULE])
        sentry_sdk.crons.capture_checkin(
            monitor_slug=_slug(name), check_in_id=UUID(message.message_id).hex, status=status, monitor_config=self._monitor(name)
        )

    def _monitor(self, name: str) -> "MonitorConfig | None":
        """Return how Sentry is to set up the monitor of a schedule that the app declares; None if Sentry does not know such times."""
        schedule = None if self.app is None else self.app.registry.schedules.declared.get(name)
        return None if schedule is None else monitor_of(schedule.when)

    @contextmanager
    def _processing(self, message: Message) -> Iterator[Finish]:
        """Open the scope and the transaction of one attempt. Yield a function that reports its outcome, and returns it."""
        carried = {name: value for name in (TRACE, BAGGAGE) if isinstance(value := message.options.get(name), str)}
        with sentry_sdk.isolation_scope() as scope:
            scope.set_transaction_name(message.actor_name, source="task")
            scope.set_tags({"fq.actor": message.actor_name, "fq.queue": message.queue_name, "fq.message_id": message.message_id})
            if sentry_sdk.get_client().should_send_default_pii():
                scope.set_context("fq", {"args": list(message.args), "kwargs": dict(message.kwargs)})
            else:
                scope.add_event_processor(without_locals)
            transaction = sentry_sdk.continue_trace(carried, op="queue.task.fq", name=message.actor_name, source="task")
            with sentry_sdk.start_transaction(transaction) as span:
                _describe(span, message)
                self._check_in(message)
                yield lambda outcome: self._finish(span, message, outcome)

    def _finish(self, span: Span, message: Message, outcome: Outcome) -> Outcome:
        self._check_in(message, outcome)
        error = outcome.error
        span.set_status("ok" if error is None else "internal_error")
        if error is not None and (outcome.final or self.every_attempt) and not is_a(error, self._expected(message)):
            sentry_sdk.capture_exception(error)
        return outcome

    def _expected(self, message: Message) -> tuple[type[BaseException], ...]:
        """Return the errors that are not the actor's fault."""
        return (*self._thrown(message), Shutdown, Cancelled)


def is_no_log_of_an_attempt(event: "Event", hint: "Hint") -> "Event | None":
    """Return *event*; None if Sentry has made it of the record of an attempt in fq's log, since the layer tells of attempts."""
    return None if "outcome" in getattr(hint.get("log_record"), "fq", ()) else event


def without_locals(event: "Event", _: object) -> "Event":
    """Return *event* without the local variables of its frames: the arguments of a message are among them."""
    found: Mapping[str, Any] = event
    for place in ("exception", "threads"):
        for each in (found.get(place) or {}).get("values") or ():
            for frame in (each.get("stacktrace") or {}).get("frames") or ():
                frame.pop("vars", None)
    return event


def monitor_of(when: When) -> "MonitorConfig | None":
    """
    Return the settings of a monitor for *when*; None if it ticks at seconds, which Sentry does not know.

    >>> from fq import cron, every
    >>> monitor_of(cron("0 9 * * MON-FRI", tz="Europe/Berlin"))
    {'schedule': {'type': 'crontab', 'value': '0 9 * * MON-FRI'}, 'timezone': 'Europe/Berlin'}
    >>> monitor_of(every(3_600_000))
    {'schedule': {'type': 'interval', 'value': 60, 'unit': 'minute'}}
    >>> monitor_of(every(30_000))
    """
    if isinstance(when, Cron):
        if len(when.expression.split()) != CRONTAB_FIELDS:
            return None
        return {"schedule": {"type": "crontab", "value": when.expression}, "timezone": when.tz}
    minutes, rest = divmod(when.period, MINUTE_MS)
    return None if rest else {"schedule": {"type": "interval", "value": minutes, "unit": "minute"}}


def _slug(name: str) -> str:
    """
    Return the name of a schedule as Sentry names monitors.

    >>> _slug("Daily report: Berlin")
    'daily-report-berlin'
    """
    return re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-")[:50]


def _describe(span: Span, message: Message) -> None:
    retries = message.options.get(RETRIES.name, 0)
    span.set_data("messaging.system", "fq")
    span.set_data("messaging.message.id", message.message_id)
    span.set_data("messaging.destination.name", message.queue_name)
    span.set_data("messaging.message.retry.count", retries)
    if message.received_at:
        span.set_data("messaging.message.receive.latency", max(0, message.received_at - message.message_timestamp))


def sentry(*, every_attempt: bool = False) -> Sentry:
    """Return a `Sentry` layer."""
    if is_no_log_of_an_attempt not in global_event_processors:
        add_global_event_processor(is_no_log_of_an_attempt)
    return Sentry(every_attempt=every_attempt)
