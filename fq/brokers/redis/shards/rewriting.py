"""`for_shard`: what a commit says, as one shard can carry it out in one step: what belongs to other shards is in carriers. Pure, but for the ids of these."""

from collections.abc import Iterable, Iterator, Sequence

from attrs import evolve, frozen

from fq.brokers.operations import OPEN_GROUP_TTL_MS, ArriveOp, EnqueueOp, Operation, SetMarkOp, StoreResultOp
from fq.brokers.redis.shards.carriers import Carrier, carried_followup, carrier_op
from fq.brokers.redis.shards.routing import Routing


@frozen
class Rewritten:
    """The *operations* of a commit for one shard; *may_emit*: may they put something into its outbox?"""

    operations: tuple[Operation, ...]
    may_emit: bool


def for_shard(routing: Routing, shard: int, operations: Sequence[Operation]) -> Rewritten:
    """Return *operations*, as *shard* can carry them out; those for one other shard stay together, in order."""
    local: list[Operation] = []
    foreign: dict[int, list[Operation]] = {}
    may_emit = False
    for operation in operations:
        found = _held_here(routing, operation)
        if (to := routing.of_operation(found)) != shard:
            foreign.setdefault(to, []).append(found)
        else:
            local.append(_with_carriers(routing, shard, found))
            may_emit = may_emit or local[-1] != found or (isinstance(found, ArriveOp) and not found.then)  # it may complete a group
    local += [carrier_op(Carrier(to, tuple(parts))) for to, parts in foreign.items()]
    return Rewritten(tuple(local), may_emit or bool(foreign))


def _with_carriers(routing: Routing, shard: int, operation: Operation) -> Operation:
    """Return *operation*, of *shard*, with carriers in the place of messages that follow it in other shards."""
    match operation:
        case ArriveOp(then=then) if then:
            routes = [(routing.of_post(each.op), each) for each in then]
            return evolve(operation, then=tuple(each if to == shard else carried_followup(to, each) for to, each in routes))
        case SetMarkOp(then=then) if then:
            return evolve(operation, then=posts_for_shard(routing, shard, then))
        case _:
            return operation


def posts_for_shard(routing: Routing, shard: int, ops: Iterable[EnqueueOp]) -> tuple[EnqueueOp, ...]:
    """Return *ops*, with carriers in the place of those that belong to other shards."""
    return tuple(_posts(routing, shard, ops))


def _posts(routing: Routing, shard: int, ops: Iterable[EnqueueOp]) -> Iterator[EnqueueOp]:
    for op in ops:
        to = routing.of_post(op)
        yield op if to == shard else carrier_op(Carrier(to, (op,)))


def _held_here(routing: Routing, operation: Operation) -> Operation:
    """Return *operation*; a result that waits for a group in another shard is kept as long as it would be if that stayed open."""
    if type(operation) is StoreResultOp and operation.hold and routing.of_name(operation.hold) != routing.of_message(operation.message_id):
        return evolve(operation, hold="", ttl=max(operation.ttl, OPEN_GROUP_TTL_MS))
    return operation
