"""
Lowering: an outcome, which talks about messages and values, becomes a commit, which talks about bytes.

Done once, for every broker; what cannot be encoded is found here and fails its own message alone.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Never

from returns.pipeline import is_successful
from returns.result import Failure, Result, Success

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
    new_commit,
    new_enqueue_op,
    new_store_result_op,
)
from fq.brokers.validation import checked
from fq.core.fault import Fault
from fq.core.message import Message, evolve_message
from fq.core.outcome import Arrive, Dead, Drop, Effect, Enqueue, Outcome, Retry, Store
from fq.errors import Cancelled, Error, InvalidResult
from fq.errors.exception_text import is_a
from fq.errors.propagation import escapes
from fq.layers.received import as_received
from fq.wire.codec import decode, encode, encode_result, encode_value
from fq.workflows.group_results import DEFAULT_GROUP_TTL_MS, arrivals, unreachable_result_ids, workflow_of

RESULT_TTL = 600_000
"""How long a failure is kept that no layer asked to store, ms."""

SendLayers = Callable[[Enqueue], Enqueue]
"""What is folded over every message that leaves: the `on_enqueue` faces of its actor's stack."""

FaultOf = Callable[[BaseException], Fault]


def send_to_op(enqueue: Enqueue, apply_send_layers: SendLayers) -> EnqueueOp:
    """Return *enqueue*, passed through *apply_send_layers*, as a broker takes it."""
    return to_op(apply_send_layers(enqueue), enqueue.continues)


def to_op(enqueue: Enqueue, continues: bool = False) -> EnqueueOp:
    """Return *enqueue*, which has passed the send side, as a broker takes it."""
    message = enqueue.message
    body = encode(message if message.origin is None else as_received(message))
    return new_enqueue_op(message.message_id, message.queue_name, message.actor_name, message.priority, enqueue.delay, body, continues)


def encode_outcome(delivery: Delivery, outcome: Outcome, apply_send_layers: SendLayers) -> Commit:
    """
    Return the commit of *outcome* for *delivery*.

    An outcome that cannot be encoded becomes a dead letter with the path of the value; and that failure is what its groups hear, and those
    who wait for its result.
    """
    return encode_or_fail(delivery, outcome, apply_send_layers)[1]


def encode_or_fail(delivery: Delivery, outcome: Outcome, apply_send_layers: SendLayers) -> tuple[Outcome, Commit]:
    """Return what `encode_outcome` returns, and before it the outcome that it stands for: *outcome*, or the failure to encode that."""
    try:
        return outcome, _encode(delivery, outcome, apply_send_layers)
    except BaseException as error:
        if escapes(error):
            raise
        stored = [(effect.message_id, effect.ttl) for effect in outcome.effects if isinstance(effect, Store)]
        return Outcome.failure(error), next(fallback_commits(delivery, error, stored, apply_send_layers))


def fallback_commits(
    delivery: Delivery, error: BaseException, stored: Iterable[tuple[str, int]], apply_send_layers: SendLayers
) -> Iterator[Commit]:
    """
    Yield commits for *delivery*, which *error* makes a dead letter, each of which says less than the one before.

    The first tells all who wait: for the results that would have been *stored* (message id and ttl), for a group, for the end of a pipeline. What
    they wait for may not be as it should be either; the last tells nobody.
    """
    dead = Outcome.failure(error)
    stores = tuple(Store(message_id, Failure(error), ttl) for message_id, ttl in stored)
    tellings: tuple[Callable[[], tuple[Effect, ...]], ...] = (lambda: (*stores, *_dependents(delivery, error)), lambda: stores, lambda: ())
    for effects in tellings:
        try:
            commit = _encode(delivery, dead.also(*effects()), apply_send_layers)
        except BaseException as worse:
            if escapes(worse):
                raise
            continue  # the next one says less
        yield commit


def bury_with(delivery: Delivery, error: BaseException, apply_send_layers: SendLayers) -> Commit:
    """Return the commit that makes *delivery* a dead letter for *error*, and tells all who wait where that is possible."""
    bare = new_commit(delivery.message_id, delivery.queue_name, delivery.token, Bury(Fault.of(error)), ())
    return next(fallback_commits(delivery, error, (), apply_send_layers), bare)


def _dependents(delivery: Delivery, error: BaseException) -> Iterator[Effect]:
    """Return what tells the groups of a message, and who waits for the end of its pipeline, that it failed with *error*."""
    message = decode(delivery.body, received_at=delivery.received_at)
    yield from (Store(message_id, Failure(error), RESULT_TTL, workflow_of(message)) for message_id in unreachable_result_ids(message))
    yield from arrivals(message, Outcome.failure(error), DEFAULT_GROUP_TTL_MS)


def _encode(delivery: Delivery, outcome: Outcome, apply_send_layers: SendLayers) -> Commit:
    succeeded = is_successful(outcome.result)
    if succeeded and not outcome.effects:
        return new_commit(delivery.message_id, delivery.queue_name, delivery.token)
    fault_of = _each_once()
    disposition = ACK if succeeded else _disposition(outcome, apply_send_layers, fault_of)
    operations = tuple(_operation(effect, apply_send_layers, fault_of) for effect in outcome.effects)
    return checked(new_commit(delivery.message_id, delivery.queue_name, delivery.token, disposition, operations))


def _each_once() -> FaultOf:
    """Return `Fault.of`, which reads source lines, for one outcome: it buries a message with the error that it stores as its result."""
    faults: dict[int, Fault] = {}

    def fault_of(error: BaseException) -> Fault:
        return faults.get(id(error)) or faults.setdefault(id(error), Fault.of(error))

    return fault_of


def _disposition(outcome: Outcome, apply_send_layers: SendLayers, fault_of: FaultOf) -> Disposition:
    match outcome.result.failure():
        case Retry(message, delay, error):
            return Reschedule(send_to_op(Enqueue(message, delay), apply_send_layers), None if error is None else fault_of(error))
        case Dead(error):
            return ACK if is_a(error, Cancelled) else Bury(fault_of(error))  # what was cancelled on purpose is no dead letter
        case Drop():
            return ACK
        case unknown:
            _refuse(unknown, "Retry, Dead or Drop as the failure of an Outcome; Outcome.failure(error) makes one of an error")


def _operation(effect: Effect, apply_send_layers: SendLayers, fault_of: FaultOf) -> Operation:
    match effect:
        case Store(message_id, result, ttl, hold):
            return new_store_result_op(message_id, encode_result(_stored(result, fault_of)), ttl, hold)
        case Enqueue():
            return send_to_op(effect, apply_send_layers)
        case Arrive(group, member, size, value, then, ttl):
            return ArriveOp(
                group,
                member,
                size,
                encode_value(value, "result"),
                tuple(split_at_group_values(enqueue, apply_send_layers) for enqueue in then),
                ttl,
            )
        case unknown:
            _refuse(unknown, "Enqueue, Store or Arrive as an effect of an Outcome")


def _refuse(found: Never, expected: str) -> Never:
    raise InvalidResult(f"found {found!r}, expected {expected}")


def _stored(result: Result[object, Error], fault_of: FaultOf) -> Result[object, Fault]:
    return Success(result.unwrap()) if is_successful(result) else Failure(fault_of(result.failure()))


_MARK = "\x00fq:values\x00"


def split_at_group_values(enqueue: Enqueue, apply_send_layers: SendLayers) -> DeferredEnqueue:
    """Return *enqueue* cut open where the values of its group go, after its own arguments, and where the time goes at which it is made."""
    message: Message = enqueue.message
    marked = send_to_op(Enqueue(evolve_message(message, args=(*message.args, _MARK)), enqueue.delay), apply_send_layers)
    parts = marked.body.split(encode_value(_MARK))
    if len(parts) != 2:
        raise InvalidResult(
            f"{message.actor_name}: the argument that stands for the group's values is there {len(parts) - 1} times, expected once"
        )
    head, tail = parts
    before, _, after = tail.rpartition(b'"message_timestamp":%d' % message.message_timestamp)
    return (
        DeferredEnqueue(marked, head, before + b'"message_timestamp":', after)
        if after.startswith(b",")
        else DeferredEnqueue(marked, head, tail)
    )


__all__ = [
    "SendLayers",
    "bury_with",
    "encode_or_fail",
    "encode_outcome",
    "fallback_commits",
    "send_to_op",
    "split_at_group_values",
    "to_op",
]
