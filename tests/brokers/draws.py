"""What the state machine draws: small sets of ids, queues, keys and marks, so that conflicts are common. Times are multiples of `UNIT`."""

from attrs import evolve
from hypothesis import strategies as st

from fq.brokers.counters import Count
from fq.brokers.operations import DUE
from fq.brokers.records import (
    ABSENT,
    ACK,
    ANYTHING,
    CONTINUE,
    ArriveOp,
    Bury,
    Commit,
    DeferredEnqueue,
    EnqueueOp,
    Operation,
    Release,
    Reschedule,
    SetMarkOp,
    StoreResultOp,
    UniqueKey,
)
from fq.core.fault import Fault

UNIT = 100_000
TICK = 10

IDS = [f"m{number}" for number in range(5)]
QUEUES = ["qa", "qb"]
WORKERS = ["w1", "w2", "w3"]
SIZES = {"g1": 2, "g2": 1}  # all arrivals at a group give the same size
GROUPS = list(SIZES)
CHILDREN = [f"{name}-{kind}" for name in (*IDS[:3], *GROUPS) for kind in ("child", "then")]

ids = st.sampled_from(IDS)
queues = st.sampled_from(QUEUES)
workers = st.sampled_from(WORKERS)
units = st.integers(1, 3).map(lambda count: count * UNIT)
delays = st.one_of(st.just(0), units)
bodies = st.binary(max_size=6)
KEYS = ["ka", "kb"]
uniques = st.builds(
    UniqueKey,
    st.sampled_from(KEYS),
    st.sampled_from(["end", "end", "start"]),
    st.sampled_from([0, 0, UNIT]),
    st.sampled_from(["keep", "after", "after"]),
    st.sampled_from([0, UNIT + 5]),
)
maybe_unique = st.one_of(st.none(), uniques)
faults = st.builds(Fault, st.sampled_from(["ValueError", "TypeError"]), st.text(max_size=3))


def enqueue_ops(names: st.SearchStrategy[str]) -> st.SearchStrategy[EnqueueOp]:
    return st.builds(EnqueueOp, names, queues, st.just("act"), st.integers(-1, 1), delays, bodies, st.booleans(), maybe_unique)


def splices(group: str) -> st.SearchStrategy[DeferredEnqueue]:
    plain = enqueue_ops(st.just(f"{group}-then")).map(lambda op: evolve(op, unique=None))
    return st.builds(DeferredEnqueue, plain, bodies, bodies)


arrive_ops = st.sampled_from(GROUPS).flatmap(
    lambda group: st.builds(
        ArriveOp,
        st.just(group),
        st.integers(0, SIZES[group] - 1),
        st.just(SIZES[group]),
        bodies,
        st.lists(splices(group), max_size=1).map(tuple),
        st.just(4 * UNIT),
    )
)
HOLDS = {"m1": "g1", "m2": "g2", "m3": "g1"}  # a message is of one workflow, or of none
keeps = st.builds(lambda message_id, body, ttl: StoreResultOp(message_id, body, ttl, HOLDS.get(message_id, "")), ids, bodies, units)

MARKS = ["a", "b", "c", "d"]
INDEXES = ["", DUE, "recent"]  # the order of one that is due is relative to the moment: see `dated`
mark_bodies = st.sampled_from([b"1", b"2"])
expectations = st.one_of(st.just(ANYTHING), st.just(ABSENT), mark_bodies)
followers = st.lists(enqueue_ops(st.sampled_from(CHILDREN)), max_size=1).map(tuple)


def mark_ops_in(index: str) -> st.SearchStrategy[SetMarkOp]:
    """A bounded index lists no marks that end: a broker may count one that has just ended, or not."""
    recent = index == "recent"
    orders, ttls = (st.integers(0, 3), st.just(0)) if recent else (delays, delays)
    new = st.one_of(st.none(), mark_bodies, mark_bodies)
    return st.builds(
        SetMarkOp, st.sampled_from(MARKS), new, ttls, expectations, st.just(index), orders, st.just(2 if recent else 0), followers
    )


mark_ops = st.sampled_from(INDEXES).flatmap(mark_ops_in)
listings = st.builds(
    lambda key, order: SetMarkOp(key, b"1", index="recent", order=order, most=2), st.sampled_from(MARKS), st.integers(0, 3)
)
counts = st.builds(Count, st.sampled_from(["m:1", "m:2"]), st.sampled_from(["sent", "failed"]), st.integers(-2, 9), st.just(10**12))
operations = st.lists(st.one_of(enqueue_ops(st.sampled_from(CHILDREN)), keeps, arrive_ops, mark_ops), max_size=3).map(tuple)

# What becomes of a message; the post of a replacement gets the message's id when there is one.
dispositions = st.one_of(
    st.just(ACK),
    st.just(CONTINUE),
    st.builds(
        Reschedule,
        st.builds(EnqueueOp, st.just(""), queues, st.just("again"), st.integers(-1, 1), units, bodies),
        st.one_of(st.none(), faults),
    ),
    st.builds(Bury, faults),
    st.builds(Release, st.booleans(), st.sampled_from(["", "shutdown"])),
)
outcomes = st.lists(st.tuples(st.integers(0, 4), dispositions, operations), min_size=1, max_size=4)
some_ids = st.lists(st.sampled_from(IDS + CHILDREN), max_size=3)


def waits_for(operation: object, groups: set[str]) -> bool:
    return isinstance(operation, StoreResultOp) and operation.hold in groups


def dated(op: Operation, now: int) -> Operation:
    """*op* at the moment *now*, from which on a mark is due."""
    return evolve(op, order=now + op.order) if isinstance(op, SetMarkOp) and op.index == DUE else op


def dated_commit(commit: Commit, now: int) -> Commit:
    return evolve(commit, operations=tuple(dated(op, now) for op in commit.operations))
