"""SQLite: a turn takes as many steps for a thousand messages as for ten."""

import pytest

from fq.brokers import SqliteBroker
from fq.brokers.records import ACK, RELEASE, Bury, Commit, Disposition, Operation, Reschedule, StoreResultOp
from tests.brokers.builders import FAULT, arrive_op, claim, claim_request, deferred_enqueue, enqueue_op, enqueue_ops


def statements_of_a_turn(broker: SqliteBroker, count: int, disposition: Disposition, *operations: Operation) -> int:
    """How many statements it takes to commit *count* messages and claim as many."""
    broker.purge("q")
    broker.enqueue(enqueue_ops(*(f"{count}-{number}" for number in range(2 * count))))
    commits = []
    for delivery in claim(broker, limit=count):
        at = Reschedule(enqueue_op(delivery.message_id, delay=60_000)) if isinstance(disposition, Reschedule) else disposition
        commits.append(Commit(delivery.message_id, "q", delivery.token, at, operations))
    connection = broker._writer._connection
    assert connection is not None
    seen: list[str] = []
    connection.set_trace_callback(seen.append)
    turn = broker.turn(commits, claim_request(limit=count))
    connection.set_trace_callback(None)

    assert turn.stale == ()
    assert len(turn.deliveries) >= count
    return len(seen)


@pytest.mark.parametrize(
    ("disposition", "operations"),
    [
        (ACK, ()),
        (RELEASE, ()),
        (Bury(FAULT), ()),
        (Reschedule(enqueue_op("")), ()),
        (ACK, (StoreResultOp("r", b"1", 60_000), enqueue_op("child", "r"), arrive_op(0, 3, b"0", deferred_enqueue("after", "r")))),
    ],
    ids=["ack", "release", "bury", "replace", "ack-with-changes"],
)
def test_a_turn_takes_no_more_steps_for_a_thousand_messages_than_for_ten(
    broker: SqliteBroker, disposition: Disposition, operations: tuple[Operation, ...]
) -> None:
    broker._turns._maintenance._next_run = 2**62  # maintenance has a time of its own
    statements_of_a_turn(broker, 1, disposition, *operations)
    broker._writer._mark_at = broker._writer._read_clock_at = 2**62  # and so has the file's own row

    assert statements_of_a_turn(broker, 1_000, disposition, *operations) == statements_of_a_turn(broker, 10, disposition, *operations)
