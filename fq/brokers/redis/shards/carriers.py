"""
Carriers: messages of fq's own, which take operations from one shard to another. Pure.

A commit that asks something of another shard enqueues a carrier in its own shard, in the same step. So the outbox is a queue, `OUTBOX`, which is hidden from
people. ``fq.brokers.redis.shards.mover`` takes carriers where they belong.

The body of a carrier is JSON, NUL, and the body of its first enqueue, which the server puts together if it follows a group.
"""

import json
import uuid
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import TypeAlias

from attrs import evolve, frozen

from fq.brokers.operations import ArriveOp, DeferredEnqueue, EnqueueOp, Operation, SetMarkOp, StoreResultOp, UniqueKey

OUTBOX = "\x01outbox"
"""The queue of the carriers of a shard. Nobody else names a queue so."""

OWN = "\x01"
"""Names of queues, workers, messages and marks that begin with this are fq's own, and are shown to nobody."""

Text: TypeAlias = "str | int | bool | list[Text] | None"


@frozen
class Carrier:
    """
    *operations* for the shard *to*.

    *is_cancelled*: is the message cancelled whose commit asked for them? Then what continues its workflow is cancelled, too.
    """

    to: int
    operations: tuple[Operation, ...]
    is_cancelled: bool = False

    @property
    def only_enqueues(self) -> bool:
        """May the operations be carried out as what follows a mark?"""
        return not self.is_cancelled and all(type(operation) is EnqueueOp for operation in self.operations)


def carrier_op(carrier: Carrier, carrier_id: str = "") -> EnqueueOp:
    """Return what enqueues *carrier* in the outbox of a shard; it is cancelled if the message of the commit is."""
    return _enqueue(carrier_id, _written(carrier))


def carried_followup(to: int, followup: DeferredEnqueue) -> DeferredEnqueue:
    """Return what enqueues, when a group is complete, a carrier that enqueues *followup* in the shard *to*; it is cancelled with the group."""
    head = _written(Carrier(to, (evolve(followup.op, body=b"", continues=True),)))
    return evolve(followup, op=_enqueue("", b""), head=head + followup.head)


def _enqueue(carrier_id: str, body: bytes) -> EnqueueOp:
    return EnqueueOp(carrier_id or f"{OWN}{uuid.uuid4().hex}", OUTBOX, "fq", 0, 0, body, continues=True)


def _written(carrier: Carrier) -> bytes:
    first, *rest = carrier.operations
    tail = b""
    texts: list[Text] = [_text_of(operation) for operation in rest]
    if type(first) is EnqueueOp:
        tail = first.body
        texts.insert(0, _text_of(evolve(first, body=b"")))
    else:
        texts.insert(0, _text_of(first))
    return json.dumps([carrier.to, carrier.is_cancelled, texts]).encode() + b"\0" + tail


def read_carrier(body: bytes) -> Carrier:
    """Return the carrier whose body is *body*."""
    text, _, tail = body.partition(b"\0")
    to, is_cancelled, texts = json.loads(text)
    operations = [_operation_of(*each) for each in texts]
    if type(operations[0]) is EnqueueOp:
        operations[0] = evolve(operations[0], body=tail)
    return Carrier(to, tuple(operations), is_cancelled)


def _base64(body: bytes | None) -> str | None:
    return None if body is None else b64encode(body).decode()


def _post(op: EnqueueOp) -> list[Text]:
    unique = op.unique
    key: Text = None if unique is None else [unique.key, unique.until, unique.window, unique.on_conflict, unique.max_wait]
    return [op.message_id, op.queue_name, op.actor_name, op.priority, op.delay, _base64(op.body), op.continues, key]


def _text_of(operation: Operation) -> list[Text]:
    match operation:
        case EnqueueOp():
            return ["enqueue", *_post(operation)]
        case StoreResultOp(message_id, body, ttl, hold):
            return ["store", message_id, _base64(body), ttl, hold]
        case ArriveOp(group, member, size, value, then, ttl):
            followups: list[Text] = [[_post(each.op), _base64(each.head), _base64(each.tail), _base64(each.rest)] for each in then]
            return ["arrive", group, member, size, _base64(value), followups, ttl]
        case SetMarkOp(key, body, ttl, expected, index, order, most, then):
            expects: Text = expected if isinstance(expected, str) else [_base64(expected)]
            posts: list[Text] = [_post(each) for each in then]
            return ["mark", key, _base64(body), ttl, expects, index, order, most, posts]


def _operation_of(kind: str, *fields: object) -> Operation:
    return _READERS[kind](*fields)  # type: ignore[operator,no-any-return]  # the table below has a reader for each kind


def _read_post(
    id_: str, queue: str, actor: str, priority: int, delay: int, body: str, continues: bool, unique: Sequence[object] | None
) -> EnqueueOp:
    key = None if unique is None else UniqueKey(*unique)  # type: ignore[arg-type]  # as `_post` writes it
    return EnqueueOp(id_, queue, actor, priority, delay, b64decode(body), continues, key)


def _read_store(message_id: str, body: str, ttl: int, hold: str) -> StoreResultOp:
    return StoreResultOp(message_id, b64decode(body), ttl, hold)


def _read_arrive(
    group: str, member: int, size: int, value: str, then: Sequence[tuple[Sequence[object], str, str, str]], ttl: int
) -> ArriveOp:
    followups = tuple(
        DeferredEnqueue(_read_post(*post), b64decode(head), b64decode(tail), b64decode(rest))  # type: ignore[arg-type]  # as `_post` writes it
        for post, head, tail, rest in then
    )
    return ArriveOp(group, member, size, b64decode(value), followups, ttl)


def _read_mark(
    key: str, body: str | None, ttl: int, expects: str | Sequence[str], index: str, order: int, most: int, then: Sequence[Sequence[object]]
) -> SetMarkOp:
    expected = expects if isinstance(expects, str) else b64decode(expects[0])
    posts = tuple(_read_post(*each) for each in then)  # type: ignore[arg-type]  # as `_post` writes it
    return SetMarkOp(key, None if body is None else b64decode(body), ttl, expected, index, order, most, posts)  # type: ignore[arg-type]


_READERS = {"enqueue": _read_post, "store": _read_store, "arrive": _read_arrive, "mark": _read_mark}
