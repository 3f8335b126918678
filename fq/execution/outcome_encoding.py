"""
Encodes outcomes for brokers: an outcome, made of messages and values, becomes a commit, made of bytes.

An outcome that cannot be encoded is a failure of its own message only: that becomes a dead letter.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Never, TypeAlias

from attrs import define, evolve, field
from returns.result import Failure

from fq.brokers.records import (
    ACK,
    ArriveOp,
    Bury,
    Commit,
    DeferredEnqueue,
    Delivery,
    Disposition,
    EnqueueOp,
    Operation,
    Reschedule,
    UniqueKey,
    new_commit,
    new_enqueue_op,
    new_store_result_op,
)
from fq.brokers.validation import checked
from fq.core.fault import Fault
from fq.core.message import Message, evolve_message
from fq.core.outcome import Arrive, Dead, Drop, Effect, Enqueue, KeepRecord, Outcome, Retry, Setback, Store
from fq.core.reserved_options import UNIQUE
from fq.core.uniqueness import Uniqueness
from fq.errors import Cancelled, InvalidResult
from fq.errors.exception_text import is_a
from fq.errors.propagation import escapes
from fq.execution.kept_records import finished_mark, with_noted_attempt
from fq.layers.received import as_received
from fq.layers.results import DEFAULT_RESULT_TTL_MS
from fq.wire.codec import decode, encode, encode_result, encode_value
from fq.workflows.group_results import DEFAULT_GROUP_TTL_MS, arrivals, unreachable_result_ids, workflow_of

SendLayers: TypeAlias = Callable[[Enqueue], Enqueue]
"""Applies the `on_enqueue` of each layer of an actor's stack to a message that leaves."""

_VALUES_MARK = "\x00fq:values\x00"
"""An argument that stands for the values of a group until the broker has them."""


def send_to_op(enqueue: Enqueue, apply_send_layers: SendLayers) -> EnqueueOp:
    """Return *enqueue*, passed through *apply_send_layers*, as an operation of a broker. The next part of a workflow is never unique: it must arrive."""
    sent = apply_send_layers(enqueue)
    return to_op(without_key(sent), continues=True) if enqueue.continues else to_op(sent)


def to_op(enqueue: Enqueue, continues: bool = False) -> EnqueueOp:
    """Return *enqueue*, which has passed the send layers, as an operation of a broker."""
    message = enqueue.message
    unique = unique_key(message.options) if message.options and UNIQUE in message.options else None
    body = encode(message if message.origin is None else as_received(message))
    return new_enqueue_op(
        message.message_id, message.queue_name, message.actor_name, message.priority, enqueue.delay, body, continues, unique
    )


def unique_key(options: Mapping[str, object]) -> UniqueKey | None:
    """Return the unique key of a message with *options*, as a broker takes it."""
    found = Uniqueness.in_options(options)
    if found is None:
        return None
    return UniqueKey(found.key, found.until, found.window, "after" if found.on_conflict == "after" else "keep", found.max_wait)


def without_key(enqueue: Enqueue) -> Enqueue:
    """Return *enqueue* without a unique key."""
    message = enqueue.message
    return evolve(enqueue, message=message.without_options(UNIQUE)) if UNIQUE in message.options else enqueue


def encode_outcome(delivery: Delivery, outcome: Outcome, apply_send_layers: SendLayers) -> Commit:
    """
    Return the commit of *outcome* for *delivery*.

    An outcome that cannot be encoded becomes a dead letter, whose fault names the path of the value. The groups of the message, and callers that
    wait for its result, get the same failure.
    """
    return encode_or_fail(delivery, outcome, apply_send_layers)[1]


def encode_or_fail(delivery: Delivery, outcome: Outcome, apply_send_layers: SendLayers) -> tuple[Outcome, Commit]:
    """Return the commit of *outcome*, preceded by *outcome* itself or, if that cannot be encoded, by the failure that the commit encodes instead."""
    try:
        if not outcome.effects and outcome.succeeded:
            return outcome, new_commit(delivery.message_id, delivery.queue_name, delivery.token)
        return outcome, _Encoder(apply_send_layers).commit(delivery, outcome)
    except BaseException as error:
        if escapes(error):
            raise
        stored = [(effect.message_id, effect.ttl) for effect in outcome.effects if isinstance(effect, Store)]
        records = tuple(evolve(effect, whole=True) for effect in outcome.effects if isinstance(effect, KeepRecord))
        always = tuple(effect for effect in outcome.effects if isinstance(effect, Enqueue) and effect.only_on == "final")
        failure = Outcome.failure(error).also(*always)
        return failure, next(fallback_commits(delivery, error, stored, apply_send_layers, records, always))


def fallback_commits(
    delivery: Delivery,
    error: BaseException,
    stored: Iterable[tuple[str, int]],
    apply_send_layers: SendLayers,
    records: tuple[KeepRecord, ...] = (),
    always: tuple[Enqueue, ...] = (),
) -> Iterator[Commit]:
    """
    Yield commits that make *delivery* a dead letter with *error*, each with fewer effects than the one before.

    The first stores the failure as the results *stored* (message id and ttl in ms), reports it to the dependents of the message, and sends what is
    sent *always*. The second does not send, the third only stores, the fourth does nothing of that; all but the fourth keep *records*. A commit that
    cannot be encoded is left out: the dependents may be what is wrong.
    """
    return _fallbacks(_Encoder(apply_send_layers), delivery, error, stored, records, always)


def bury_with(delivery: Delivery, error: BaseException, apply_send_layers: SendLayers) -> Commit:
    """Return the commit that makes *delivery* a dead letter with *error*, and reports the failure to its dependents if that can be encoded."""
    encoder = _Encoder(apply_send_layers)
    commit = next(_fallbacks(encoder, delivery, error, (), ()), None)
    return commit or new_commit(delivery.message_id, delivery.queue_name, delivery.token, Bury(encoder.fault_of(error)), ())


def _fallbacks(
    encoder: "_Encoder",
    delivery: Delivery,
    error: BaseException,
    stored: Iterable[tuple[str, int]],
    records: tuple[KeepRecord, ...],
    always: tuple[Enqueue, ...] = (),
) -> Iterator[Commit]:
    dead = Outcome.failure(error)
    stores = records + tuple(Store(message_id, Failure(error), ttl) for message_id, ttl in stored)
    attempts: tuple[Callable[[], tuple[Effect, ...]], ...] = (lambda: (*stores, *_dependents(delivery, error)), lambda: stores, lambda: ())
    if always:
        attempts = (lambda: (*stores, *_dependents(delivery, error), *always), *attempts)
    for effects in attempts:
        try:
            commit = encoder.commit(delivery, dead.also(*effects()))
        except BaseException as worse:
            if escapes(worse):
                raise
            continue  # the next attempt has fewer effects
        yield commit


def _dependents(delivery: Delivery, error: BaseException) -> Iterator[Effect]:
    """Return the effects that report *error* to what depends on a message: the results at the end of its pipeline, and its groups."""
    message = decode(delivery.body, received_at=delivery.received_at)
    workflow = workflow_of(message)
    yield from (Store(message_id, Failure(error), DEFAULT_RESULT_TTL_MS, workflow) for message_id in unreachable_result_ids(message))
    yield from arrivals(message, Outcome.failure(error), DEFAULT_GROUP_TTL_MS)


@define
class _Encoder:
    """
    Mutable: encodes one outcome, or several with the same error.

    It makes one `Fault` of each error, since that reads source lines, and an outcome often buries a message with the error that it stores.
    """

    apply_send_layers: SendLayers
    faults: dict[int, Fault] = field(factory=dict)

    def commit(self, delivery: Delivery, outcome: Outcome) -> Commit:
        """Return the commit of *outcome* for *delivery*."""
        if outcome.succeeded:
            disposition: Disposition = ACK
        else:
            outcome = self.with_noted_attempt(outcome)
            disposition = self.disposition(outcome.result.failure())
        operations = tuple([self.operation(effect, outcome) for effect in outcome.effects])
        return checked(new_commit(delivery.message_id, delivery.queue_name, delivery.token, disposition, operations))

    def with_noted_attempt(self, outcome: Outcome) -> Outcome:
        """Return *outcome*; if it retries a message of which a record will be kept, that carries the attempt, and there is no record yet."""
        setback = outcome.result.failure()
        record = next((effect for effect in outcome.effects if isinstance(effect, KeepRecord)), None)
        if record is None or not isinstance(setback, Retry):
            return outcome
        others = tuple(effect for effect in outcome.effects if not isinstance(effect, KeepRecord))
        return Outcome(Failure(with_noted_attempt(setback, record, self.fault_of)), others)

    def fault_of(self, error: BaseException) -> Fault:
        """Return *error* as a fault."""
        return self.faults.get(id(error)) or self.faults.setdefault(id(error), Fault.of(error))

    def disposition(self, setback: Setback) -> Disposition:
        """Return what *setback* does with the message itself."""
        match setback:
            case Retry(message, delay, error):
                post = send_to_op(Enqueue(message, delay), self.apply_send_layers)
                return Reschedule(post, None if error is None else self.fault_of(error))
            case Dead(error):
                return ACK if is_a(error, Cancelled) else Bury(self.fault_of(error))  # a message cancelled on purpose is no dead letter
            case Drop():
                return ACK
            case unknown:
                _refuse(unknown, "Retry, Dead or Drop as the failure of an Outcome; Outcome.failure(error) makes one of an error")

    def operation(self, effect: Effect, outcome: Outcome) -> Operation:
        """Return the operation of *effect*, which is one of *outcome*."""
        match effect:
            case Store(message_id, result, ttl, hold):
                body = encode_result(result.alt(self.fault_of))
                return new_store_result_op(message_id, body, ttl, hold)
            case Enqueue():
                return send_to_op(effect, self.apply_send_layers)
            case Arrive(group, member, size, value, then, ttl):
                follow_ups = tuple(split_at_group_values(enqueue, self.apply_send_layers) for enqueue in then)
                return ArriveOp(group, member, size, encode_value(value, "result"), follow_ups, ttl)
            case KeepRecord():
                return finished_mark(effect, outcome, self.fault_of)
            case unknown:
                _refuse(unknown, "Enqueue, Store, Arrive or KeepRecord as an effect of an Outcome")


def _refuse(found: Never, expected: str) -> Never:
    raise InvalidResult(f"found {found!r}, expected {expected}")


def split_at_group_values(enqueue: Enqueue, apply_send_layers: SendLayers) -> DeferredEnqueue:
    """
    Return *enqueue* as bytes with two gaps for the broker to fill: the values of the group, after the other arguments, and the time of sending.

    Raises:
        InvalidResult: another argument looks like the mark at which the bytes are split, or a layer has removed the mark.
    """
    message: Message = enqueue.message
    sent = apply_send_layers(Enqueue(evolve_message(message, args=(*message.args, _VALUES_MARK)), enqueue.delay))
    marked = to_op(without_key(sent))  # a broker makes the message when the group is complete: it could not say whose key conflicts
    parts = marked.body.split(encode_value(_VALUES_MARK))
    if len(parts) != 2:
        raise InvalidResult(
            f"{message.actor_name}: found the mark for the group's values {len(parts) - 1} times in the message, expected it once"
        )
    head, tail = parts
    before, _, after = tail.rpartition(b'"message_timestamp":%d' % message.message_timestamp)
    if not after.startswith(b","):  # a layer has changed the time, or there is no such field
        return DeferredEnqueue(marked, head, tail)
    return DeferredEnqueue(marked, head, before + b'"message_timestamp":', after)


__all__ = [
    "SendLayers",
    "bury_with",
    "encode_or_fail",
    "encode_outcome",
    "fallback_commits",
    "send_to_op",
    "split_at_group_values",
    "to_op",
    "unique_key",
    "without_key",
]
