"""SQLite: the plan of arrivals, and what stays of a complete group."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fq.brokers import SqliteBroker
from fq.brokers.records import ACK
from fq.brokers.sqlite.groups import Progress, plan_arrivals
from tests.brokers.builders import arrive_op, claim_one, commit, deferred_enqueue, enqueue_ops


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


@pytest.fixture
def broker(path: Path):
    broker = SqliteBroker(path)
    yield broker
    broker.close()


def counts(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as connection:
        tables = ("messages", "results", "groups", "members", "dead", "workers")
        return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}


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
