"""How often a call waits for the server: once, unless it must be alone. psycopg's trace of the protocol is counted."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg.pq import Trace

from fq.brokers.postgres import PostgresBroker
from fq.brokers.postgres.maintenance import Maintenance
from fq.brokers.records import Commit, StoreResultOp
from tests.brokers.builders import claim_request, enqueue_op, outcome


@pytest.fixture
def round_trips(broker: PostgresBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], int]:
    """Return a function that returns how many round trips a call makes on the connection that writes."""
    broker.turn((), claim_request())  # the connection is open, and expired rows have just been looked for
    monkeypatch.setattr(Maintenance, "is_due", False)

    def count(call: Callable[[], object]) -> int:
        assert broker._writer._connection is not None
        connection, path = broker._writer._connection.pgconn, tmp_path / "trace"
        file = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
        connection.trace(file)
        connection.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)
        call()
        connection.untrace()
        os.close(file)
        return sum(line.startswith(("F\t4\tSync", "F\t5\tSync")) or "\tQuery\t" in line for line in path.read_text().splitlines())

    return count


def test_a_send_is_one_round_trip(broker: PostgresBroker, round_trips) -> None:
    for size in (1, 1_000):
        counts = [round_trips(lambda: broker.enqueue([enqueue_op(f"{size}:{turn}:{n}") for n in range(size)])) for turn in range(6)]  # noqa: B023 - called here
        assert sorted(counts) == [1, 1, 1, 1, 1, 2]  # psycopg prepares a statement that has run a few times, once


@pytest.mark.parametrize("more", ["nothing", "results", "messages"])
def test_a_turn_of_plain_messages_is_one_round_trip(broker: PostgresBroker, round_trips, more: str) -> None:
    broker.enqueue([enqueue_op(f"m{number}") for number in range(50)])
    commits: list[Commit] = []

    def take() -> None:
        operations = {"nothing": lambda name: (), "results": lambda name: (StoreResultOp(name, b"1", 60_000),)}
        operations["messages"] = lambda name: (enqueue_op(f"{name}:next", "later"),)
        turn = broker.turn(commits, claim_request(limit=5))
        assert turn.stale == ()
        commits[:] = [outcome(each, outcome(each).disposition, *operations[more](each.message_id)) for each in turn.deliveries]

    for _ in range(4):
        take()  # psycopg prepares a statement that has run a few times, which is a round trip of its own, once
    assert [round_trips(take) for _ in range(4)] == [1, 1, 1, 1]
    assert len(commits) == 5
