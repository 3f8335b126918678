"""
Every operation over shards is struck at every one of its steps, as those of one namespace are in ``tests/brokers/redis/test_faults.py``.

The commit that all this is about asks something of every shard, so it has many steps: what it asks must happen once, whoever dies when.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import pytest
import redis

from fq.brokers.records import ACK, ArriveOp, DeferredEnqueue, EnqueueOp, SetMarkOp, StoreResultOp
from fq.brokers.redis.shards import ShardedRedisBroker
from fq.errors import BrokerUnavailable
from tests.brokers.builders import enqueue_op, unique_op
from tests.brokers.redis.shards.builders import SHARDS, break_all, commit, leaks_of, mend_all, name_in, request, run_all
from tests.brokers.redis.test_faults import OPERATIONS, contents, prepare
from tests.sampling import RUNS_ALL, sample

ROOT = name_in(0, "root")
CHILDREN = [name_in(shard, "child") for shard in range(SHARDS)]
AFTER_GROUP = [name_in(shard, "after") for shard in range(SHARDS)]
AFTER_MARK = [name_in(shard, "then") for shard in range(SHARDS)]
GROUP, MARK, OTHER = name_in(1, "group"), name_in(2, "mark"), name_in(1, "other")
KEYED = unique_op("keyed", name_in(2, "key"))
FOLLOW_UPS = {*CHILDREN, *AFTER_GROUP, *AFTER_MARK, "keyed"}

Connect = Callable[..., ShardedRedisBroker]


def everything() -> tuple[object, ...]:
    """Operations for every shard, some of which ask things of others again."""
    then = tuple(DeferredEnqueue(EnqueueOp(name, "q", "act", 0, 0, b""), b"{", b"}") for name in AFTER_GROUP)
    return (
        *map(enqueue_op, CHILDREN),
        KEYED,
        StoreResultOp(ROOT, b"1", 60_000),
        StoreResultOp(OTHER, b"2", 60_000),
        ArriveOp(GROUP, 0, 1, b"1", then, 60_000),
        SetMarkOp(MARK, b"3", expected="absent", then=tuple(map(enqueue_op, AFTER_MARK))),
    )


def work(broker: ShardedRedisBroker) -> object:
    """Claim the root and commit it with everything; hand back what that made ready."""
    (root,) = broker.turn((), request(limit=1)).deliveries
    turn = broker.turn([commit(root, ACK, *everything())], request())
    found = {each.message_id for each in turn.deliveries}
    return found, turn.stale


def results(broker: ShardedRedisBroker) -> object:
    return broker.result(ROOT), broker.result(OTHER), broker.marks([MARK])[MARK].body


def steps_of(broker: ShardedRedisBroker, client: redis.Redis) -> int:
    """How many exchanges the work takes where nothing fails and the server knows the scripts."""
    for _ in range(2):
        client.flushdb()
        broker.enqueue([enqueue_op(ROOT)])
        counter = break_all(broker, 10**9, replied=False)
        work(broker)
        mend_all(broker)
    return counter.exchanges


@pytest.mark.parametrize("replied", [False, True], ids=["before_it_was_sent", "after_it_was_done"])
def test_a_commit_that_is_struck_anywhere_comes_out_the_same(sharded: Connect, client: redis.Redis, replied: bool) -> None:
    steps = steps_of(sharded(), client)
    assert steps > 20
    for at in sample(range(steps), 3):
        client.flushdb()
        broker = sharded()
        broker.enqueue([enqueue_op(ROOT)])
        break_all(broker, at, replied=replied)
        found = work(broker)
        mend_all(broker)

        assert found == (FOLLOW_UPS, ()), f"struck at exchange {at} of {steps}"
        assert results(broker) == (b"1", b"2", b"3")
        assert leaks_of(client) == []
        broker.close()


@pytest.mark.parametrize("replied", [False, True], ids=["before_it_was_sent", "after_it_was_done"])
def test_what_a_commit_asks_happens_once_wherever_its_process_dies(sharded: Connect, client: redis.Redis, replied: bool) -> None:
    """The next worker finishes what the dead one has begun, and runs what was made ready: each message once."""
    steps = steps_of(sharded(), client)
    for at in sample(range(steps), 3):
        client.flushdb()
        survivor, dying = sharded(), sharded(patience=0)
        survivor.enqueue([enqueue_op(ROOT)])
        break_all(dying, at, replied=replied, times=float("inf"))
        with pytest.raises(BrokerUnavailable):
            work(dying)
        survivor.release("w", {})
        ran = Counter[str]()
        while deliveries := survivor.turn((), request("v")).deliveries:
            ran.update(each.message_id for each in deliveries)
            survivor.turn(
                [commit(each, ACK, *(everything() if each.message_id == ROOT else ())) for each in deliveries], request("v", limit=0)
            )
        ran.pop(ROOT, None)

        assert ran == dict.fromkeys(FOLLOW_UPS, 1), f"died at exchange {at} of {steps}"
        assert results(survivor) == (b"1", b"2", b"3")
        assert leaks_of(client) == []
        for broker in (survivor, dying):
            broker.close()


@pytest.mark.parametrize("replied", [False, True], ids=["before_it_was_sent", "after_it_was_done"])
def test_a_turn_that_was_given_up_anywhere_is_gone_on_with_by_the_next(sharded: Connect, client: redis.Redis, replied: bool) -> None:
    steps = steps_of(sharded(), client)
    for at in sample(range(steps), 3):
        client.flushdb()
        broker = sharded(patience=0)
        broker.enqueue([enqueue_op(ROOT)])
        (root,) = broker.turn((), request(limit=1)).deliveries
        commits, found, stale = [commit(root, ACK, *everything())], set(), []
        break_all(broker, at, replied=replied, times=2)
        try:
            turn = broker.turn(commits, request())
        except BrokerUnavailable:
            mend_all(broker)
            turn = broker.turn(commits, request())
        mend_all(broker)
        found |= {each.message_id for each in turn.deliveries}
        stale += turn.stale
        found |= {each.message_id for each in broker.turn((), request()).deliveries}

        assert (found, stale) == (FOLLOW_UPS, []), f"given up at exchange {at}"
        assert results(broker) == (b"1", b"2", b"3")
        assert leaks_of(client) == []
        broker.close()


@pytest.mark.parametrize("replied", [False, True], ids=["before_it_was_sent", "after_it_was_done"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_that_is_struck_anywhere_comes_out_the_same(sharded: Connect, client: redis.Redis, name: str, replied: bool) -> None:
    expected, at, struck, step = None, -1, True, 1 if RUNS_ALL else 4
    while struck:
        client.flushdb()
        broker = sharded()
        prepare(broker)
        faulty = break_all(broker, at, replied=replied)
        reply = OPERATIONS[name](broker)
        mend_all(broker)
        found = reply, contents(broker)
        expected = expected or found
        struck, at = at < 0 or faulty.exchanges > at, at + step

        assert found == expected, f"struck at exchange {at}"
        assert leaks_of(client) == []
        broker.close()


def test_a_process_that_dies_with_what_follows_a_mark_leaves_it_to_workers(sharded: Connect, client: redis.Redis) -> None:
    """A call that sets marks has no worker: its process moves what follows, and any worker does if that dies."""
    op = SetMarkOp(MARK, b"3", expected="absent", then=tuple(map(enqueue_op, AFTER_MARK)))
    counted = sharded()
    counted.set_marks([op])
    client.flushdb()
    counter = break_all(counted, 10**9, replied=False)
    counted.set_marks([op])
    mend_all(counted)
    for at in range(1, counter.exchanges):
        client.flushdb()
        worker, dying = sharded(), sharded(patience=0)
        dying._count.check()
        break_all(dying, at, replied=True, times=float("inf"))
        with suppress(BrokerUnavailable):  # if the mark was set, the call is done
            dying.set_marks([op])
        for each in (worker, *worker._shards, worker._root):
            each.offset = 60_000
        run = run_all(worker)

        assert sorted(run) == (sorted(AFTER_MARK) if worker.marks([MARK]) else [])
        assert leaks_of(client) == []
        worker.close()
    client.flushdb()
