"""A turn reads about as many rows as it has messages, whatever the server knows of the tables when it plans: it never reads all that run for each of them."""

import psycopg
import pytest

from fq.brokers.postgres import PostgresBroker
from fq.brokers.postgres.maintenance import Maintenance
from fq.brokers.records import ACK, Bury, Disposition
from fq.core.fault import Fault
from tests.brokers.builders import claim_request, enqueue_op, outcome

COUNT = 300
READ = "SELECT sum(coalesce(idx_tup_fetch, 0) + seq_tup_read) FROM pg_stat_xact_user_tables WHERE schemaname = %s"


def read_rows(connection: "psycopg.Connection[tuple[int]]", schema: str) -> int:
    """Return how many rows *connection* has read lately."""
    row = connection.execute(READ, (schema,)).fetchone()
    return int(row[0]) if row else 0


@pytest.mark.parametrize(("last", "most"), [(ACK, 6), (Bury(Fault("ValueError", "boom")), 15)], ids=["all_done", "one_is_dead"])
@pytest.mark.parametrize("is_analyzed", [False, True], ids=["new_tables", "known_tables"])
def test_a_turn_reads_a_few_rows_for_each_message(
    broker: PostgresBroker, schema: str, monkeypatch: pytest.MonkeyPatch, last: Disposition, most: int, is_analyzed: bool
) -> None:
    broker.turn((), claim_request())
    monkeypatch.setattr(Maintenance, "is_due", False)
    connection = broker._writer._connection
    assert connection is not None
    broker.enqueue([enqueue_op(f"m{number:05}") for number in range(8 * COUNT)])
    if is_analyzed:
        connection.execute(f'ANALYZE "{schema}".messages'.encode())
    turn = broker.turn((), claim_request(limit=COUNT))
    for _ in range(6):  # plans may change after a few
        commits = [outcome(each) for each in turn.deliveries]
        commits[-1] = outcome(turn.deliveries[-1], last)
        connection.execute("BEGIN")
        before = read_rows(connection, schema)
        turn = broker.turn(commits, claim_request(limit=COUNT))
        read = read_rows(connection, schema) - before
        connection.execute("COMMIT")

        assert turn.stale == ()
        assert len(turn.deliveries) == COUNT
        assert COUNT < read < most * COUNT
