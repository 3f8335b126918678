"""Every broker: unique keys in commits, in the plans of a requeue, and beside groups."""

from collections.abc import Callable
from typing import Literal

import pytest
from attrs import evolve

from fq.brokers.protocol import Broker
from fq.brokers.records import ACK, CONTINUE, RELEASE, Bury, Disposition, EnqueueOp, Reschedule
from fq.brokers.requeue import RequeuePlan
from fq.errors import BrokerError
from tests.brokers.builders import (
    FAULT,
    arrive_op,
    bury,
    claim,
    claim_one,
    claim_request,
    commit,
    deferred_enqueue,
    enqueue_op,
    enqueue_ops,
    ids,
    outcome,
    placed,
    state,
    unique_op,
)
from tests.brokers.harness import Harness

W = 1_000_000
"""A window, ms."""

# Commits.

DISPOSITIONS = [ACK, Reschedule(enqueue_op("m", delay=60_000)), Bury(FAULT), RELEASE, CONTINUE]


@pytest.mark.parametrize("disposition", DISPOSITIONS, ids=lambda disposition: type(disposition).__name__)
def test_an_enqueue_whose_key_is_held_leaves_the_rest_of_a_commit_applied(broker: Broker, disposition: Disposition) -> None:
    broker.place([unique_op("holder", "h", queue="held"), enqueue_op("m")])
    operations = (
        enqueue_op("first", "r"),
        unique_op("never", "h", queue="r"),
        unique_op("second", "s", queue="r"),
        unique_op("third", "s", queue="r"),
        arrive_op(0, 1, b"7", deferred_enqueue("never", "r"), deferred_enqueue("last", "r")),
    )
    stale = commit(broker, claim_one(broker), disposition, *operations)

    assert stale == ()
    assert ids(claim(broker, "w1", "r")) == ["first", "second", "never", "last"]


@pytest.mark.parametrize("disposition", DISPOSITIONS, ids=lambda disposition: type(disposition).__name__)
def test_a_commit_frees_the_key_of_its_message_before_it_enqueues(broker: Broker, disposition: Disposition) -> None:
    broker.place([unique_op("m")])
    commit(broker, claim_one(broker), disposition, unique_op("next", queue="r"))

    ended = isinstance(disposition, type(ACK) | Bury)
    assert state(broker, "next") == ("ready" if ended else "unknown")
    assert placed(broker, unique_op("n")) == ("next" if ended else "m", False)


@pytest.mark.parametrize("first", ["ends", "enqueues"])
def test_the_commits_of_a_turn_free_and_take_keys_in_their_order(broker: Broker, first: str) -> None:
    broker.place([unique_op("m"), enqueue_op("n")])
    m, n = claim(broker)
    commits = {"ends": outcome(m), "enqueues": outcome(n, ACK, unique_op("next", queue="r"))}
    broker.turn([commits.pop(first), *commits.values()], claim_request(limit=0))

    assert state(broker, "next") == ("ready" if first == "ends" else "unknown")


def test_a_turn_claims_after_its_commits(broker: Broker) -> None:
    """A key that is held until the start is free for the next turn, not for the commits of the turn that claims the message."""
    broker.place([enqueue_op("runs", "r"), unique_op("m", until="start")])
    runs = claim_one(broker, "w1", "r")
    turn = broker.turn([outcome(runs, ACK, unique_op("n"))], claim_request())

    assert ids(turn.deliveries) == ["m"]
    assert state(broker, "n") == "unknown"
    assert placed(broker, unique_op("o")) == ("o", True)


def test_what_follows_a_group_may_have_no_key(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    delivery = claim_one(broker)
    deferred = evolve(deferred_enqueue("then"), op=unique_op("then"))
    with pytest.raises(BrokerError, match=r"found unique=.*, expected None"):
        commit(broker, delivery, ACK, arrive_op(0, 1, b"0", deferred))

    assert commit(broker, delivery) == ()


def test_what_follows_a_group_comes_while_keys_are_held(broker: Broker) -> None:
    broker.place([unique_op("holder", "then"), enqueue_op("m", "r"), enqueue_op("n", "r")])
    m, n = claim(broker, "w1", "r")
    operations = [
        (unique_op(f"extra-{member}", "then"), arrive_op(member, 2, b"%d" % member, deferred_enqueue("then"))) for member in (0, 1)
    ]
    broker.turn([outcome(m, ACK, *operations[0]), outcome(n, ACK, *operations[1])], claim_request(limit=0))

    assert [(delivery.message_id, delivery.body) for delivery in claim(broker)] == [("holder", b"{}"), ("then", b'{"args":[0,1]}')]


# Requeue.


def plan_of(*ops: EnqueueOp) -> Callable[..., RequeuePlan]:
    return lambda ids, view, now: RequeuePlan(tuple(op for op in ops if op.message_id in ids))


def test_a_letter_takes_its_key_anew(broker: Broker) -> None:
    bury(broker, unique_op("m"))

    assert broker.requeue(["m"], plan_of(unique_op("m", body=b"again"))) == 1
    assert placed(broker, unique_op("n")) == ("m", False)
    assert [delivery.body for delivery in claim(broker)] == [b"again"]
    assert broker.dead_letters() == ()


@pytest.mark.parametrize("on_conflict", ["keep", "after"])
@pytest.mark.parametrize("holder", ["waits", "runs", "window"])
def test_a_letter_whose_key_another_message_has_stays(broker: Broker, holder: str, on_conflict: Literal["keep", "after"]) -> None:
    bury(broker, unique_op("m"))
    bury(broker, enqueue_op("free"))
    broker.place([unique_op("holder", queue="held", window=W if holder == "window" else 0)])
    if holder != "waits":
        delivery = claim_one(broker, "w1", "held")
    if holder == "window":
        commit(broker, delivery)
    count = broker.requeue(["m", "free"], plan_of(unique_op("m", on_conflict=on_conflict), enqueue_op("free")))

    assert count == 1
    assert [letter.message_id for letter in broker.dead_letters()] == ["m"]
    assert (state(broker, "m"), state(broker, "free")) == ("dead", "ready")
    assert ids(claim(broker)) == ["free"]
    assert placed(broker, unique_op("n")) == ("holder", False)


def test_a_letter_that_only_its_own_window_holds_back_is_requeued(harness: Harness, broker: Broker) -> None:
    bury(broker, unique_op("m", window=W))
    harness.advance(W // 2)
    count = broker.requeue(["m"], plan_of(unique_op("m", window=W)))
    harness.advance(W // 2 + 10_000)
    commit(broker, claim_one(broker))
    in_the_new_window = placed(broker, unique_op("n"))
    harness.advance(W // 2)

    assert count == 1
    assert in_the_new_window == ("m", False)
    assert placed(broker, unique_op("n")) == ("n", True)


def test_of_two_letters_with_one_key_the_first_is_requeued(broker: Broker) -> None:
    bury(broker, unique_op("a"))
    bury(broker, unique_op("b"))

    assert broker.requeue(["a", "b"], plan_of(unique_op("b"), unique_op("a"))) == 1
    assert (state(broker, "a"), state(broker, "b")) == ("dead", "ready")


def test_a_letter_does_not_keep_its_key(broker: Broker) -> None:
    bury(broker, unique_op("m"))

    assert placed(broker, unique_op("m", body=b"new")) == ("m", True)
    assert [letter.message_id for letter in broker.dead_letters()] == ["m"]
