"""SQLite's tables of earlier versions: this fq continues with the file of an older fq, and the older fq continues with it, too."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fq.brokers import SqliteBroker
from fq.brokers.clock import ManualClock
from fq.brokers.records import ACK, OPEN_GROUP_TTL_MS, SetMarkOp, StoreResultOp
from fq.brokers.sqlite import schema
from tests.brokers.builders import (
    after_op,
    arrive_op,
    bury,
    claim,
    claim_one,
    commit,
    deferred_enqueue,
    enqueue_op,
    enqueue_ops,
    ids,
    mark_body,
    placed,
    run,
    state,
    unique_op,
)

VERSION_4 = (
    "DROP INDEX dead_in_order",
    "DROP INDEX dead_by_kind",
    "CREATE INDEX dead_by_time ON dead (died_at, queue)",
    "PRAGMA user_version = 4",
)
"""What makes today's tables those of version 4."""

BURY_4 = """
    INSERT OR REPLACE INTO dead (message_id, queue, actor, priority, error, fault, died_at, body)
    VALUES (?, 'q', 'act', 0, 'KeyError', '{"type": "KeyError", "message": "no"}', ?, '{}')
"""

VERSION_3 = (
    *VERSION_4,
    "DROP INDEX messages_retrying",
    *(f"DROP TABLE {table}" for table in ("marks", "mark_counts", "unique_keys", "counters")),
    "PRAGMA user_version = 3",
)
"""What makes today's tables those of version 3."""

ENQUEUE_3 = "INSERT INTO messages (message_id, queue, actor, priority, state, due, body) VALUES (?, 'q', 'act', 0, 1, ?, '{}')"

CLAIM_3 = "UPDATE messages SET state = 2, token = 1, worker = 'older', deliveries = deliveries + 1 WHERE state = 1"

VERSION_2 = (
    *VERSION_3,
    "DROP TABLE results",
    "CREATE TABLE results (message_id TEXT PRIMARY KEY, until INTEGER NOT NULL, body BLOB NOT NULL) WITHOUT ROWID",
    "CREATE INDEX results_until ON results (until)",
    "DROP TABLE followups",
    "PRAGMA user_version = 2",
)
"""What makes today's tables those of version 2."""

KEEP_2 = """
    INSERT INTO results (message_id, until, body) VALUES (?, ?, ?)
    ON CONFLICT (message_id) DO UPDATE SET until = excluded.until, body = excluded.body
"""
"""How version 2 keeps a result."""

VERSION_1 = (
    *VERSION_2,
    "DROP TABLE workers",
    "CREATE TABLE workers (name TEXT PRIMARY KEY, lease_until INTEGER NOT NULL, turns INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID",
    "INSERT INTO workers SELECT DISTINCT worker, 9000000000000, 1 FROM messages WHERE worker <> ''",
    "PRAGMA user_version = 1",
)
"""What makes today's tables those of version 1."""

REGISTER_1 = """
    INSERT INTO workers (name, lease_until) VALUES (?, ?)
    ON CONFLICT (name) DO UPDATE SET lease_until = excluded.lease_until, turns = turns + 1
"""
"""How version 1 renews a lease."""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A file of version 1, with a message that waits and one that "w1" holds."""
    path = tmp_path / "jobs.db"
    broker = SqliteBroker(path)
    broker.enqueue(enqueue_ops("held", "waits"))
    claim_one(broker, "w1")
    broker.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in VERSION_1:
            connection.execute(statement)
    return path


@pytest.fixture
def broker(old: Path) -> Iterator[SqliteBroker]:
    broker = SqliteBroker(old)
    yield broker
    broker.close()


def test_a_file_of_an_older_version_keeps_all_that_is_in_it(broker: SqliteBroker) -> None:
    (worker,) = broker.workers()

    assert (worker.worker, worker.in_flight, worker.queues) == ("w1", 1, ())
    assert ids(claim(broker, "w2")) == ["waits"]
    assert {found.worker: found.queues for found in broker.workers()} == {"w1": (), "w2": ("q",)}


def test_an_older_fq_that_has_the_file_open_goes_on_with_it(old: Path, broker: SqliteBroker) -> None:
    with closing(sqlite3.connect(old, isolation_level=None)) as connection:
        connection.execute(REGISTER_1, ("w1", 9_000_000_000_000))
        delivery = claim_one(broker, "w2")
        connection.execute(REGISTER_1, ("w1", 9_000_000_000_001))
        connection.execute(REGISTER_1, ("w3", 9_000_000_000_000))

    assert commit(broker, delivery, worker="w2") == ()
    assert {found.worker: found.queues for found in broker.workers()} == {"w1": (), "w2": ("q",), "w3": ()}


def test_a_file_is_brought_up_once_and_looks_like_a_new_one(old: Path, broker: SqliteBroker, tmp_path: Path) -> None:
    again, new = SqliteBroker(old), SqliteBroker(tmp_path / "new.db")
    for each in (broker, again, new):
        each.queues()
        each.close()

    assert columns(old) == columns(tmp_path / "new.db")


def test_a_file_of_version_2_goes_on_with_its_results_and_groups(tmp_path: Path) -> None:
    path = tmp_path / "two.db"
    broker = SqliteBroker(path)
    run(broker, arrive_op(0, 2, b"0", ttl=OPEN_GROUP_TTL_MS))
    broker.close()
    far = 9_000_000_000_000
    with closing(sqlite3.connect(path, isolation_level=None)) as older:
        for statement in VERSION_2:
            older.execute(statement)
        older.execute(KEEP_2, ("before", far, b"1"))
        before = broker.result("before")  # which brings it up
        run(broker, StoreResultOp("waits", b"2", 60_000, "g"))
        older.execute(KEEP_2, ("meanwhile", far, b"3"))
        run(broker, arrive_op(1, 2, b"1", deferred_enqueue("after")))

    assert before == b"1"
    assert (broker.result("waits"), broker.result("meanwhile")) == (b"2", b"3")
    assert [delivery.body for delivery in claim(broker)] == [b'{"args":[0,1]}']
    broker.close()


def test_a_file_of_version_3_keeps_all_that_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "three.db"
    before = SqliteBroker(path)
    bury(before, enqueue_op("dead"))
    run(before, StoreResultOp("done", b"1", 60_000), arrive_op(0, 2, b"0"))
    before.enqueue(enqueue_ops("held", "waits"))
    held = claim_one(before, "w1")
    before.close()
    to_version_3(path)
    after = SqliteBroker(path)

    assert [state(after, message_id) for message_id in ("dead", "done", "held", "waits")] == ["dead", "done", "running", "ready"]
    assert commit(after, held, ACK, SetMarkOp("k", b"1"), unique_op("new"), arrive_op(1, 2, b"1", deferred_enqueue("after"))) == ()
    assert mark_body(after, "k") == b"1"
    assert placed(after, unique_op("another")) == ("new", False)
    assert ids(claim(after)) == ["waits", "new", "after"]
    after.close()


def test_an_fq_of_version_3_that_has_the_file_open_goes_on_and_its_messages_free_their_keys(tmp_path: Path) -> None:
    path = tmp_path / "three.db"
    clock = ManualClock()
    broker = SqliteBroker(path, clock=clock)
    broker.queues()
    broker.close()
    to_version_3(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as older:
        older.execute("SELECT * FROM messages").fetchall()
        broker.place([unique_op("m1"), unique_op("m2", "l", until="start")])  # which brings it up
        older.execute(ENQUEUE_3, ("m3", clock.now))
        older.execute(CLAIM_3)
        begun = placed(broker, after_op("m4")), placed(broker, after_op("m5", "l"))
        older.execute("DELETE FROM messages WHERE message_id IN ('m1', 'm3')")
        clock.advance(1_000)
        claimed = ids(claim(broker))  # a turn with maintenance
        claimed += ids(claim(broker))

    assert begun == (("m4", True), ("m5", True))
    assert claimed == ["m4", "m5"]
    assert state(broker, "m2") == "running"
    broker.close()


def test_a_key_whose_holder_an_older_fq_has_ended_is_free_before_maintenance_too(path: Path) -> None:
    broker = SqliteBroker(path)
    broker.place([unique_op("m1")])
    claim_one(broker)
    aside = placed(broker, after_op("m2"))
    with closing(sqlite3.connect(path, isolation_level=None)) as older:
        older.execute("DELETE FROM messages WHERE message_id = 'm1'")
        third = placed(broker, unique_op("m3"))
        older.execute("DELETE FROM messages WHERE message_id = 'm2'")

    assert (aside, third) == (("m2", True), ("m2", False))
    assert placed(broker, unique_op("m4")) == ("m4", True)
    broker.close()


def test_what_an_older_fq_has_deleted_while_it_was_put_aside_stands_for_no_message(path: Path) -> None:
    broker = SqliteBroker(path)
    broker.place([unique_op("m1")])
    holder = claim_one(broker)
    broker.place([after_op("m2")])
    with closing(sqlite3.connect(path, isolation_level=None)) as older:
        older.execute("DELETE FROM messages WHERE message_id = 'm2'")
    third, fourth = placed(broker, after_op("m3")), placed(broker, after_op("m4"))
    commit(broker, holder)

    assert (third, fourth) == (("m3", True), ("m3", False))
    assert ids(claim(broker)) == ["m3"]
    broker.close()


def to_version_3(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in VERSION_3:
            connection.execute(statement)


def columns(path: Path) -> dict[str, list[tuple[str, str]]]:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (schema.SCHEMA_VERSION,)
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {name: connection.execute("SELECT name, type FROM pragma_table_info(?)", (name,)).fetchall() for (name,) in tables}


def test_a_file_of_version_4_tells_the_kinds_of_its_letters_and_of_those_that_an_older_fq_adds(tmp_path: Path) -> None:
    path = tmp_path / "four.db"
    broker = SqliteBroker(path)
    for name in ("m0", "m1"):
        bury(broker, enqueue_op(name))
    broker.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as older:
        for statement in VERSION_4:
            older.execute(statement)
        before = [(kind.error, kind.count) for kind in broker.dead_kinds().kinds]  # which brings it up
        older.execute(BURY_4, ("m1", broker.now()))

    assert before == [("ValueError", 2)]
    assert sorted((kind.error, kind.count) for kind in broker.dead_kinds().kinds) == [("KeyError", 1), ("ValueError", 1)]
    assert [entry.status.message_id for entry in broker.browse("dead", error="KeyError").entries] == ["m1"]
    broker.close()
