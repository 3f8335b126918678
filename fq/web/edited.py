"""`send_again`: sends the call of a message again with other arguments, as a message of its own."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast
from uuid import UUID

from fq.app.audit import audit
from fq.core.message import RETRIES, Message
from fq.core.outcome import Enqueue
from fq.core.reserved_options import RESERVED_PREFIX, TAGS
from fq.errors import OptionError
from fq.runtime.fresh_ids import fresh_id
from fq.web.actions import log
from fq.wire.codec import decode

if TYPE_CHECKING:
    from fq.app.app import App


def send_again(app: "App", who: str, message_id: str, args_json: str, kwargs_json: str, new_id: str = "") -> str:
    """
    Send the call of the message *message_id* with these arguments, and return the id of the new message.

    It has the queue, the priority and the options of the other, and belongs to no workflow. If the broker knows a message with the id *new_id*, that one
    was sent before, by the same form: then nothing is sent.

    Raises:
        OptionError: the arguments are not JSON, or the message is gone.
        InvalidArguments: they do not fit the signature of the actor.
        ActorNotFound: the app has no such actor.
    """
    new_id = _checked_id(new_id) or fresh_id(app.broker.now())
    if app.broker.status(new_id).state != "unknown":
        return new_id
    args = cast("list[object]", _read(args_json, list, "args"))
    kwargs = cast("dict[str, object]", _read(kwargs_json, dict, "kwargs"))
    record = app.message(message_id)
    if record is None:
        raise OptionError(f"the message {message_id} is gone: send a new one with its actor")
    app.get_actor(record.actor_name).signature.bind(tuple(args), kwargs)
    now = app.broker.now()
    message = Message(
        message_id=new_id,
        actor_name=record.actor_name,
        queue_name=record.queue_name,
        args=tuple(args),
        kwargs=kwargs,
        options=_options(app, message_id),
        message_timestamp=now,
        priority=record.priority,
    )
    app.enqueue(Enqueue(message))
    audit(app, log, who, "edit", (message_id, message.message_id), 1)
    return message.message_id


def _checked_id(new_id: str) -> str:
    try:
        return str(UUID(new_id)) if new_id else ""
    except ValueError:
        raise OptionError(f"new_id: found {new_id!r}, expected a UUID") from None


def _read(text: str, kind: type, name: str) -> object:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise OptionError(f"{name}: this is not JSON: {error}") from None
    if not isinstance(value, kind):
        raise OptionError(f"{name}: found {type(value).__name__}, expected {'a list' if kind is list else 'an object'} in JSON")
    return value


def _options(app: "App", message_id: str) -> Mapping[str, object]:
    """Return the options of the message, without those that say where it stands in a workflow, and without its retries."""
    entry = app.broker.peek(message_id)
    options = {} if entry is None else decode(entry.body).options
    return {
        name: value for name, value in options.items() if name == TAGS or not (name.startswith(RESERVED_PREFIX) or name == RETRIES.name)
    }
