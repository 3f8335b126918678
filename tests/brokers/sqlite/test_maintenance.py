"""SQLite: no table grows for ever."""

from pathlib import Path

from fq.brokers import SqliteBroker
from fq.brokers.clock import ManualClock
from fq.brokers.records import Bury, Commit, StoreResultOp
from fq.brokers.validation import DEAD_TTL_MS
from tests.brokers.builders import FAULT, arrive_op, claim, claim_request, enqueue_ops
from tests.brokers.sqlite.database_files import counts


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
