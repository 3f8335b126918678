"""SQLite: the plan of arrivals, and what stays of a complete group."""

from pathlib import Path

from fq.brokers import SqliteBroker
from fq.brokers.planning.groups import Progress, plan_arrivals
from fq.brokers.records import ACK
from tests.brokers.builders import arrive_op, claim_one, commit, deferred_enqueue, enqueue_ops
from tests.brokers.sqlite.database_files import counts


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
