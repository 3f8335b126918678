"""
The message that an actor runs for, in the log records that the actor and its libraries write.

`MessageFilter` is for the standard library's `logging`, `add_message_fields` is a processor for structlog. Both read `get_current_message`.
"""

import logging
from collections.abc import MutableMapping

from fq.core.message import RETRIES, Message
from fq.layers.current_message import get_current_message

FIELDS = ("message_id", "actor", "queue", "attempt")
"""The names of what is added."""


class MessageFilter(logging.Filter):
    """
    Adds to each record, as attributes, the ``message_id``, ``actor``, ``queue`` and ``attempt`` of the message that runs; ``""`` outside an actor.

    It drops no record. Add it to a handler, not to a logger: filters of a logger do not see the records of the loggers below it. ``fq worker`` has it.

    >>> handler = logging.StreamHandler()
    >>> handler.addFilter(MessageFilter())
    >>> handler.setFormatter(logging.Formatter("%(message_id)s %(actor)s %(message)s"))
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the fields to *record*, and keep it."""
        if not hasattr(record, "fq"):
            record.__dict__.update(fields_of(get_current_message()))
        return True


def add_message_fields(_logger: object, _method_name: str, event: MutableMapping[str, object], /) -> MutableMapping[str, object]:
    """
    Add the same fields to *event*, inside an actor: a processor for ``structlog.configure(processors=[add_message_fields, …])``.

    >>> add_message_fields(None, "info", {"event": "outside of an actor"})
    {'event': 'outside of an actor'}
    """
    if message := get_current_message():
        for name, value in fields_of(message).items():
            event.setdefault(name, value)
    return event


def fields_of(message: Message | None) -> dict[str, object]:
    """Return the fields of *message*, empty ones if there is none."""
    if message is None:
        return dict.fromkeys(FIELDS, "")
    retries = message.options.get(RETRIES.name, 0)
    attempt = retries + 1 if isinstance(retries, int) else "?"  # an option of a foreign producer
    return dict(zip(FIELDS, (message.message_id, message.actor_name, message.queue_name, attempt), strict=True))
