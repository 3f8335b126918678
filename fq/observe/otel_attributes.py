"""The names and values that OpenTelemetry's messaging conventions want of a message. Pure; imports nothing of OpenTelemetry."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from returns.pipeline import is_successful

from fq.core.message import RETRIES, Message
from fq.core.outcome import Dead, Drop, Outcome, Retry
from fq.errors import LayerError
from fq.errors.exception_text import is_a, name_of

CREATE, SEND, PROCESS = "create", "send", "process"
"""The operations."""

AttributeValue = str | int | bool | float

DEFAULT_PORT = 6379
"""The port of a Redis server whose URL has none."""


def attributes_of(message: Message, operation: str, delay_ms: int = 0) -> Mapping[str, AttributeValue]:
    """Return the attributes of a span of *operation* on *message*, which waits *delay_ms*."""
    found: dict[str, AttributeValue] = {
        **metric_attributes(message, operation),
        "messaging.operation.type": operation,
        "messaging.message.id": message.message_id,
        "fq.actor.name": message.actor_name,
    }
    if isinstance(root := message.options.get("fq.root"), str):
        found["messaging.message.conversation_id"] = root
    if operation == PROCESS:
        found["fq.message.deliveries"] = message.deliveries
        found["fq.message.retries"] = _retries(message)
    if delay_ms:
        found["fq.message.delay"] = delay_ms
    return found


def metric_attributes(message: Message, operation: str) -> dict[str, AttributeValue]:
    """Return the attributes of a measurement: few values each, so that no series has one message."""
    return queue_attributes(message.queue_name, operation)


def server_attributes(broker: str) -> Mapping[str, AttributeValue]:
    """
    Return where the server of a *broker* is, if there is one: Redis, at one address.

    >>> server_attributes("redis://me:***@cache.example:6380/0"), server_attributes("sqlite:////tmp/jobs.db")
    ({'server.address': 'cache.example', 'server.port': 6380}, {})
    """
    scheme, _, place = broker.partition("://")
    if not scheme.startswith(("redis", "valkey")) or "," in place:
        return {}
    try:
        found = urlsplit(broker)
        return {"server.address": found.hostname or "localhost", "server.port": found.port or DEFAULT_PORT}
    except ValueError:
        return {}


def queue_attributes(queue_name: str, operation: str) -> dict[str, AttributeValue]:
    """Return the attributes of a measurement of *operation* on messages of one queue."""
    return {"messaging.system": "fq", "messaging.operation.name": operation, "messaging.destination.name": queue_name}


def error_type(error: BaseException) -> str:
    """Return the name of the class of *error*; for a layer's error, that of the error inside it."""
    inner = error.__cause__ if is_a(error, LayerError) else None
    return name_of(error if inner is None else inner)


def outcome_name(outcome: Outcome) -> str:
    """Return what becomes of the message: ``success``, ``retry``, ``snooze``, ``dead`` or ``drop``."""
    if is_successful(outcome.result):
        return "success"
    match outcome.result.failure():
        case Retry(_, _, None):
            return "snooze"
        case Retry():
            return "retry"
        case Dead():
            return "dead"
        case Drop():
            return "drop"


def _retries(message: Message) -> int:
    found = message.options.get(RETRIES.name, 0)
    return found if isinstance(found, int) else 0
