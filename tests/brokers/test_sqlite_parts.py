"""What only SQLite has: steps that do not grow with the batch, tables that do not grow for ever, connections that end, and hearing of other processes."""

import gc
import os
import sqlite3
import threading
import weakref
from contextlib import closing
from pathlib import Path

import pytest

from fq.brokers import SqliteBroker
from fq.brokers.clock import ManualClock
from fq.brokers.records import ACK, RELEASE, Bury, ClaimRequest, Commit, Disposition, Operation, Reschedule, StoreResultOp
from fq.brokers.sqlite import change_poller
from fq.brokers.sqlite.bulk_sql import MAX_BYTES_PER_STATEMENT, MAX_ROWS_PER_STATEMENT, pack_rows, split_bodies
from fq.brokers.sqlite.change_poller import PollSchedule
from fq.brokers.sqlite.groups import Progress, plan_arrivals
from fq.brokers.sqlite.inotify import FileWatch
from fq.brokers.validation import DEAD_TTL_MS
from tests.brokers.kit import (
    FAULT,
    PATIENCE,
    arrive_op,
    claim,
    claim_one,
    claim_request,
    commit,
    deferred_enqueue,
    enqueue_op,
    enqueue_ops,
    ids,
    in_thread,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


@pytest.fixture
def broker(path: Path):
    broker = SqliteBroker(path)
    yield broker
    broker.close()


# A turn takes as many steps for a thousand messages as for ten.


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


def test_bodies_are_packed_into_as_few_pieces_as_sqlite_takes() -> None:
    many = [(b"ab", (number,)) for number in range(MAX_ROWS_PER_STATEMENT + 1)]
    large = [(b"x" * (MAX_BYTES_PER_STATEMENT // 2), (number,)) for number in range(3)]

    assert [rows.count("[") - 1 for rows, _ in pack_rows(many)] == [MAX_ROWS_PER_STATEMENT, 1]
    assert [rows.count("[") - 1 for rows, _ in pack_rows(large)] == [1, 1, 1] or [rows.count("[") - 1 for rows, _ in pack_rows(large)] == [
        2,
        1,
    ]
    assert list(pack_rows([])) == []
    assert list(split_bodies(b"", [])) == []


def test_a_body_too_large_for_the_bundle_comes_by_itself(broker: SqliteBroker) -> None:
    large = bytes(range(256)) * 1_024
    broker.enqueue(
        [enqueue_op("a", body=b"a"), enqueue_op("large", body=large), enqueue_op("b", body=b"b"), enqueue_op("large2", body=large[::-1])]
    )

    assert [delivery.body for delivery in claim(broker)] == [b"a", large, b"b", large[::-1]]


# Nothing grows for ever.


def counts(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as connection:
        tables = ("messages", "results", "groups", "members", "dead", "workers")
        return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}


def test_what_is_past_its_time_is_deleted_little_by_little(path: Path) -> None:
    clock = ManualClock()
    broker = SqliteBroker(path, clock=clock)
    broker.enqueue(enqueue_ops(*(f"m{number}" for number in range(3_000))))
    operations = [
        (StoreResultOp(f"m{number}", b"1", 10_000), arrive_op(number % 7, 8, b"0", group=f"g{number // 7}", ttl=10_000))
        for number in range(3_000)
    ]
    claimed = claim(broker, limit=5_000)
    broker.turn(
        [Commit(it.message_id, "q", it.token, Bury(FAULT), operation) for it, operation in zip(claimed, operations, strict=True)],
        claim_request(limit=0),
    )
    before = counts(path)
    clock.advance(DEAD_TTL_MS)
    turns = 1
    while broker.turn((), claim_request(limit=0)).idle_for == 0:
        turns += 1
    after = counts(path)
    broker.close()

    assert before == {"messages": 0, "results": 3_000, "groups": 429, "members": 3_000, "dead": 3_000, "workers": 1}
    assert after == {"messages": 0, "results": 0, "groups": 0, "members": 0, "dead": 0, "workers": 1}
    assert turns >= 3, "all at once would keep others waiting"


def test_a_complete_group_keeps_no_values(path: Path, broker: SqliteBroker) -> None:
    broker.enqueue(enqueue_ops("m"))
    commit(broker, claim_one(broker), ACK, *(arrive_op(number, 5, b"0", deferred_enqueue("after")) for number in range(5)))

    assert counts(path)["members"] == 0
    assert counts(path)["groups"] == 1


def test_arrivals_are_decided_without_a_database() -> None:
    arrive_ops = [
        arrive_op(0, 2),
        arrive_op(0, 2),
        arrive_op(1, 2, ttl=7),
        arrive_op(1, 2),
        arrive_op(0, 1, group="h"),
        arrive_op(0, 3, group="i"),
    ]
    arrivals = plan_arrivals(arrive_ops, {"i": Progress(2, False, 50)}, {("i", 0)}, now=100)

    assert arrivals.counted == (arrive_ops[0], arrive_ops[2]), "of a group of one that nothing follows, nothing is kept"
    assert (arrivals.last, arrivals.alone) == ((2,), {"h"})
    assert arrivals.groups["g"] == Progress(2, True, 107)
    assert arrivals.groups["i"] == Progress(2, False, 50)


# Connections end.


def test_a_broker_that_is_let_go_closes_its_connections(path: Path) -> None:
    broker = SqliteBroker(path)
    broker.enqueue(enqueue_ops("m"))
    broker.queues()
    gone = weakref.ref(broker._writer)
    del broker
    gc.collect()

    assert gone() is None
    assert not path.with_name("jobs.db-wal").exists(), "the last connection takes the log with it"


def test_a_connection_that_came_through_a_fork_in_c_is_left_alone(broker: SqliteBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    broker.enqueue(enqueue_ops("before"))
    inherited = broker._writer._connection
    assert inherited is not None
    me = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: me + 1)
    broker.enqueue(enqueue_ops("after"))

    assert broker._writer._connection is not inherited
    assert inherited.execute("SELECT count(*) FROM messages").fetchone() == (2,), "it has been closed"
    assert ids(claim(broker)) == ["before", "after"]


def test_a_fork_finds_no_connection_open_and_leaves_the_locks_free(broker: SqliteBroker) -> None:
    broker.enqueue(enqueue_ops("m"))
    broker.queues()
    broker.before_fork()
    open_then = (broker._writer._connection, broker._reader._connection)
    broker.after_fork_in_parent()

    assert open_then == (None, None)
    assert ids(claim(broker)) == ["m"]


# Hearing of what other processes do.


def other_message_ends_the_wait(path: Path, broker: SqliteBroker | None = None) -> bool:
    broker, other = broker or SqliteBroker(path), SqliteBroker(path)
    for number in range(5):
        waiting = in_thread(lambda: broker.wait(ClaimRequest("w", ("q",), 1), int(PATIENCE * 1_000)))
        other.enqueue(enqueue_ops(f"m{number}"))
        waiting.result(PATIENCE / 2)
        for delivery in claim(broker):
            commit(broker, delivery)
    broker.close()
    other.close()
    return True


def test_without_word_from_the_kernel_the_poller_looks_for_itself(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_: str) -> FileWatch:
        raise OSError("no inotify here")

    monkeypatch.setattr(change_poller, "FileWatch", none)

    assert other_message_ends_the_wait(path)


def test_behind_a_link_the_kernel_tells_of_writes_too(path: Path) -> None:
    (path.parent / "real").mkdir()
    path.symlink_to("real/jobs.db")
    broker = SqliteBroker(path)
    broker.wait_result("m", 0)
    pace = broker._listener._poller._schedule
    pace.wait(opened=1, changed=False)

    assert other_message_ends_the_wait(path, broker)
    assert pace._watch is not None


def test_a_file_system_that_does_not_tell_is_found_out(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Deaf(FileWatch):
        def wait(self, seconds: float) -> bool:
            super().wait(0)
            return False

    monkeypatch.setattr(change_poller, "FileWatch", Deaf)

    assert other_message_ends_the_wait(path)


def test_a_listening_thread_that_could_not_be_started_is_started_by_the_next_who_waits(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start, failed = threading.Thread.start, []

    def fail_once(thread: threading.Thread) -> None:
        if thread.name == "fq-sqlite-poller" and not failed:
            failed.append(thread)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", fail_once)
    broker = SqliteBroker(path)
    with pytest.raises(RuntimeError):
        broker.wait_result("m", 0)
    broker.close()

    assert broker._listener._poller._watching == 0
    assert other_message_ends_the_wait(path, broker)


def test_looks_follow_a_write_at_growing_distances_and_a_missed_one_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    heard = iter([True] + [False] * 100)

    class Scripted:
        def __init__(self, path: str) -> None:
            """Hears nothing of its own."""

        def wait(self, seconds: float) -> bool:
            waits.append(seconds)
            return next(heard)

    monkeypatch.setattr(change_poller, "FileWatch", Scripted)
    monkeypatch.setattr(change_poller.time, "sleep", lambda seconds: waits.append(-seconds))
    pace = PollSchedule("log")
    for _ in range(15):
        pace.wait(opened=1, changed=False)
    assert waits[:4] == [
        change_poller.MIN_BACKOFF_SECONDS,
        change_poller.MIN_BACKOFF_SECONDS,
        2 * change_poller.MIN_BACKOFF_SECONDS,
        4 * change_poller.MIN_BACKOFF_SECONDS,
    ]
    assert waits[-1] == change_poller.MAX_BACKOFF_SECONDS

    pace.wait(opened=1, changed=True)
    assert waits[-1] == -change_poller.POLL_SECONDS, "a change that nobody was told of: look again and again from now on"

    pace.wait(opened=2, changed=True)
    assert waits[-1] > 0, "another file may be on another file system"
