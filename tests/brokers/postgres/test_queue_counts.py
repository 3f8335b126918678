"""PostgreSQL: counting the messages of queues to a bound reads a bounded number of rows."""

import json
from collections.abc import Iterator
from typing import Any

from fq.brokers.postgres import PostgresBroker, queue_counts
from fq.brokers.postgres.transaction import Transaction
from tests.brokers.builders import enqueue_op

MOST = 100

STATEMENTS = (
    (queue_counts.OLDEST,),
    (queue_counts.READY_COUNTS, MOST + 1, ["q0", "q1"]),
    (queue_counts.DUE_COUNTS, 2**60, MOST + 1),
    (queue_counts.DELAYED_COUNTS, 0, MOST + 1),
    (queue_counts.RUNNING_COUNTS, MOST + 1),
    (queue_counts.DEAD_COUNTS, MOST + 1, ["q0", "q1"]),
    (queue_counts.EXPIRED_COUNTS, 0, MOST + 1),
    (queue_counts.LATEST_COUNTS, 0, MOST + 1),
)


def rows_read(plan: dict[str, Any]) -> Iterator[int]:
    """Yield how many rows each node of *plan* has read."""
    yield (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    for child in plan.get("Plans", ()):
        yield from rows_read(child)


def most_read(tx: Transaction, statement: str, *parameters: object) -> int:
    """Return how many rows the node of the plan of *statement* has read that has read the most."""
    ((plan,),) = tx.rows(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *parameters)
    return max(rows_read((plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"]))


def test_counting_to_a_bound_reads_few_rows(broker: PostgresBroker) -> None:
    for first in range(0, 4_000, 2_000):
        broker.enqueue([enqueue_op(f"r{n}", f"q{n % 2}", priority=n % 5) for n in range(first, first + 2_000)])
        broker.enqueue([enqueue_op(f"d{n}", f"q{n % 2}", delay=60_000) for n in range(first, first + 2_000)])

    def check(tx: Transaction) -> None:
        tx.row(queue_counts.BY_INDEX)
        for statement, *parameters in STATEMENTS:
            assert most_read(tx, statement, *parameters) <= 2 * (MOST + 1), statement

    broker._reader.reading(check)
