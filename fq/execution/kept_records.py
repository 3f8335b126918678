"""
Writes what the layer `Keep` keeps: the record of a message that has ended, as a mark; an attempt of one that is retried, in the message itself.

``fq.app.history`` reads the records.
"""

import json
from collections.abc import Callable, Mapping
from functools import partial
from itertools import chain, repeat
from typing import TypeAlias

from attrs import evolve
from returns.pipeline import is_successful

from fq.brokers.operations import FINISHED, SetMarkOp, finished_key
from fq.core.attempts import attempts_with, with_attempts
from fq.core.fault import Fault
from fq.core.message import CANCELLED, Message
from fq.core.outcome import Drop, KeepRecord, KeptArguments, Outcome, Retry, Run, Store
from fq.core.reserved_options import FIRST_DELAY, PARENT, ROOT, TAGS
from fq.errors import AgeLimitExceeded, Cancelled, Error, Poison
from fq.errors.exception_text import is_a
from fq.layers.received import as_received
from fq.wire.codec import encode_value

FaultOf: TypeAlias = Callable[[Error], Fault]

REDACTED = "[redacted]"
"""What a record has in the place of an argument that is not to be kept."""

UNKNOWN = ""
"""The name of the parameter of a positional argument, if the actor is not declared here. What is to be left out by name then leaves it out, too."""

MAX_ARGUMENT_BYTES = 8_192
"""A record leaves out the arguments if they take more than this, as JSON."""

MARKER_TTL_MS = 600_000
"""How long it is known that a message has ended of which no record is kept: 10 minutes."""


def with_noted_attempt(retry: Retry, record: KeepRecord, fault_of: FaultOf) -> Retry:
    """Return *retry*, whose message carries one more attempt. A snooze is none, but deliveries that were lost before it are."""
    run = None if retry.error is None else _run(record, None)
    error = None if retry.error is None else fault_of(retry.error)
    travelling = attempts_with(record.message, run, error)
    return evolve(retry, message=with_attempts(retry.message, travelling))


def finished_mark(record: KeepRecord, outcome: Outcome, fault_of: FaultOf) -> SetMarkOp:
    """Return the mark that says what became of the message of *record*, which ended with *outcome*."""
    name = outcome_name(outcome)
    key = finished_key(record.message.message_id)
    if not record.whole:
        return SetMarkOp(key, encode_value({"outcome": name}), min(record.ttl, MARKER_TTL_MS))
    run = record.run or Run(started=record.message.received_at)
    ended = run.started + run.took
    fields = {name: value for name, value in _fields(record, outcome, name, ended, fault_of).items() if value}
    body = encode_value(fields)
    if len(body) > MAX_ARGUMENT_BYTES and len(encode_value([fields.get("args"), fields.get("kwargs")])) > MAX_ARGUMENT_BYTES:
        body = encode_value({**fields, "args": (), "kwargs": {}, "left_out": "too large"})
    return SetMarkOp(key, body, record.ttl, index=FINISHED, order=max(0, ended), most=record.most)


def outcome_name(outcome: Outcome) -> str:
    """Return how records call the final *outcome*."""
    if is_successful(outcome.result):
        return "success"
    setback = outcome.result.failure()
    if isinstance(setback, Drop):
        return "dropped"
    if is_a(setback.error, Cancelled):
        return "cancelled"
    return "expired" if is_a(setback.error, AgeLimitExceeded) else "dead"


def _fields(record: KeepRecord, outcome: Outcome, name: str, ended: int, fault_of: FaultOf) -> dict[str, object]:
    message = as_received(record.message)
    error = outcome.error
    fault = None if error is None else fault_of(error)
    run = _run(record, error)
    attempts = attempts_with(message, run, fault)
    setback = None if outcome.succeeded else outcome.result.failure()
    return {
        "outcome": name,
        "reason": setback.reason if isinstance(setback, Drop) else "",
        "actor": message.actor_name,
        "queue": message.queue_name,
        "priority": message.priority,
        **_arguments(record, message),
        "made": message.message_timestamp,
        "delay": message.options.get(FIRST_DELAY, 0),
        "ended": ended,
        "attempts": [attempt.as_json() for attempt in attempts],
        "fault": fault.as_json() if fault is not None and run is None else None,
        "result": any(isinstance(effect, Store) and effect.message_id == message.message_id for effect in outcome.effects),
        "parent": message.options.get(PARENT),
        "root": message.options.get(ROOT),
        "tags": message.options.get(TAGS),
        "progress": json.loads(record.progress) if record.progress else None,
    }


def _run(record: KeepRecord, error: Error | None) -> Run | None:
    """Return the run of the message; None if its actor was not called, because of *error*."""
    uncalled = record.message.interrupted == CANCELLED or is_a(error, (AgeLimitExceeded, Poison))
    return None if uncalled else record.run or Run(started=record.message.received_at)


def _arguments(record: KeepRecord, message: Message) -> Mapping[str, object]:
    if record.redact is True:
        return {"left_out": "redacted"}
    keep = _keeper(record.redact)
    names = chain(record.parameters, repeat(record.parameters[-1] if record.parameters else UNKNOWN))
    args = tuple(keep(name, value) for name, value in zip(names, message.args, strict=False)) if keep else message.args
    kwargs = {name: keep(name, value) for name, value in message.kwargs.items()} if keep else message.kwargs
    return {"args": args, "kwargs": kwargs}


def _keeper(redact: KeptArguments) -> Callable[[str, object], object] | None:
    """Return the function of a name and a value that returns what is kept of an argument; None if all is."""
    if callable(redact):
        return partial(_redacted, redact)
    names = () if isinstance(redact, bool) else redact
    return (lambda name, value: REDACTED if name in (UNKNOWN, *names) else value) if names else None


def _redacted(redact: Callable[[str, object], object], name: str, value: object) -> object:
    """Return what *redact* leaves of an argument. One that raises keeps no outcome from its commit, and no value in its place."""
    try:
        kept = redact(name, value)
        encode_value(kept)
    except Exception as error:
        return f"[redact raised {type(error).__name__}]"
    return kept
