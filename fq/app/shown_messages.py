"""A message of the broker as text: its call, with the arguments as its actor shows them in logs (`redact`), or with their values if these are asked for."""

from collections.abc import Mapping

from attrs import asdict, evolve

from fq.calls.message_record import MessageRecord
from fq.core.message import Message
from fq.core.shown_call import shown_call
from fq.execution.registry import Registry


def call_text(registry: Registry, record: MessageRecord, shows_values: bool = False) -> str:
    """Return the call of *record* as Python."""
    if record.left_out:
        return f"{record.actor_name}(...)  # arguments: {record.left_out}"
    message = Message(message_id=record.message_id, actor_name=record.actor_name, args=record.args, kwargs=record.kwargs)
    return shown_call(message, redact=False) if shows_values else registry.plan(record.actor_name).shown_call(message)


def record_as_json(registry: Registry, record: MessageRecord, shows_values: bool = False) -> Mapping[str, object]:
    """Return *record* as JSON values, with its call as text. Without *shows_values* it has no arguments."""
    shown = record if shows_values or record.left_out else evolve(record, args=(), kwargs={}, left_out="redacted")
    return {**asdict(shown), "call": call_text(registry, record, shows_values)}
