"""SQLite: no table grows for ever."""

from pathlib import Path

from fq.brokers import SqliteBroker
from fq.brokers.clock import ManualClock
from fq.brokers.counters import Count
from fq.brokers.records import DUE, Bury, Commit, SetMarkOp, StoreResultOp
from fq.brokers.validation import DEAD_TTL_MS
from tests.brokers.builders import FAULT, arrive_op, claim, claim_request, enqueue_ops, unique_op
from tests.brokers.sqlite.database_files import counts, small_counts


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


def test_marks_keys_and_counters_are_deleted_little_by_little_once_they_have_ended(path: Path) -> None:
    clock = ManualClock()
    broker = SqliteBroker(path, clock=clock)
    broker.set_marks([SetMarkOp(f"m{number}", b"1", 10_000, index=DUE, order=clock.now + 50_000) for number in range(2_500)])
    broker.set_marks([SetMarkOp("stays", b"1", index=DUE, order=clock.now + 50_000)])
    unique = [unique_op(f"u{number}", f"k{number}", window=10_000) for number in range(2_500)]
    broker.place([*unique, unique_op("waits", "waits", window=10_000)])
    broker.discard([op.message_id for op in unique])
    broker.count([Count(f"b{number}", "n", 1, 10_000) for number in range(2_500)])
    before = small_counts(path)
    clock.advance(10_000)
    turns = 1
    while broker.turn((), claim_request(limit=0)).idle_for == 0:
        turns += 1
    after = small_counts(path)

    assert before == {"marks": 2_501, "mark_counts": 1, "unique_keys": 2_501, "counters": 2_500}
    assert after == {"marks": 1, "mark_counts": 1, "unique_keys": 1, "counters": 0}
    assert broker.count_marks(DUE) == 1
    assert turns >= 3, "all at once would keep others waiting"
    broker.close()


def test_an_index_without_marks_leaves_no_row(path: Path) -> None:
    broker = SqliteBroker(path)
    broker.set_marks([SetMarkOp("a", b"1", index="i"), SetMarkOp("b", b"1", index="i"), SetMarkOp("c", b"1", index="j")])
    broker.set_marks([SetMarkOp("a", b"2", index="j"), SetMarkOp("b", None), SetMarkOp("c", b"2", index="j", order=5)])
    both = broker.count_marks("i"), broker.count_marks("j"), small_counts(path)["mark_counts"]
    broker.set_marks([SetMarkOp("a", b"2"), SetMarkOp("c", None)])
    broker.close()

    assert both == (0, 2, 1)
    assert small_counts(path)["mark_counts"] == 0
