"""Every broker: a mark is compared and set in one step, ends by the clock, and goes with a commit or not at all."""

from itertools import product
from typing import Literal

import pytest

from fq.brokers.protocol import Broker
from fq.brokers.records import (
    ABSENT,
    ACK,
    ANYTHING,
    CONTINUE,
    RELEASE,
    Bury,
    Disposition,
    Mark,
    Reschedule,
    SetMarkOp,
    StoreResultOp,
)
from tests.brokers.builders import (
    FAULT,
    arrive_op,
    claim,
    claim_one,
    claim_request,
    commit,
    deferred_enqueue,
    enqueue_op,
    enqueue_ops,
    ids,
    in_thread,
    mark,
    mark_body,
    outcome,
    set_mark,
    state,
    unique_op,
)
from tests.brokers.harness import Harness

Expected = bytes | Literal["absent", "anything"]

BODIES = [b"old", b"", b"absent", b"anything"]
STATES: list[bytes | Literal["ended", "deleted"] | None] = [None, "ended", "deleted", *BODIES]
EXPECTED: list[Expected] = [ANYTHING, ABSENT, *BODIES, b"other"]


def bring_about(harness: Harness, broker: Broker, wanted: bytes | Literal["ended", "deleted"] | None) -> bytes | None:
    """Bring the mark "k" into a state, and return its body then."""
    if wanted == "ended":
        set_mark(broker, "k", b"old", ttl=10_000)
        harness.advance(10_000)
    elif wanted == "deleted":
        set_mark(broker, "k", b"old")
        set_mark(broker, "k", None)
    elif wanted is not None:
        set_mark(broker, "k", wanted)
    return wanted if isinstance(wanted, bytes) else None


def fits(found: bytes | None, expected: Expected) -> bool:
    if expected == ANYTHING:
        return True
    return found is None if expected == ABSENT else found == expected


@pytest.mark.parametrize("way", ["call", "commit"])
@pytest.mark.parametrize("wanted", STATES, ids=str)
def test_a_mark_is_set_if_it_is_as_expected_and_not_otherwise(
    harness: Harness, broker: Broker, other: Broker, wanted: bytes | Literal["ended", "deleted"] | None, way: str
) -> None:
    for number, (expected, body) in enumerate(product(EXPECTED, [b"new", None])):
        set_mark(broker, "k", None)
        found = bring_about(harness, broker, wanted)
        then = enqueue_op(f"then-{number}", "later")
        op = SetMarkOp("k", body, expected=expected, then=(then,))
        if way == "call":
            assert broker.set_marks([op]) == (fits(found, expected),)
        else:
            broker.enqueue(enqueue_ops("m"))
            assert commit(broker, claim_one(broker), ACK, op) == ()

        assert mark_body(other, "k") == (body if fits(found, expected) else found)
        assert state(other, then.message_id) == ("ready" if fits(found, expected) else "unknown")


def test_a_mark_is_kept_as_it_was_set(harness: Harness, broker: Broker, other: Broker) -> None:
    set_mark(broker, "k", b"\xff\0 body", ttl=60_000, index="i", order=7)
    found = mark(other, "k")

    assert found is not None
    assert found == Mark("k", b"\xff\0 body", found.until, "i", 7)
    assert abs(found.until - broker.now() - 60_000) <= harness.slack
    assert other.marks_in("i") == (found,)


def test_a_mark_without_a_time_is_kept_for_ever(harness: Harness, broker: Broker) -> None:
    set_mark(broker, "k", ttl=0)
    harness.advance(10 * 365 * 24 * 60 * 60 * 1000)
    claim(broker)

    assert mark(broker, "k") == Mark("k", b"1", 0)


@pytest.mark.parametrize("turns", [False, True], ids=["", "after a turn"])
def test_a_mark_ends_by_the_clock(harness: Harness, broker: Broker, turns: bool) -> None:
    set_mark(broker, "k", ttl=60_000, index="i")
    harness.advance(50_000)
    before = mark_body(broker, "k")
    harness.advance(10_000)
    if turns:
        claim(broker)

    assert before == b"1"
    assert mark_body(broker, "k") is None
    assert broker.marks_in("i") == ()
    assert set_mark(broker, "k", expected=ABSENT)


@pytest.mark.parametrize(("first", "second"), [(10_000, 60_000), (10_000, 0), (60_000, 10_000), (0, 10_000)])
def test_the_latest_setting_says_when_a_mark_ends(harness: Harness, broker: Broker, first: int, second: int) -> None:
    set_mark(broker, "k", b"1", ttl=first)
    set_mark(broker, "k", b"2", ttl=second)
    harness.advance(20_000)
    claim(broker)

    assert mark_body(broker, "k") == (None if second == 10_000 else b"2")


def test_deleting_a_mark_that_does_not_exist_changes_nothing(broker: Broker) -> None:
    assert set_mark(broker, "k", None)
    assert mark(broker, "k") is None


def test_the_marks_of_keys_are_those_that_exist(broker: Broker) -> None:
    broker.set_marks([SetMarkOp(key, key.encode()) for key in "abc"])

    assert {key: found.body for key, found in broker.marks(["a", "x", "c", "a"]).items()} == {"a": b"a", "c": b"c"}
    assert broker.marks([]) == {}


def test_the_operations_of_a_call_are_carried_out_in_order(broker: Broker) -> None:
    done = broker.set_marks(
        [
            SetMarkOp("k", b"1", expected=ABSENT),
            SetMarkOp("k", b"2", expected=ABSENT),
            SetMarkOp("k", b"3", expected=b"1"),
            SetMarkOp("k", None, expected=b"1"),
            SetMarkOp("other", b"x", expected=ABSENT),
        ]
    )

    assert done == (True, False, True, False, True)
    assert (mark_body(broker, "k"), mark_body(broker, "other")) == (b"3", b"x")
    assert broker.set_marks([]) == ()


def test_of_several_who_set_a_mark_that_is_absent_one_succeeds(broker: Broker, other: Broker) -> None:
    threads = [
        in_thread(lambda number=number, handle=handle: set_mark(handle, "k", b"%d" % number, expected=ABSENT))  # type: ignore[misc]
        for number, handle in enumerate([broker, other] * 5)
    ]
    done = [thread.result(30) for thread in threads]

    assert sum(done) == 1
    assert mark_body(broker, "k") == b"%d" % done.index(True)


def test_no_step_of_several_who_compare_and_set_is_lost(broker: Broker, other: Broker) -> None:
    def count(handle: Broker) -> None:
        left = 10
        while left:
            body = mark_body(handle, "k")
            left -= set_mark(handle, "k", b"%d" % (int(body or b"0") + 1), expected=ABSENT if body is None else body)

    for thread in [in_thread(lambda handle=handle: count(handle)) for handle in (broker, other, broker, other)]:  # type: ignore[misc]
        thread.result(60)

    assert mark_body(broker, "k") == b"40"


# What follows.


def test_what_follows_a_mark_is_delayed_from_then_on(harness: Harness, broker: Broker) -> None:
    set_mark(broker, "k", b"1", enqueue_op("m", delay=20_000), enqueue_op("n"))
    before = ids(claim(broker))
    harness.advance(20_000)

    assert before == ["n"]
    assert ids(claim(broker)) == ["m"]


def test_what_follows_a_mark_is_left_out_where_its_key_is_held(broker: Broker) -> None:
    broker.place([unique_op("holder", "a")])
    done = set_mark(broker, "k", b"1", unique_op("x", "a"), unique_op("y", "b"), unique_op("z", "b"), enqueue_op("holder", body=b"changed"))

    assert done
    assert mark_body(broker, "k") == b"1"
    assert [(delivery.message_id, delivery.body) for delivery in claim(broker)] == [("holder", b"{}"), ("y", b"{}")]


# Commits.

DISPOSITIONS = [ACK, Reschedule(enqueue_op("m", delay=60_000)), Bury(FAULT), RELEASE, CONTINUE]


@pytest.mark.parametrize("disposition", DISPOSITIONS, ids=lambda disposition: type(disposition).__name__)
def test_a_mark_that_is_not_as_expected_leaves_the_rest_of_a_commit_applied(broker: Broker, disposition: Disposition) -> None:
    set_mark(broker, "k", b"other")
    broker.enqueue(enqueue_ops("m"))
    operations = (
        enqueue_op("first", "r"),
        SetMarkOp("k", b"new", expected=ABSENT, then=(enqueue_op("never", "r"),)),
        SetMarkOp("l", b"new", expected=ABSENT, then=(enqueue_op("second", "r"),)),
        StoreResultOp("m", b"1", 60_000),
        arrive_op(0, 1, b"7", deferred_enqueue("last", "r")),
    )
    stale = commit(broker, claim_one(broker), disposition, *operations)

    assert stale == ()
    assert (mark_body(broker, "k"), mark_body(broker, "l"), broker.result("m")) == (b"other", b"new", b"1")
    assert ids(claim(broker, "w1", "r")) == ["first", "second", "last"]


@pytest.mark.parametrize("disposition", DISPOSITIONS, ids=lambda disposition: type(disposition).__name__)
def test_a_stale_commit_sets_no_mark(broker: Broker, disposition: Disposition) -> None:
    broker.enqueue(enqueue_ops("m"))
    delivery = claim_one(broker)
    broker.release("w1", {})
    claim_one(broker, "w2")

    assert commit(broker, delivery, disposition, SetMarkOp("k", b"1", then=(enqueue_op("then"),))) == ("m",)
    assert mark(broker, "k") is None
    assert state(broker, "then") == "unknown"
    assert state(broker, "m") == "running"


def test_of_several_commits_of_a_turn_the_first_finds_the_mark_as_expected(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("a", "b"))
    a, b = claim(broker)
    ops = [SetMarkOp("k", body, expected=ABSENT, then=(enqueue_op(f"after-{body.decode()}"),)) for body in (b"b", b"a")]
    turn = broker.turn([outcome(b, ACK, ops[0]), outcome(a, ACK, ops[1])], claim_request())

    assert turn.stale == ()
    assert mark_body(broker, "k") == b"b"
    assert ids(turn.deliveries) == ["after-b"]
