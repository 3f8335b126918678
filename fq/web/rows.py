"""A message as a row of a page: its call as text, redacted as its actor says, and its latest error."""

from collections.abc import Mapping

from fq.app import shown_messages
from fq.calls.message_record import MessageRecord
from fq.core.fault import Fault
from fq.core.shown_call import shown_value
from fq.web.site import Site


def message_row(site: Site, record: MessageRecord, shows_values: bool) -> dict[str, object]:
    """Return *record* as JSON."""
    return {
        "message_id": record.message_id,
        "actor_name": record.actor_name,
        "queue_name": record.queue_name,
        "state": record.state,
        "outcome": record.outcome,
        "since": record.since,
        "priority": record.priority,
        "deliveries": record.deliveries,
        "worker": record.worker,
        "call": call_text(site, record, shows_values),
        "tags": list(record.tags),
        "error": error_of(record.error),
    }


def call_text(site: Site, record: MessageRecord, shows_values: bool) -> str:
    """Return the call of *record* as Python."""
    return shown_messages.call_text(site.app.registry, record, shows_values)


def value_text(site: Site, actor_name: str, name: str, value: object, shows_values: bool) -> str:
    """Return *value*, which belongs to a message of an actor, as text."""
    return shown_value(name, value, False if shows_values else site.app.registry.plan(actor_name).redact)


def error_of(fault: Fault | None) -> Mapping[str, str] | None:
    """Return *fault* without its traceback."""
    return None if fault is None else {"type": fault.type, "message": fault.message}
