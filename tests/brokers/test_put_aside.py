"""Every broker: a message that is put aside waits until the holder of its key is done, then takes the key and is ready, in one step."""

from collections.abc import Callable
from typing import Literal

import pytest

from fq.brokers.protocol import Broker
from fq.brokers.records import ACK, CONTINUE, RELEASE, Bury, Delivery, Release, Reschedule
from fq.brokers.requeue import RequeuePlan
from tests.brokers.builders import (
    FAULT,
    LEASE_MS,
    after_op,
    bury,
    claim,
    claim_one,
    claim_request,
    commit,
    enqueue_op,
    ids,
    outcome,
    placed,
    settle,
    state,
    unique_op,
)
from tests.brokers.harness import Harness

LONG = 3_600_000


def begun(broker: Broker, *, window: int = 0) -> Delivery:
    """Let the message "m" hold the key "k" and run."""
    broker.place([unique_op("m", queue="held", window=window)])
    return claim_one(broker, "w1", "held", lease=24 * LONG)


def put_aside(broker: Broker, **fields: object) -> Delivery:
    """Let "m" run, and put "n" aside; return the delivery of "m"."""
    delivery = begun(broker)
    assert placed(broker, after_op("n", **fields)) == ("n", True)
    return delivery


# When.

BEGUN: dict[str, tuple[bool, Callable[[Harness, Broker], object]]] = {
    "waits": (False, lambda harness, broker: None),
    "runs": (True, lambda harness, broker: claim_one(broker, "w1", "held")),
    "goes on": (True, lambda harness, broker: commit(broker, claim_one(broker, "w1", "held"), CONTINUE)),
    "was handed back": (False, lambda harness, broker: commit(broker, claim_one(broker, "w1", "held"), RELEASE)),
    "was handed back and counted": (True, lambda harness, broker: commit(broker, claim_one(broker, "w1", "held"), Release(counted=True))),
    "was lost": (True, lambda harness, broker: (claim_one(broker, "w1", "held"), harness.advance(LEASE_MS), settle(broker))),
    "was taken back uncounted": (False, lambda harness, broker: (claim_one(broker, "w1", "held"), broker.release("w1", {}, ()))),
    "has failed": (
        True,
        lambda harness, broker: commit(broker, claim_one(broker, "w1", "held"), Reschedule(enqueue_op("m", "held", delay=9_000), FAULT)),
    ),
    "was put off": (
        False,
        lambda harness, broker: commit(broker, claim_one(broker, "w1", "held"), Reschedule(enqueue_op("m", "held", delay=9_000))),
    ),
    "is cancelled": (True, lambda harness, broker: (claim_one(broker, "w1", "held"), broker.cancel("m"))),
}


@pytest.mark.parametrize("how", BEGUN)
@pytest.mark.parametrize("on_conflict", ["keep", "after"])
def test_a_message_is_put_aside_if_the_holder_has_begun(
    harness: Harness, broker: Broker, how: str, on_conflict: Literal["keep", "after"]
) -> None:
    has_begun, bring_about = BEGUN[how]
    broker.place([unique_op("m", queue="held")])
    bring_about(harness, broker)
    aside = has_begun and on_conflict == "after"

    assert placed(broker, unique_op("n", on_conflict=on_conflict)) == (("n", True) if aside else ("m", False))
    assert state(broker, "n") == ("delayed" if aside else "unknown")


def test_what_has_freed_its_key_at_its_start_has_nothing_put_aside(broker: Broker) -> None:
    broker.place([unique_op("m", until="start", window=LONG)])
    claim_one(broker)

    assert placed(broker, after_op("n")) == ("m", False)
    assert state(broker, "n") == "unknown"


def test_one_message_is_put_aside_for_a_key(broker: Broker) -> None:
    put_aside(broker)

    assert placed(broker, after_op("o")) == ("n", False)
    assert placed(broker, unique_op("p")) == ("m", False)
    assert placed(broker, after_op("n", body=b"changed")) == ("n", False)
    assert [placement.is_new for placement in broker.place([after_op("q"), after_op("r", "free"), after_op("s", "free")])] == [
        False,
        True,
        False,
    ]
    assert (state(broker, "o"), state(broker, "p"), state(broker, "q")) == ("unknown",) * 3


def test_a_commit_puts_aside_what_it_enqueues(broker: Broker) -> None:
    delivery = begun(broker)
    commit(broker, delivery, CONTINUE, after_op("n"), after_op("o"), enqueue_op("p"))

    assert [state(broker, name) for name in "nop"] == ["delayed", "unknown", "ready"]


# Meanwhile.


def test_a_message_that_is_put_aside_is_delayed_without_a_time(harness: Harness, broker: Broker, other: Broker) -> None:
    put_aside(broker, delay=10_000)
    broker.renew(["w1"], 20 * LONG)
    harness.advance(10 * LONG)
    status, (stats,) = other.status("n"), [each for each in other.queues() if each.queue_name == "q"]

    assert (status.state, status.due, status.queue_name) == ("delayed", 0, "q")
    assert (stats.ready, stats.delayed, stats.in_flight) == (0, 1, 0)
    assert settle(other, "w1").idle_for == 60_000
    assert claim(other, "w1") == ()


@pytest.mark.parametrize("delete", ["discard", "purge"])
def test_a_key_forgets_what_is_deleted_while_it_is_put_aside(broker: Broker, delete: str) -> None:
    delivery = put_aside(broker)
    deleted = broker.discard(["n"]) if delete == "discard" else broker.purge("q")

    assert deleted == 1
    assert state(broker, "n") == "unknown"
    assert placed(broker, unique_op("o")) == ("m", False)
    assert placed(broker, after_op("o")) == ("o", True)
    commit(broker, delivery)
    assert ids(claim(broker)) == ["o"]


@pytest.mark.parametrize("deleted", [False, True])
def test_a_message_that_was_put_aside_and_deleted_frees_no_key(broker: Broker, deleted: bool) -> None:
    delivery = put_aside(broker)
    broker.discard(["n"])
    if deleted:
        commit(broker, delivery)

    assert placed(broker, unique_op("o")) == (("o", True) if deleted else ("m", False))


def test_a_cancelled_message_does_not_wait_for_the_holder(broker: Broker) -> None:
    holder = put_aside(broker)
    found = broker.cancel("n")
    delivery = claim_one(broker)

    assert found
    assert (delivery.message_id, delivery.interrupted) == ("n", "cancelled")
    assert placed(broker, after_op("o")) == ("o", True)
    assert commit(broker, delivery) == ()
    assert placed(broker, after_op("p")) == ("o", False)
    assert commit(broker, holder) == ()
    assert ids(claim(broker)) == ["o"]


@pytest.mark.parametrize("when", ["ready", "running"])
def test_a_cancelled_message_does_not_take_the_key_when_the_holder_ends(broker: Broker, when: str) -> None:
    holder = put_aside(broker)
    broker.cancel("n")
    delivery = claim_one(broker) if when == "running" else None
    commit(broker, holder)

    assert placed(broker, unique_op("o", queue="other")) == ("o", True)
    delivery = delivery or claim_one(broker)
    assert (delivery.message_id, delivery.interrupted, delivery.deliveries) == ("n", "cancelled", 1)
    assert commit(broker, delivery) == ()
    assert placed(broker, unique_op("p")) == ("o", False)


def test_what_is_put_aside_for_a_message_that_waits_again_takes_the_key_when_that_is_cancelled(broker: Broker) -> None:
    holder = put_aside(broker)
    commit(broker, holder, Release(counted=True))
    broker.cancel("m")

    assert broker.status("n").state == "ready"
    assert placed(broker, unique_op("o")) == ("n", False)


def test_a_message_that_is_cancelled_and_begins_while_it_is_aside_leaves_the_key_of_the_holder(broker: Broker) -> None:
    broker.place([unique_op("m", queue="held")])
    holder = claim_one(broker, "w1", "held")
    broker.place([after_op("n", until="start")])
    broker.cancel("n")
    claim_one(broker)

    assert placed(broker, unique_op("o")) == ("m", False)
    assert commit(broker, holder) == ()
    assert placed(broker, unique_op("o")) == ("o", True)


def test_a_message_put_aside_may_be_replaced_and_waits_on(harness: Harness, broker: Broker) -> None:
    holder = put_aside(broker)
    replaced = broker.replace(after_op("n", queue="r", delay=10_000, body=b"new"), b"{}")
    harness.advance(20_000)
    before = broker.status("n")
    commit(broker, holder)

    assert replaced
    assert (before.state, before.due, before.queue_name) == ("delayed", 0, "r")
    assert [(delivery.message_id, delivery.body) for delivery in claim(broker, "w1", "r")] == [("n", b"new")]


# After.

ENDS: dict[str, tuple[bool, Callable[[Harness, Broker, Delivery], object]]] = {
    "goes on": (False, lambda harness, broker, holder: commit(broker, holder, CONTINUE)),
    "is handed back": (False, lambda harness, broker, holder: commit(broker, holder, RELEASE)),
    "fails": (False, lambda harness, broker, holder: commit(broker, holder, Reschedule(enqueue_op("m", "held", delay=9_000), FAULT))),
    "is taken back": (False, lambda harness, broker, holder: broker.release("w1", {})),
    "is lost": (False, lambda harness, broker, holder: (harness.advance(24 * LONG), settle(broker))),
    "is cancelled": (False, lambda harness, broker, holder: broker.cancel("m")),
    "is done": (True, lambda harness, broker, holder: commit(broker, holder, ACK)),
    "is dead": (True, lambda harness, broker, holder: commit(broker, holder, Bury(FAULT))),
    "is discarded": (True, lambda harness, broker, holder: (commit(broker, holder, RELEASE), broker.discard(["m"]))),
    "is purged": (True, lambda harness, broker, holder: (commit(broker, holder, RELEASE), broker.purge("held"))),
    "is taken by a requeue": (
        True,
        lambda harness, broker, holder: (
            commit(broker, holder, RELEASE),
            bury(broker, enqueue_op("letter", "letters")),
            broker.requeue(["letter"], lambda ids, view, now: RequeuePlan(taken_messages=("m",), taken_letters=("letter",))),
        ),
    ),
}


@pytest.mark.parametrize("window", [0, 100 * LONG], ids=["", "window"])
@pytest.mark.parametrize("until", ["start", "end"])
@pytest.mark.parametrize("how", ENDS)
def test_a_message_put_aside_takes_the_key_when_the_holder_ends(
    harness: Harness, broker: Broker, how: str, until: Literal["start", "end"], window: int
) -> None:
    ended, bring_about = ENDS[how]
    holder = begun(broker, window=window)
    broker.place([after_op("n", until=until)])
    bring_about(harness, broker, holder)

    assert placed(broker, unique_op("o", queue="other")) == ("n" if ended else "m", False)
    assert state(broker, "n") == ("ready" if ended else "delayed")
    found = claim(broker)
    assert ids(found) == (["n"] if ended else [])
    if ended:
        held = until == "end" or window > 0
        assert placed(broker, unique_op("o", queue="other")) == (("n", False) if held else ("o", True))
        assert commit(broker, found[0]) == ()
        assert placed(broker, unique_op("p", queue="other")) == (("n", False) if window else ("p" if held else "o", held))


def test_messages_are_put_aside_one_after_the_other(broker: Broker) -> None:
    broker.place([after_op("m0")])
    for number in range(5):
        delivery = claim_one(broker)
        assert delivery.message_id == f"m{number}"
        assert placed(broker, after_op(f"m{number + 1}")) == (f"m{number + 1}", True)
        assert claim(broker) == ()
        commit(broker, delivery)


def test_a_turn_claims_what_its_own_commit_has_made_ready(broker: Broker) -> None:
    holder = put_aside(broker)
    turn = broker.turn([outcome(holder, ACK, unique_op("never"), after_op("never"))], claim_request())

    assert ids(turn.deliveries) == ["n"]
    assert state(broker, "never") == "unknown"


def test_a_stale_commit_makes_nothing_ready_that_is_put_aside(broker: Broker) -> None:
    holder = put_aside(broker)
    broker.release("w1", {})
    claim_one(broker, "w2", "held")

    assert commit(broker, holder) == ("m",)
    assert state(broker, "n") == "delayed"


def test_what_was_put_aside_is_ready_from_the_moment_that_the_holder_ends(harness: Harness, broker: Broker) -> None:
    holder = put_aside(broker)
    harness.advance(10_000)
    broker.enqueue([enqueue_op("before")])
    harness.advance(10_000)
    commit(broker, holder)
    harness.advance(10_000)
    broker.enqueue([enqueue_op("later")])

    assert ids(claim(broker)) == ["before", "n", "later"]


def test_messages_put_aside_that_one_turn_makes_ready_come_before_what_comes_later(harness: Harness, broker: Broker) -> None:
    broker.place([unique_op("m1", "1", queue="held"), unique_op("m2", "2", queue="held")])
    first, second = claim(broker, "w1", "held", lease=24 * LONG)
    broker.place([after_op("n1", "1"), after_op("n2", "2"), after_op("n3", "3")])
    harness.advance(10_000)
    broker.turn([outcome(second), outcome(first, Bury(FAULT))], claim_request(limit=0))
    harness.advance(10_000)
    broker.enqueue([enqueue_op("later")])
    found = ids(claim(broker))

    assert (found[0], sorted(found[1:3]), found[3:]) == ("n3", ["n1", "n2"], ["later"])


def test_the_window_of_a_message_put_aside_begins_with_its_enqueue(harness: Harness, broker: Broker) -> None:
    holder = begun(broker)
    broker.place([after_op("n", window=LONG)])
    harness.advance(LONG // 2)
    commit(broker, holder)
    commit(broker, claim_one(broker))
    in_the_window = placed(broker, unique_op("o"))
    harness.advance(LONG // 2)

    assert in_the_window == ("n", False)
    assert placed(broker, unique_op("o")) == ("o", True)


def test_a_paused_queue_keeps_what_was_put_aside_from_running(broker: Broker) -> None:
    holder = put_aside(broker)
    broker.pause("q")
    commit(broker, holder)
    paused = claim(broker)
    broker.resume("q")

    assert paused == ()
    assert ids(claim(broker)) == ["n"]


def test_a_letter_is_never_put_aside(broker: Broker) -> None:
    bury(broker, enqueue_op("n"))
    holder = begun(broker)

    assert broker.requeue(["n"], lambda ids, view, now: RequeuePlan((after_op("n"),))) == 0
    assert state(broker, "n") == "dead"
    commit(broker, holder)
    assert claim(broker) == ()
