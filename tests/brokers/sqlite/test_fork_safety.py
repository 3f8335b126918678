"""SQLite: connections end with their broker, and cross no fork."""

import gc
import os
import weakref
from pathlib import Path

import pytest

from fq.brokers import SqliteBroker
from tests.brokers.builders import claim, enqueue_ops, ids


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
