"""
The wire form of messages and results: JSON, with exactly the field names of `Message`.

An unknown field is kept, and a missing one has its default, so messages of earlier and later versions decode.
"""

import json
from collections.abc import Mapping
from reprlib import Repr

from returns.pipeline import is_successful
from returns.result import Failure, Result, Success

from fq.core.fault import Fault
from fq.core.frozen import EMPTY, FrozenDict
from fq.core.message import Message, new_message
from fq.core.reserved_options import with_current_names
from fq.errors import DecodeError, InvalidResult
from fq.wire.json import dumps, loads, quoted

_INFINITE = float("inf")
_FIELDS = {
    "message_id": str,
    "actor_name": str,
    "queue_name": str,
    "args": list,
    "kwargs": dict,
    "options": dict,
    "message_timestamp": int,
    "priority": int,
}
_ORDER = tuple(_FIELDS)
_NO_ARGS: list[object] = []
_short_repr = Repr()


def encode(message: Message) -> bytes:
    """
    Return the wire form of *message*.

    >>> encode(Message(message_id="m1", actor_name="add", args=(1, 2)))
    b'{"message_id":"m1","actor_name":"add","queue_name":"default","args":[1,2],"kwargs":{},"options":{},"message_timestamp":0,"priority":0}'

    Raises:
        InvalidResult: a value that is not JSON, with its path.
    """
    try:
        return _as_text(message).encode("ascii") if not message.extra else encode_value(as_json(message), message.actor_name)
    except (TypeError, ValueError, RecursionError):
        return encode_value(as_json(message), message.actor_name)  # raises with the path of the value


def _as_text(message: Message) -> str:
    """Return `as_json` as text: written field by field, in half the time."""
    args, kwargs, options = message.args, message.kwargs, message.options
    return (
        f'{{"message_id":{quoted(message.message_id)},"actor_name":{quoted(message.actor_name)},"queue_name":{quoted(message.queue_name)}'
        f',"args":{dumps(args) if args else "[]"},"kwargs":{dumps(kwargs) if kwargs else "{}"},"options":{dumps(options) if options else "{}"}'
        f',"message_timestamp":{message.message_timestamp:d},"priority":{message.priority:d}}}'
    )


def as_json(message: Message) -> dict[str, object]:
    """Return *message* as a JSON object."""
    fields = {
        "message_id": message.message_id,
        "actor_name": message.actor_name,
        "queue_name": message.queue_name,
        "args": message.args,
        "kwargs": message.kwargs,
        "options": message.options,
        "message_timestamp": message.message_timestamp,
        "priority": message.priority,
    }
    return {**message.extra, **fields} if message.extra else fields


def decode(body: bytes, received_at: int = 0, deliveries: int = 1, interrupted: str = "") -> Message:
    """
    Return the message whose wire form is *body*, with the facts of its delivery.

    Raises:
        DecodeError: *body* is not a message; says what it is.
    """
    try:
        fields = loads(body.decode())
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"found {_shortened(body)}, expected a message as JSON: {type(error).__name__}: {error}") from None
    if type(fields) is not dict:
        raise DecodeError(f"found {_shortened(body)}, expected a message: a JSON object")
    has_all = tuple(fields) == _ORDER
    if has_all:  # as `encode` writes it: the hot path
        message_id, actor_name, queue_name, args, kwargs, options, timestamp, priority = fields.values()
    else:
        get = fields.get
        message_id, actor_name, queue_name = get("message_id"), get("actor_name"), get("queue_name", "default")
        args, kwargs, options = get("args", _NO_ARGS), get("kwargs", EMPTY), get("options", EMPTY)
        timestamp, priority = get("message_timestamp", 0), get("priority", 0)
    if not (
        type(message_id) is type(actor_name) is type(queue_name) is str
        and message_id
        and actor_name
        and type(args) is list
        and isinstance(kwargs, dict)
        and isinstance(options, dict)
        and type(timestamp) is type(priority) is int
    ):
        raise DecodeError(f"found {_shortened(body)}, expected a message: {_field_error(fields)}")
    args = tuple(args)
    kwargs = FrozenDict(kwargs) if kwargs else EMPTY
    options = FrozenDict(with_current_names(options)) if options else EMPTY
    return new_message(
        message_id,
        actor_name,
        queue_name,
        args,
        kwargs,
        options,
        timestamp,
        priority,
        received_at,
        deliveries,
        interrupted,
        _INFINITE,
        EMPTY if has_all or fields.keys() <= _FIELDS.keys() else FrozenDict(_unknown(fields)),
        (args, kwargs, options, body),
    )


def _unknown(fields: Mapping[str, object]) -> dict[str, object]:
    """Return the *fields* that this version does not know."""
    return {name: value for name, value in fields.items() if name not in _FIELDS}


def _field_error(fields: Mapping[str, object]) -> str:
    """Return what is wrong with the first wrong one of *fields*."""
    for name, kind in _FIELDS.items():
        if name not in fields and name in ("message_id", "actor_name"):
            return f"it has no {name}"
        if name in fields and type(fields[name]) is not kind:
            return f"its {name} is {_short_repr.repr(fields[name])}, expected {kind.__name__}"
    return "its message_id or its actor_name is empty"


def encode_value(value: object, name: str = "value") -> bytes:
    """
    Return *value* as JSON.

    Raises:
        InvalidResult: a value that is not JSON; its path begins with *name*.
    """
    try:
        return dumps(value).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidResult(_error_text(value, name, error)) from None


def _error_text(value: object, name: str, error: Exception) -> str:
    try:
        return json_error(value, name) or f"{name}: cannot be encoded as JSON: {error}"
    except RecursionError:
        return f"{name}: cannot be encoded as JSON: it contains itself, or is nested too deeply"


def encode_result(result: Result[object, Fault]) -> bytes:
    """Return the stored form of a final result."""
    if is_successful(result):
        return b'{"value":' + encode_value(result.unwrap(), "result") + b"}"
    return encode_value({"fault": result.failure().as_json()})


def decode_result(body: bytes) -> Result[object, Fault]:
    """Return the final result whose stored form is *body*."""
    fields = json.loads(body)
    return Failure(Fault.from_json(fields["fault"])) if "fault" in fields else Success(fields["value"])


def json_error(value: object, path: str) -> str | None:
    """Return a sentence about the first part of *value* that is not JSON, with its path; None if all of it is."""
    if value is None or type(value) in (str, int, float, bool):
        return None
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                return f"{path}: found the key {key!r}, expected str, as JSON has no other keys; annotate it to have it converted"
            if said := json_error(item, f"{path}.{key}"):
                return said
        return None
    if isinstance(value, list | tuple):
        return next((said for at, item in enumerate(value) if (said := json_error(item, f"{path}[{at}]"))), None)
    if isinstance(value, str | int | float):
        return None
    return f"{path}: found {value!r} of type {type(value).__name__}, expected a JSON value; annotate it to have it converted"


def _shortened(body: bytes) -> str:
    return repr(body if len(body) <= 80 else body[:80] + b"...")
