"""How often a call waits for the server: once, unless it must be alone. psycopg's trace of the protocol is counted."""

import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from psycopg.pq import Trace

from fq.brokers.postgres import PostgresBroker
from fq.brokers.postgres.maintenance import Maintenance
from fq.brokers.records import ACK, ArriveOp, Commit, Operation, SetMarkOp, StoreResultOp
from tests.brokers.builders import claim_request, enqueue_op, outcome, unique_op


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
        sides = [line[0] for line in path.read_text().splitlines() if line.startswith(("F\t", "B\t"))]
        return sum(pair == ("F", "B") for pair in pairwise(sides))

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


def test_a_turn_that_is_alone_waits_a_few_times_however_much_it_does(broker: PostgresBroker, round_trips) -> None:
    """It begins, reads what its commits are about, claims, and ends; each kind of operation waits once or twice more."""
    broker.enqueue([enqueue_op(f"m{number}") for number in range(60)])
    commits: list[Commit] = []
    kinds: dict[str, Callable[[str], tuple[Operation, ...]]] = {
        "mark": lambda name: (SetMarkOp(f"k:{name}", b"1", 60_000),),
        "member": lambda name: (ArriveOp("g", int(name[1:]), 1_000, b"1", (), 60_000),),
        "key": lambda name: (unique_op(f"{name}:next", f"key-{name}", queue="later"),),
    }

    def take(kind: str) -> None:
        turn = broker.turn(commits, claim_request(limit=3))
        assert turn.stale == ()
        commits[:] = [outcome(each, ACK, *kinds[kind](each.message_id)) for each in turn.deliveries]

    counts: dict[str, int] = {}
    for kind in kinds:
        for _ in range(4):
            take(kind)  # psycopg prepares a statement that has run a few times
        counts[kind] = round_trips(lambda: take(kind))  # noqa: B023 - called here
    assert counts == {"mark": 4, "member": 5, "key": 5}


def test_a_send_with_a_unique_key_waits_a_few_times(broker: PostgresBroker, round_trips) -> None:
    counts = [round_trips(lambda: broker.place([unique_op(f"m{turn}", f"k{turn}")])) for turn in range(6)]  # noqa: B023 - called here
    assert counts == [3] * 6
