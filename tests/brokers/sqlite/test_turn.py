"""SQLite: a turn takes as many statements for a thousand messages as for ten, and finds them by indexes, however many wait."""

import pytest

from fq.brokers import SqliteBroker
from fq.brokers.planning.states import NEVER
from fq.brokers.records import ACK, RELEASE, Bury, Commit, Disposition, Operation, Reschedule, StoreResultOp
from fq.brokers.sqlite.claims import CLAIM, NEXT_DUE, PROMOTE, READ_CLAIMED
from fq.brokers.sqlite.commits import DELETE
from fq.brokers.sqlite.enqueue import ROWS_AT_ONCE
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

    more = 1_000 // ROWS_AT_ONCE - 1 if operations else 0  # for the messages that the commits send
    assert (
        statements_of_a_turn(broker, 1_000, disposition, *operations) == statements_of_a_turn(broker, 10, disposition, *operations) + more
    )


def test_many_sends_take_few_statements_and_keep_their_order(broker: SqliteBroker) -> None:
    broker.enqueue(enqueue_ops("m600", "m3"))
    broker._writer._mark_at = 2.0**62
    ops = [enqueue_op(f"m{number}", priority=number % 2) for number in range(1_001)]
    connection = broker._writer._connection
    assert connection is not None
    seen: list[str] = []
    connection.set_trace_callback(seen.append)
    new = broker.enqueue(ops)
    connection.set_trace_callback(None)
    claimed = [delivery.message_id for delivery in broker.turn((), claim_request(limit=2_000)).deliveries]

    assert (new, len(seen)) == (999, 1_000 // ROWS_AT_ONCE + len(("BEGIN", "the last row", "COMMIT")))
    known = ["m600", "m3"]
    assert claimed == known + [op.message_id for rank in (0, 1) for op in ops if op.priority == rank and op.message_id not in known]


SMALL = ("json_each", "workers", "CONSTANT ROW")
"""What a plan may scan: it does not grow with the messages."""


def test_a_claim_goes_to_its_messages_by_an_index(broker: SqliteBroker) -> None:
    broker.enqueue(enqueue_ops("m1"))
    plans = {
        "claim": (CLAIM, (1, "w1", 0, "q", 500)),
        "read": (READ_CLAIMED, ("w1", 1)),
        "promote": (PROMOTE, (0,)),
        "delete": (DELETE, ("[1]",)),
        "next": (NEXT_DUE, (NEVER, "w1", 0)),
    }
    connection = broker._writer._connection
    assert connection is not None
    for name, (statement, parameters) in plans.items():
        steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
        scanned = [step for step in steps if step.startswith("SCAN") and not any(small in step for small in SMALL)]

        assert scanned == [], name
        assert not any("TEMP B-TREE" in step for step in steps), name
