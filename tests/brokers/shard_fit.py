"""
What the state machine draws, for a store in several shards: only what comes out the same whichever of two shards is first.

Shards are weaker than one store in this: their order is that within each of them; an id with one unique key is not known again with another, unless both are in
one shard; a result waits only for a group in its shard; an index is cut to its bound after a call, not after each op; and what the commits of one turn ask of
other shards has no order. `test_shards.py` has the tests of these.
"""

from collections.abc import Iterable, Iterator
from itertools import count

from attrs import evolve, frozen

from fq.brokers.records import ArriveOp, Commit, EnqueueOp, Operation, SetMarkOp, StoreResultOp, UniqueKey
from fq.brokers.redis.shards.routing import Routing
from tests.brokers.model import Model

Name = tuple[str, str]


@frozen
class Fit:
    """Fits records to *shards* shards; to one, everything fits as it is."""

    shards: int

    def shard_of(self, message_id: str) -> int:
        return Routing(self.shards).of_message(message_id)

    def unique(self, message_id: str, unique: UniqueKey | None) -> UniqueKey | None:
        """The key of this name in the shard of the message."""
        if unique is None or self.shards == 1:
            return unique
        names = (f"{unique.key}-{number}" for number in count())
        return evolve(unique, key=next(name for name in names if Routing(self.shards).of_name(name) == self.shard_of(message_id)))

    def op(self, op: EnqueueOp) -> EnqueueOp:
        return evolve(op, unique=self.unique(op.message_id, op.unique))

    def operation(self, operation: Operation) -> Operation:
        match operation:
            case EnqueueOp():
                return self.op(operation)
            case SetMarkOp(most=most, then=then):
                return evolve(operation, most=most if self.shards == 1 else 0, then=tuple(map(self.op, then)))
            case StoreResultOp(message_id, hold=hold) if hold and self.shard_of(hold) != self.shard_of(message_id):
                return evolve(operation, hold="")
            case _:
                return operation

    def operations(self, operations: Iterable[Operation]) -> tuple[Operation, ...]:
        """Those that touch nothing which one before them touches."""
        return tuple(self._apart((self.operation(each) for each in operations), _touched))

    def commits(self, commits: Iterable[Commit], model: Model) -> list[Commit]:
        """Those that touch nothing which one before them touches."""
        return list(self._apart(commits, lambda commit: _touched_by(commit, model)))

    def _apart(self, items, names_of) -> Iterator:
        touched: set[Name] = set()
        for item in items:
            names = set(names_of(item))
            if self.shards == 1 or not names & touched:
                touched |= names
                yield item


def _touched(operation: Operation) -> Iterator[Name]:
    match operation:
        case EnqueueOp():
            yield from _touched_by_post(operation)
        case StoreResultOp(message_id):
            yield "result", message_id
        case ArriveOp(group, then=then):
            yield "group", group
            yield "message", f"{group}-then"
            yield from (("message", each.op.message_id) for each in then)
        case SetMarkOp(key, then=then):
            yield "mark", key
            yield from (name for each in then for name in _touched_by_post(each))


def _touched_by_post(op: EnqueueOp) -> Iterator[Name]:
    yield "message", op.message_id
    if op.unique:
        yield "key", op.unique.key


def _touched_by(commit: Commit, model: Model) -> Iterator[Name]:
    yield "message", commit.message_id
    message = model.messages.get(commit.message_id)
    if message and message.unique:
        yield "key", message.unique.key
    for operation in commit.operations:
        yield from _touched(operation)
