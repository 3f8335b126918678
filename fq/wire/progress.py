"""What actors tell while they run, as bytes: `encode_progress` and `encode_chunk` in the actor, `decode_progress` and `decode_chunk` in a reader."""

import json
from collections.abc import Mapping
from typing import cast

from attrs import frozen

from fq.core.progress import Progress
from fq.errors import InvalidResult
from fq.wire.codec import encode_value
from fq.wire.convert import codec_for, to_json
from fq.wire.convert.records import is_record
from fq.wire.convert.type_codec import SCALARS

MAX_NOTE_BYTES = 4_096
"""The longest progress, and the longest value of a stream, as JSON."""


@frozen
class Chunk:
    """One *value* of a stream, as JSON: number *number*, from 0, of the run *epoch*."""

    epoch: int
    number: int
    value: object


def encode_progress(done: object, of: float | None, note: str) -> bytes:
    """
    Return a progress as JSON.

    >>> encode_progress(3, 10, "page 3")
    b'{"done":3,"of":10,"note":"page 3"}'

    Raises:
        InvalidResult: *of* is no number, *note* is no text, *done* cannot be encoded, or all of it is too long.
    """
    if of is not None and (isinstance(of, bool) or not isinstance(of, int | float)):
        raise InvalidResult(f"found of={of!r}, expected a number, which done will reach, or None")
    if not isinstance(note, str):
        raise InvalidResult(f"found note={note!r}, expected a text")
    fields: dict[str, object] = {"done": as_tree(done, "done")}
    if of is not None:
        fields["of"] = of
    if note:
        fields["note"] = note
    return _bounded(fields, "the progress")


def with_facts(body: bytes, token: int, worker: str, deliveries: int, at: int) -> bytes:
    """Return *body*, a progress, with the *token* of the claim that it is from, and the time at which it is told. An older fq reads the other facts."""
    return b'{"token":%d,"worker":%b,"deliveries":%d,"at":%d,' % (token, encode_value(worker), deliveries, at) + body[1:]


def decode_progress(body: bytes, token: int, worker: str, deliveries: int) -> Progress | None:
    """
    Return the progress in *body*; None if it is not from the claim with this *token*.

    The token alone tells: a worker may claim a message again, and the number of the delivery begins anew with each attempt, and may not count. These two
    decide about a progress that an older fq has written without a token, the oldest without a worker.
    """
    fields = json.loads(body)
    is_alike = fields.get("worker", worker) == worker and fields["deliveries"] == deliveries
    return progress_from(fields, fields["at"]) if fields.get("token", token) == token and is_alike else None


def progress_from(fields: Mapping[str, object], at: int) -> Progress:
    """Return the progress with these *fields* of JSON, told *at* a time."""
    return Progress(fields["done"], cast("float | None", fields.get("of")), str(fields.get("note", "")), at)


def encode_chunk(tree: object) -> bytes:
    """
    Return a value of a stream, which is JSON, as bytes.

    Raises:
        InvalidResult: it is too long.
    """
    return _bounded(tree, "the value of the stream")


def stored_chunk(body: bytes, epoch: int, number: int) -> bytes:
    """Return *body*, a value of a stream, with its number, in the form that brokers keep."""
    return b'{"epoch":%d,"number":%d,"value":' % (epoch, number) + body + b"}"


def decode_chunk(body: bytes) -> Chunk:
    """Return the value of a stream that *body* holds."""
    fields = json.loads(body)
    return Chunk(fields["epoch"], fields["number"], fields["value"])


def as_tree(value: object, name: str) -> object:
    """
    Return *value* as JSON, by its own type.

    Raises:
        InvalidResult: it cannot be encoded; its path begins with *name*.
    """
    kind = type(value)
    if kind in SCALARS or isinstance(value, list | tuple | dict):
        return value
    try:
        return to_json(value, kind, name) if is_record(kind) else codec_for(kind).encode(value)
    except (TypeError, ValueError) as error:
        raise InvalidResult(f"{name}: found {value!r}, expected a value that can be JSON: {str(error).removeprefix(': ')}") from None


def typed_tree(value: object, annotation: object) -> object:
    """
    Return *value* as JSON, by *annotation*.

    Raises:
        InvalidResult: it does not fit.
    """
    try:
        return to_json(value, annotation)
    except ValueError as error:
        raise InvalidResult(f"{error}, as the actor's emits says") from None


def _bounded(tree: object, what: str) -> bytes:
    try:
        body = encode_value(tree, what)
    except TypeError as error:
        raise InvalidResult(str(error)) from None
    if len(body) > MAX_NOTE_BYTES:
        raise InvalidResult(
            f"found {len(body):,} bytes of JSON as {what}, expected {MAX_NOTE_BYTES:,} at most: tell a summary, and return or store the rest"
        )
    return body
