"""Every broker: a turn says whether a mark of the index `DUE` is due; the wait of a worker ends when one falls due or comes first."""

from itertools import count

import pytest

from fq.brokers.protocol import Broker
from fq.brokers.records import ABSENT, ACK, CONTINUE, DUE, SetMarkOp
from tests.brokers.builders import (
    claim,
    claim_one,
    claim_request,
    commit,
    enqueue_op,
    enqueue_ops,
    in_thread,
    outcome,
    set_mark,
    settle,
)
from tests.brokers.harness import Harness
from tests.wait_until import wait_until

LONG = 60_000


def due(broker: Broker, key: str, after: int, **fields: int) -> None:
    """Set a mark that is due *after* ms."""
    assert set_mark(broker, key, index=DUE, order=broker.now() + after, **fields)


def test_a_turn_says_whether_a_mark_is_due(harness: Harness, broker: Broker, other: Broker) -> None:
    none = settle(broker).has_due_marks
    due(other, "k", 20_000)
    early = settle(broker).has_due_marks
    harness.advance(20_000)

    assert (none, early) == (False, False)
    assert settle(broker).has_due_marks
    assert settle(other, "w2").has_due_marks
    assert broker.turn((), claim_request("w3", limit=1)).has_due_marks


def test_a_mark_is_due_at_the_moment_that_is_its_order(harness: Harness, broker: Broker) -> None:
    if harness.slack:
        pytest.skip("this server's clock goes on by itself")
    due(broker, "k", 20_000)
    harness.advance(19_999)
    before = settle(broker)
    harness.advance(1)

    assert (before.has_due_marks, before.idle_for) == (False, 1)
    assert settle(broker).has_due_marks


@pytest.mark.parametrize("body", [None, b"later"])
def test_a_mark_that_is_dealt_with_is_not_due(broker: Broker, body: bytes | None) -> None:
    due(broker, "k", 0)
    before = settle(broker).has_due_marks
    set_mark(broker, "k", body, index=DUE, order=broker.now() + 60_000)

    assert before
    assert not settle(broker).has_due_marks


@pytest.mark.parametrize("index", ["", "other"])
def test_a_mark_that_leaves_the_index_is_not_due(broker: Broker, index: str) -> None:
    due(broker, "k", 0)
    set_mark(broker, "k", index=index, order=1)

    assert not settle(broker).has_due_marks


def test_a_mark_that_has_ended_is_not_due(harness: Harness, broker: Broker) -> None:
    due(broker, "k", 20_000, ttl=10_000)
    harness.advance(30_000)

    assert not settle(broker).has_due_marks


def test_marks_of_other_indexes_are_never_due(harness: Harness, broker: Broker) -> None:
    set_mark(broker, "k", index="other", order=broker.now())
    harness.advance(10_000)

    assert not settle(broker).has_due_marks


@pytest.mark.parametrize("disposition", [ACK, CONTINUE], ids=["Ack", "Continue"])
def test_a_turn_knows_of_the_marks_that_its_own_commits_set(broker: Broker, disposition: type) -> None:
    broker.enqueue(enqueue_ops("m"))
    delivery = claim_one(broker)
    turn = broker.turn(
        [outcome(delivery, disposition, SetMarkOp("k", b"1", index=DUE, order=broker.now()))],  # type: ignore[arg-type]
        claim_request(limit=0),
    )

    assert turn.has_due_marks


# How long a worker may be idle.


def test_a_worker_is_idle_until_the_next_mark_falls_due_and_no_longer(harness: Harness, broker: Broker) -> None:
    due(broker, "late", 40_000)
    due(broker, "early", 30_000)
    first = settle(broker).idle_for
    harness.advance(30_000)
    set_mark(broker, "early", None)

    assert 30_000 - harness.slack <= first <= 30_000
    assert 10_000 - harness.slack <= settle(broker).idle_for <= 10_000


def test_a_due_mark_that_is_not_dealt_with_keeps_no_worker_busy(harness: Harness, broker: Broker) -> None:
    due(broker, "ignored", 0)
    harness.advance(20_000)
    alone = settle(broker)
    due(broker, "next", 30_000)

    assert (alone.has_due_marks, alone.idle_for) == (True, 60_000)
    assert 30_000 - harness.slack <= settle(broker).idle_for <= 30_000


def test_a_delayed_message_is_due_before_a_mark_or_after_it(harness: Harness, broker: Broker) -> None:
    due(broker, "k", 30_000)
    broker.enqueue([enqueue_op("m", delay=40_000)])
    mark_first = settle(broker).idle_for
    broker.enqueue([enqueue_op("n", delay=20_000)])

    assert 30_000 - harness.slack <= mark_first <= 30_000
    assert 20_000 - harness.slack <= settle(broker).idle_for <= 20_000


# Waiting.


def waiting(broker: Broker, limit: int = 10):  # type: ignore[no-untyped-def]
    return in_thread(lambda: broker.wait(claim_request(limit=limit), LONG))


def test_a_mark_that_falls_due_ends_the_wait(harness: Harness, broker: Broker, other: Broker) -> None:
    settle(broker, "w1")
    wait, numbers = waiting(broker), count()

    def pass_time() -> bool:
        """Let a mark fall due; the thread may not have begun to wait."""
        due(other, f"k{next(numbers)}", 200)
        harness.advance(200)
        return wait.done()

    wait_until(pass_time)


def test_a_mark_that_is_set_and_due_already_ends_the_wait(broker: Broker, other: Broker) -> None:
    wait, numbers = waiting(broker), count(1)

    def set_one() -> bool:
        """Set a mark that is the first; the thread may not have begun to wait."""
        number = next(numbers)
        set_mark(other, f"k{number}", index=DUE, order=1_000_000 - number)
        return wait.done()

    wait_until(set_one)


def test_a_mark_that_a_commit_sets_ends_the_wait(broker: Broker, other: Broker) -> None:
    other.enqueue([enqueue_op("m", "r")])
    delivery = claim_one(other, "w2", "r")
    wait, numbers = waiting(broker), count(1)

    def commit_one() -> bool:
        number = next(numbers)
        op = SetMarkOp(f"k{number}", b"1", index=DUE, order=1_000_000 - number, expected=ABSENT)
        assert commit(other, delivery, CONTINUE, op, worker="w2") == ()
        return wait.done()

    wait_until(commit_one)


def test_a_due_mark_that_is_not_dealt_with_does_not_end_the_wait(harness: Harness, broker: Broker, other: Broker) -> None:
    due(other, "ignored", 0)
    harness.advance(1_000)
    assert settle(broker, "w1").has_due_marks
    broker.wait(claim_request(), 1)  # the one that notices the mark
    wait = in_thread(lambda: broker.wait(claim_request(), 10_000))

    with pytest.raises(TimeoutError):
        wait.result(0.2)
    other.enqueue(enqueue_ops("m"))
    wait.result(60)
    assert [delivery.message_id for delivery in claim(broker)] == ["m"]
