"""What the state machine does with unique keys, beside enqueueing messages that have them."""

from collections.abc import Callable

from attrs import evolve
from hypothesis import strategies as st
from hypothesis.stateful import rule

from fq.brokers.records import ACK, Bury, EnqueueOp, UniqueKey
from tests.brokers.comparisons import Comparisons
from tests.brokers.draws import QUEUES, UNIT, dispositions, enqueue_ops, faults, ids, uniques, workers


class UniqueKeys(Comparisons):
    """Keys that go from one message to another."""

    tick: Callable[[], None]
    enqueue: Callable[[list[EnqueueOp]], None]
    turn: Callable[..., None]
    take_turn: Callable[..., None]
    replace_one: Callable[[EnqueueOp, bytes | None], None]
    requeue_as: Callable[[dict[str, UniqueKey | None]], None]

    @rule(
        first=enqueue_ops(ids),
        second=enqueue_ops(ids),
        key=uniques,
        worker=workers,
        disposition=st.one_of(st.just(ACK), dispositions),
        after=enqueue_ops(ids),
    )
    def a_key_is_handed_on(self, first: EnqueueOp, second: EnqueueOp, key: UniqueKey, worker: str, disposition, after: EnqueueOp) -> None:
        """A message with a key is claimed; another with that key comes; the first ends, and the second is replaced."""
        self.enqueue([evolve(first, unique=evolve(key, until="end"), delay=0)])
        self.tick()
        self.take_turn(worker, [], 3, QUEUES)
        self.enqueue([evolve(second, unique=evolve(key, on_conflict="after"))])
        self.turn(worker, [(number, disposition, ()) for number in range(3)], 0, QUEUES, UNIT)
        self.tick()
        limited = evolve(key, max_wait=UNIT + 5)
        self.replace_one(evolve(after, message_id=second.message_id, unique=limited, delay=3 * UNIT), None)

    @rule(op=enqueue_ops(ids), other=enqueue_ops(ids), key=uniques, worker=workers, fault=faults)
    def a_letter_wants_a_key(self, op: EnqueueOp, other: EnqueueOp, key: UniqueKey, worker: str, fault) -> None:
        """A message dies, and is requeued when another message has taken its key, perhaps."""
        self.enqueue([evolve(op, unique=key, delay=0)])
        self.tick()
        self.take_turn(worker, [], 3, QUEUES)
        self.turn(worker, [(number, Bury(fault), ()) for number in range(3)], 0, QUEUES, UNIT)
        self.enqueue([evolve(other, unique=key)])
        self.tick()
        self.requeue_as({op.message_id: key, other.message_id: None})
