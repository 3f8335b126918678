"""SQLite: what a turn and a page cost does not grow with what is kept. The steps of SQLite's virtual machine are counted."""

import sqlite3
from collections.abc import Callable

import pytest

from fq.brokers import SqliteBroker
from fq.brokers.browsing import BrowsedState
from fq.brokers.records import DUE, Bury, Commit, SetMarkOp
from fq.brokers.sqlite.operator_calls import MAX_CHANGED, MAX_REQUEUED
from fq.execution.requeue_plan import plan_requeue
from tests.brokers.builders import FAULT, claim_request, enqueue_op


def steps(broker: SqliteBroker, connection: sqlite3.Connection | None, call: Callable[[], object]) -> int:
    """Return how many steps of the virtual machine *call* takes on *connection*."""
    taken = 0

    def step() -> None:
        nonlocal taken
        taken += 1

    assert connection is not None
    connection.set_progress_handler(step, 1)
    call()
    connection.set_progress_handler(None, 0)
    return taken


@pytest.mark.parametrize("offset", [-100_000, 100_000], ids=["due", "in the future"])
def test_an_idle_turn_costs_the_same_however_many_marks_there_are(broker: SqliteBroker, offset: int) -> None:
    broker._turns._maintenance._next_run = 2**62  # maintenance has a time of its own

    def turn() -> None:
        broker.turn((), claim_request())

    def least() -> int:
        """Return what a turn takes that does not read the clock from the file, as one does now and then."""
        return min(steps(broker, broker._writer._connection, turn) for _ in range(5))

    def add(number: int) -> None:
        order = broker.now() + offset
        broker.set_marks([SetMarkOp(f"k{each}", b"1", index=DUE, order=order + each) for each in range(number)])

    add(1)
    turn()
    one = least()
    add(5_000)

    assert least() <= one + 20


@pytest.mark.parametrize("state", ["ready", "delayed"])
def test_a_page_costs_the_same_wherever_it_is(broker: SqliteBroker, state: BrowsedState) -> None:
    broker.enqueue([enqueue_op(f"m{number}", delay=0 if state == "ready" else 600_000) for number in range(5_000)])
    pages = [broker.browse(state, limit=100)]

    def browse() -> None:
        pages.append(broker.browse(state, after=pages[-1].after, limit=100))

    first = steps(broker, broker._reader._connection, browse)
    for _ in range(40):
        browse()
    late = steps(broker, broker._reader._connection, browse)

    assert [entry.status.message_id for entry in pages[-1].entries] == [f"m{number}" for number in range(4_200, 4_300)]
    assert late <= first + 200


def commits(broker: SqliteBroker, call: Callable[[], object]) -> int:
    """Return how many transactions *call* commits."""
    statements: list[str] = []
    connection = broker._writer._connection
    assert connection is not None
    connection.set_trace_callback(statements.append)
    call()
    connection.set_trace_callback(None)
    return statements.count("COMMIT")


IDS = [f"m{number}" for number in range(1_000)]

CHANGES: dict[str, tuple[Callable[[SqliteBroker], int], int]] = {
    "purge": (lambda broker: broker.purge("q"), MAX_CHANGED),
    "discard": (lambda broker: broker.discard(IDS), MAX_CHANGED),
    "cancel": (lambda broker: broker.cancel_all(IDS), MAX_CHANGED),
    "run_now": (lambda broker: broker.run_now(IDS), MAX_CHANGED),
    "requeue": (lambda broker: broker.requeue(IDS, plan_requeue), MAX_REQUEUED),
}


@pytest.mark.parametrize("name", CHANGES)
def test_many_messages_are_changed_some_at_a_time_so_that_others_write_in_between(broker: SqliteBroker, name: str) -> None:
    change, most = CHANGES[name]
    broker.enqueue([enqueue_op(each, delay=number % 2 * 60_000) for number, each in enumerate(IDS)])
    if name == "requeue":
        broker.discard(IDS)
        broker.enqueue([enqueue_op(each) for each in IDS])
        for delivery in broker.turn((), claim_request(limit=1_000)).deliveries:
            broker.turn((Commit(delivery.message_id, "q", delivery.token, Bury(FAULT)),), claim_request(limit=0))
    changed: list[int] = []

    assert 1_000 // most <= commits(broker, lambda: changed.append(change(broker))) <= 1_000 // most + 1
    assert changed == [1_000]


def test_deleting_some_messages_costs_the_same_however_many_are_cancelled(broker: SqliteBroker) -> None:
    broker.enqueue([enqueue_op(each) for each in IDS])
    connection = broker._writer._connection
    few = steps(broker, connection, lambda: broker.discard(IDS[:10]))
    broker.cancel_all(IDS)

    assert steps(broker, connection, lambda: broker.discard(IDS[10:20])) <= few + 500


def test_counting_all_messages_takes_a_few_steps_for_each(broker: SqliteBroker) -> None:
    broker.enqueue([enqueue_op(f"m{number}", f"q{number % 2}", priority=number % 5) for number in range(5_000)])
    stats = broker.queues()
    taken = steps(broker, broker._reader._connection, broker.queues)

    assert [each.ready for each in stats] == [2_500, 2_500]
    assert taken <= 10 * 5_000


def test_counting_to_a_bound_costs_the_same_however_many_messages_there_are(broker: SqliteBroker) -> None:
    def send(numbers: range) -> int:
        broker.enqueue([enqueue_op(f"r{number}", f"q{number % 2}", priority=number % 5) for number in numbers])
        broker.enqueue([enqueue_op(f"d{number}", f"q{number % 2}", delay=60_000) for number in numbers])
        return steps(broker, broker._reader._connection, lambda: broker.queues(100))

    broker.queues()
    few = send(range(1_000))

    assert send(range(1_000, 10_000)) <= few + 100
    assert few <= 100 * 100


def test_letters_that_died_at_one_moment_are_found_at_the_same_cost_however_many_there_are(broker: SqliteBroker) -> None:
    def die(count: int) -> list[int]:
        """Let *count* messages die, and return what it takes to see what has died."""
        broker.enqueue([enqueue_op(f"m{number}") for number in range(count)])
        commits = [Commit(each.message_id, "q", each.token, Bury(FAULT)) for each in broker.turn((), claim_request(limit=count)).deliveries]
        broker.turn(commits, claim_request(limit=0))
        broker.browse("dead", error="KeyError")  # this connection has seen that, and prepared its statements
        place = broker.browse("dead", limit=10).after
        looks: list[Callable[[], object]] = [
            lambda: broker.browse("dead", limit=10),
            lambda: broker.browse("dead", limit=10, after=place),
            lambda: broker.browse("dead", limit=10, error=FAULT.type),
            lambda: broker.browse("dead", limit=10, error=FAULT.type, after=place),
            lambda: broker.browse("dead", error="KeyError"),
            lambda: broker.dead_kinds(100),
        ]
        return [steps(broker, broker._reader._connection, look) for look in looks]

    few = die(500)

    assert all(late <= early + 50 for early, late in zip(few, die(5_000), strict=True))
    assert max(few) <= 2_000
