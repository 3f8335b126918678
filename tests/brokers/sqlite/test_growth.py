"""SQLite: the room of messages that have ended is used again, and the log begins anew when the last long reader has ended."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fq.brokers import SqliteBroker
from fq.brokers.records import ACK, Commit
from fq.brokers.sqlite import diagnostics
from tests.brokers.builders import claim_request, enqueue_op

CHECKPOINT_PAGES = 20


def fill_and_drain(broker: SqliteBroker) -> int:
    """Send messages and let them end; return how many pages the database has with all of them."""
    broker.enqueue([enqueue_op(f"m{number:036}", body=b"x" * 200) for number in range(2_000)])
    pages: int = broker._writer.query("PRAGMA page_count")[0][0]
    commits: list[Commit] = []
    while claimed := broker.turn(commits, claim_request(limit=250)).deliveries:
        commits = [Commit(each.message_id, "q", each.token, ACK) for each in claimed]
    return pages


def test_a_second_backlog_takes_no_more_room_than_the_first(broker: SqliteBroker) -> None:
    first = [fill_and_drain(broker) for _ in range(2)][-1]

    assert [fill_and_drain(broker) for _ in range(3)] <= [first + 10] * 3


def test_a_log_that_a_long_reader_keeps_is_told_and_begins_anew_afterwards(broker: SqliteBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Path(f"{broker.path}-wal")
    monkeypatch.setattr(diagnostics, "LARGE_LOG_BYTES", 2**20)
    fill_and_drain(broker)
    broker._writer.query(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    broker._writer.query("PRAGMA journal_size_limit = 0")
    with closing(sqlite3.connect(broker.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM queues").fetchone()
        fill_and_drain(broker)
        told = {finding.what: finding.level for finding in broker.diagnose()}
        large = log.stat().st_size
    broker.enqueue([enqueue_op("a")])
    broker.enqueue([enqueue_op("b")])

    assert (told["log"], large > 2**20) == ("warn", True)
    assert log.stat().st_size < large // 4
    assert {finding.what: finding.level for finding in broker.diagnose()}["log"] == "good"
