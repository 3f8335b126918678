"""What is done with marks, unique keys, commits that go on and counters, for the tests that strike every operation at each of its steps."""

from collections.abc import Callable

from attrs import evolve

from fq.brokers.counters import Count
from fq.brokers.records import (
    ABSENT,
    ACK,
    CONTINUE,
    DUE,
    ClaimRequest,
    Commit,
    Delivery,
    Disposition,
    EnqueueOp,
    Operation,
    SetMarkOp,
    UniqueKey,
)
from fq.brokers.redis import RedisBroker
from fq.brokers.requeue import RequeuePlan, RequeueView
from tests.brokers.builders import enqueue_op

ONE, TWO = UniqueKey("one", on_conflict="after"), UniqueKey("two", "start", 60_000)


def unique(message_id: str, key: UniqueKey = ONE, delay: int = 0) -> EnqueueOp:
    return evolve(enqueue_op(message_id, delay=delay), unique=key)


def commit(delivery: Delivery, disposition: Disposition = ACK, *operations: Operation) -> Commit:
    return Commit(delivery.message_id, delivery.queue_name, delivery.token, disposition, operations)


def place(broker: RedisBroker) -> object:
    """A holder, a conflict, a known message, one without a key; then the holder is claimed, and another is put aside for its key."""
    first = broker.place([unique("new1"), unique("new2"), enqueue_op("m3"), enqueue_op("new3", delay=60_000), unique("child", TWO)])
    broker.purge("q")
    second = broker.place([unique("new1")])
    broker.turn((), ClaimRequest("w", ("q",), 10))
    return first, second, broker.place([unique("joined"), unique("new2")]), broker.enqueue([unique("new2"), enqueue_op("m3")])


def turns(broker: RedisBroker) -> object:
    """Commits that place messages, set marks and go on; one frees a key for the message that is put aside."""
    request = ClaimRequest("w", ("q",), 10)
    broker.purge("q")
    broker.enqueue([unique("new1"), unique("child", TWO)])
    one, two = broker.turn((), request).deliveries
    mark = SetMarkOp("progress", b"1", 60_000, index="streams", order=1, most=1, then=(unique("new3", TWO, 60_000),))
    first = broker.turn(
        [commit(one, CONTINUE, unique("joined"), mark), commit(two, ACK, SetMarkOp("due", b"", index=DUE, order=1))], request
    )
    last = SetMarkOp("finished", b"2", 60_000, index="streams", order=2, most=1)
    second = broker.turn([commit(one, ACK, last, evolve(unique("new2"), continues=True))], request)
    return [[each.message_id for each in turn.deliveries] for turn in (first, second)], first.stale, second.stale, second.has_due_marks


def marks(broker: RedisBroker) -> object:
    ops = [SetMarkOp(name, name.encode(), 60_000, ABSENT, DUE, number, 2) for number, name in enumerate("abc")]
    set_ = broker.set_marks([*ops, SetMarkOp("d", b"1", then=(unique("new1"), enqueue_op("new2", delay=60_000)))])
    changed = broker.set_marks([SetMarkOp("b", b"2", expected=b"b"), SetMarkOp("d", None), SetMarkOp("c", b"3", expected=b"else")])
    listed = [mark.key for mark in broker.marks_in(DUE, latest_first=True)], [mark.key for mark in broker.marks_in(DUE, after=(1, "b"))]
    return set_, changed, listed, broker.count_marks(DUE), {key: mark.body for key, mark in broker.marks(list("abcd")).items()}


def replace(broker: RedisBroker) -> object:
    broker.enqueue([unique("new1", delay=60_000)])
    later = EnqueueOp("new1", "r", "other", 1, 30_000, b"2", unique=UniqueKey("one", max_wait=10_000))
    return (
        broker.replace(later, b"else"),
        broker.replace(later, b"{}"),
        broker.replace(enqueue_op("m2")),
        broker.replace(enqueue_op("none")),
    )


def requeue(broker: RedisBroker) -> object:
    """A dead letter takes its key, and a message that waits gives its own to the one that is put aside."""

    def plan(ids: object, view: RequeueView, now: int) -> RequeuePlan:
        letters = view.dead_letters(["m0"]).values()
        taken = tuple(view.live_messages(["new1"])) if letters else ()
        return RequeuePlan(tuple(evolve(op, unique=TWO) for op in letters), (), taken)

    broker.place([unique("new1"), unique("new2")])
    broker.requeue(["m0"], plan)
    return None


def count(broker: RedisBroker) -> object:
    broker.count([Count("m:1", "done", 2, 60_000), Count("m:1", "failed", 1, 60_000), Count("h:1", "done", 2, 60_000)])
    broker.counts(["m:1", "m:2"])
    return None


OPERATIONS: dict[str, Callable[[RedisBroker], object]] = {
    "place": place,
    "unique_turns": turns,
    "marks": marks,
    "replace": replace,
    "requeue_unique": requeue,
    "count": count,
}
