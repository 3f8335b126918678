"""
The wire form: JSON, with exactly the field names of `Message`.

A field that is not known is kept and a missing one has its default, so messages of yesterday's and tomorrow's version decode.
"""

import json
from collections.abc import Mapping

from returns.pipeline import is_successful
from returns.result import Failure, Result, Success

from fq.errors import DecodeError, InvalidResult
from fq.fault import Fault
from fq.frozen import NOTHING, FrozenDict
from fq.message import Message

_dumps = json.JSONEncoder(separators=(",", ":")).encode
_loads = json.JSONDecoder().decode
_new = object.__new__
_INFINITE = float("inf")
_FIELDS = frozenset(("message_id", "actor_name", "queue_name", "args", "kwargs", "options", "message_timestamp", "priority"))


def encode(message: Message) -> bytes:
    """
    Return the wire form of *message*.

    >>> encode(Message(message_id="m1", actor_name="add", args=(1, 2)))
    b'{"message_id":"m1","actor_name":"add","queue_name":"default","args":[1,2],"kwargs":{},"options":{},"message_timestamp":0,"priority":0}'

    Raises:
        InvalidResult: a value that is not JSON, with its path.
    """
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
    if message.extra:
        fields = {**message.extra, **fields}
    return encode_value(fields, message.actor_name)


def decode(body: bytes, *, received_at: int = 0, deliveries: int = 1, interrupted: str = "") -> Message:
    """
    Return the message whose wire form is *body*, stamped with the facts of its delivery.

    Raises:
        DecodeError: *body* is no message; says what was found.
    """
    try:
        fields = _loads(body.decode())
        message = _new(Message)
        message.__dict__.update(
            message_id=fields["message_id"],
            actor_name=fields["actor_name"],
            queue_name=fields.get("queue_name", "default"),
            args=tuple(fields.get("args", ())),
            kwargs=FrozenDict(kwargs) if (kwargs := fields.get("kwargs")) else NOTHING,
            options=FrozenDict(options) if (options := fields.get("options")) else NOTHING,
            message_timestamp=fields.get("message_timestamp", 0),
            priority=fields.get("priority", 0),
            received_at=received_at,
            deliveries=deliveries,
            interrupted=interrupted,
            time_limit=_INFINITE,
            extra=NOTHING if len(fields) == len(_FIELDS) else FrozenDict({k: v for k, v in fields.items() if k not in _FIELDS}),
        )
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise DecodeError(f"found {_shortened(body)}, expected a message as JSON: {type(error).__name__}: {error}") from None
    for name, kind in (("message_id", str), ("actor_name", str), ("queue_name", str), ("message_timestamp", int), ("priority", int)):
        if type(getattr(message, name)) is not kind:
            raise DecodeError(f"found {name}={getattr(message, name)!r} in {_shortened(body)}, expected {kind.__name__}")
    return message


def encode_value(value: object, name: str = "value") -> bytes:
    """
    Return *value* as JSON.

    Raises:
        InvalidResult: a value that is not JSON, with its path, which begins with *name*.
    """
    try:
        return _dumps(value).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidResult(not_json(value, name) or f"{name}: cannot be encoded as JSON: {error}") from None


def encode_result(result: Result[object, Fault]) -> bytes:
    """Return the stored form of a final result."""
    return encode_value({"value": result.unwrap()} if is_successful(result) else {"fault": result.failure().as_json()}, "result")


def decode_result(body: bytes) -> Result[object, Fault]:
    """Return the final result that is stored as *body*."""
    fields = json.loads(body)
    return Failure(Fault.from_json(fields["fault"])) if "fault" in fields else Success(fields["value"])


def not_json(value: object, path: str) -> str | None:
    """Return a sentence about the first part of *value* that is not JSON, with its path; None if all of it is."""
    if value is None or type(value) in (str, int, float, bool):
        return None
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                return f"{path}: found the key {key!r}, expected str, as JSON has no other keys; annotate it to have it converted"
            if said := not_json(item, f"{path}.{key}"):
                return said
        return None
    if isinstance(value, list | tuple):
        return next((said for at, item in enumerate(value) if (said := not_json(item, f"{path}[{at}]"))), None)
    if isinstance(value, str | int | float):
        return None
    return f"{path}: found {value!r} of type {type(value).__name__}, expected a JSON value; annotate it to have it converted"


def _shortened(body: bytes) -> str:
    return repr(body if len(body) <= 80 else body[:80] + b"...")
