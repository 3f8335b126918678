"""Cancelling a message, and what a worker holds."""

import pytest
from attrs import evolve

from fq.brokers.records import ACK, CONTINUE, OPEN_GROUP_TTL_MS, RELEASE, ClaimRequest, Commit, Disposition, EnqueueOp, Reschedule
from tests.brokers import builders
from tests.brokers.harness import Harness

A = ClaimRequest("a", ("q",), 10, lease=1_000)
B = ClaimRequest("b", ("q",), 10, lease=1_000)


def enqueue_op(message_id: str, delay: int = 0) -> EnqueueOp:
    return EnqueueOp(message_id, "q", "actor", 0, delay, b"{}")


def test_a_message_that_waits_is_delivered_as_cancelled(harness: Harness) -> None:
    broker = harness.broker()
    broker.enqueue([enqueue_op("m1"), enqueue_op("m2")])

    assert broker.cancel("m1") is True
    assert [(delivery.message_id, delivery.interrupted) for delivery in broker.turn([], A).deliveries] == [("m1", "cancelled"), ("m2", "")]


def test_a_delayed_message_that_is_cancelled_is_ready_at_once(harness: Harness) -> None:
    broker = harness.broker()
    broker.enqueue([enqueue_op("m1", delay=60_000)])
    broker.cancel("m1")

    assert [delivery.interrupted for delivery in broker.turn([], A).deliveries] == ["cancelled"]


def test_one_that_had_fallen_due_when_it_was_cancelled_keeps_its_place(harness: Harness) -> None:
    broker = harness.broker()
    broker.enqueue([enqueue_op("early", delay=60_000)])
    harness.advance(60_000)
    harness.advance(30_000)
    broker.enqueue([enqueue_op("late")])
    harness.advance(1_000)
    broker.cancel("early")

    assert [delivery.message_id for delivery in broker.turn([], A).deliveries] == ["early", "late"]


def test_nobody_is_cancelled_who_is_not_there(harness: Harness) -> None:
    broker = harness.broker()
    broker.enqueue([enqueue_op("m1")])
    (delivery,) = broker.turn([], A).deliveries
    broker.turn([Commit("m1", "q", delivery.token)], A)

    assert (broker.cancel("m1"), broker.cancel("nobody")) == (False, False)


def test_the_holder_of_a_message_hears_that_it_was_cancelled_in_its_next_turn(harness: Harness) -> None:
    broker = harness.broker()
    broker.enqueue([enqueue_op("m1"), enqueue_op("m2")])
    broker.turn([], A)

    assert broker.cancel("m1") is True
    assert broker.turn([], ClaimRequest("b", ("q",), 0)).cancelled == ()
    assert broker.turn([], ClaimRequest("a", ("q",), 0)).cancelled == ("m1",)


def test_the_holder_of_a_message_hears_of_a_second_cancel_too(harness: Harness) -> None:
    broker = harness.broker()
    broker.enqueue([enqueue_op("m1")])
    broker.turn([], A)
    holder = ClaimRequest("a", ("q",), 0)
    broker.cancel("m1")
    heard = broker.turn([], holder).cancelled
    silence = broker.turn([], holder).cancelled
    broker.cancel("m1")

    assert (heard, silence, broker.turn([], holder).cancelled) == (("m1",), (), ("m1",))


def test_a_cancelled_message_that_finishes_all_the_same_is_done(harness: Harness) -> None:
    broker = harness.broker()
    broker.enqueue([enqueue_op("m1")])
    (delivery,) = broker.turn([], A).deliveries
    broker.cancel("m1")
    turn = broker.turn([Commit("m1", "q", delivery.token, ACK)], A)
    broker.enqueue([enqueue_op("m1")])

    assert turn.stale == ()
    assert [again.interrupted for again in broker.turn([], B).deliveries] == [""], "the mark has ended with the message"


@pytest.mark.parametrize("disposition", [ACK, CONTINUE, RELEASE])
def test_a_worker_hears_of_cancelled_messages_only_if_it_holds_them_after_all_commits_of_the_turn(
    harness: Harness, disposition: Disposition
) -> None:
    """The operation of the first commit asks for a unique key: Redis applies the second commit in a script of its own."""
    broker = harness.broker()
    broker.enqueue([enqueue_op("first"), enqueue_op("m"), enqueue_op("stale"), enqueue_op("held")])
    first, m, stale, _ = broker.turn([], A).deliveries
    broker.cancel_all(["first", "m", "stale", "held"])
    commits = [
        builders.outcome(first, ACK, builders.unique_op("next")),
        builders.outcome(m, disposition),
        Commit("stale", "q", stale.token + 1),
    ]
    turn = broker.turn(commits, evolve(A, limit=0))

    assert turn.stale == ("stale",)
    assert sorted(turn.cancelled) == (["held", "m", "stale"] if disposition == CONTINUE else ["held", "stale"])


def test_a_cancelled_message_that_is_tried_again_comes_back_at_once_as_cancelled(harness: Harness) -> None:
    broker = harness.broker()
    broker.enqueue([enqueue_op("m1")])
    (delivery,) = broker.turn([], A).deliveries
    broker.cancel("m1")
    turn = broker.turn([Commit("m1", "q", delivery.token, Reschedule(enqueue_op("m1", delay=60_000)))], A)

    assert [again.interrupted for again in turn.deliveries] == ["cancelled"]


def test_a_cancelled_message_that_is_handed_back_comes_back_as_cancelled(harness: Harness) -> None:
    broker = harness.broker()
    broker.enqueue([enqueue_op("m1")])
    (delivery,) = broker.turn([], A).deliveries
    broker.cancel("m1")
    broker.turn([Commit("m1", "q", delivery.token, RELEASE)], ClaimRequest("a", ("q",), 0))

    assert [again.interrupted for again in broker.turn([], B).deliveries] == ["cancelled"]


def test_a_cancelled_message_whose_holder_vanished_comes_back_as_cancelled(harness: Harness) -> None:
    broker = harness.broker()
    broker.enqueue([enqueue_op("m1")])
    broker.turn([], A)
    broker.cancel("m1")
    harness.advance(1_001)

    deliveries = broker.turn([], B).deliveries or broker.turn([], B).deliveries
    assert [again.interrupted for again in deliveries] == ["cancelled"]


def test_what_a_worker_holds_is_listed_with_when_it_was_claimed(harness: Harness) -> None:
    broker = harness.broker()
    broker.enqueue([enqueue_op("m1"), enqueue_op("m2")])
    before = broker.now()
    broker.turn([], ClaimRequest("a", ("q",), 1, lease=1_000))
    harness.advance(100)
    broker.turn([], ClaimRequest("a", ("q",), 1, lease=1_000))
    held = broker.claimed_by("a")

    assert [(one.message_id, one.queue_name, one.actor_name, one.worker) for one in held] == [
        ("m1", "q", "actor", "a"),
        ("m2", "q", "actor", "a"),
    ]
    assert held[1].since - held[0].since >= 100
    assert held[0].since >= before
    assert broker.claimed_by("b") == ()


def test_a_broker_says_something_of_itself(harness: Harness) -> None:
    findings = harness.broker().diagnose()

    assert findings
    assert all(finding.what and finding.found for finding in findings)


def test_a_new_message_is_not_cancelled_with_an_old_one_of_its_id_that_was_discarded(harness: Harness) -> None:
    broker = harness.broker()
    broker.enqueue([enqueue_op("discarded"), enqueue_op("purged")])
    broker.cancel("discarded")
    broker.cancel("purged")
    broker.discard(["discarded"])
    broker.purge("q")
    broker.enqueue([enqueue_op("discarded"), enqueue_op("purged")])

    assert [delivery.interrupted for delivery in broker.turn([], A).deliveries] == ["", ""]


def test_a_follow_up_is_not_cancelled_with_an_old_message_of_its_id_that_ends_in_the_same_turn(harness: Harness) -> None:
    broker = harness.broker()
    broker.enqueue([enqueue_op("m"), enqueue_op("parent")])
    m, parent = broker.turn([], A).deliveries
    broker.cancel("m")
    turn = broker.turn([Commit("m", "q", m.token), Commit("parent", "q", parent.token, ACK, (enqueue_op("m"),))], A)

    assert [(delivery.message_id, delivery.interrupted) for delivery in turn.deliveries] == [("m", "")]
    assert turn.cancelled == ()


# Workflows.


def test_many_messages_are_cancelled_in_one_call(harness: Harness) -> None:
    broker = harness.broker()
    names = [f"m{number}" for number in range(3_000)]
    broker.enqueue([EnqueueOp(name, f"q{number % 2}", "actor", 0, 60_000 * (number % 3), b"{}") for number, name in enumerate(names)])
    broker.turn([], ClaimRequest("a", ("q0", "q1"), 500, lease=1_000))

    assert broker.cancel_all([*names, "nobody", "m0"]) == 3_000
    assert len(broker.turn([], ClaimRequest("a", ("q0",), 0)).cancelled) == 500
    others = broker.turn([], ClaimRequest("b", ("q0", "q1"), 3_000, lease=1_000)).deliveries
    assert len(others) == 2_500
    assert {delivery.interrupted for delivery in others} == {"cancelled"}


def test_what_continues_a_cancelled_message_is_cancelled_and_comes_at_once(harness: Harness) -> None:
    broker = harness.broker()
    broker.enqueue([enqueue_op("step")])
    (step,) = broker.turn([], A).deliveries
    broker.cancel("step")
    operations = (evolve(enqueue_op("next", delay=60_000), continues=True), enqueue_op("callback"))
    broker.turn([Commit("step", "q", step.token, ACK, operations)], ClaimRequest("a", ("q",), 0))

    assert {each.message_id: each.interrupted for each in broker.turn([], B).deliveries} == {"next": "cancelled", "callback": ""}


def test_what_continues_a_message_that_is_not_cancelled_is_not(harness: Harness) -> None:
    broker = harness.broker()
    broker.enqueue([enqueue_op("step"), enqueue_op("other")])
    step, other = broker.turn([], A).deliveries
    broker.cancel("other")
    commits = [Commit("other", "q", other.token), Commit("step", "q", step.token, ACK, (evolve(enqueue_op("next"), continues=True),))]
    turn = broker.turn(commits, A)

    assert [(each.message_id, each.interrupted) for each in turn.deliveries] == [("next", "")]


def test_what_waits_already_is_not_cancelled_by_a_second_post_of_its_id(harness: Harness) -> None:
    broker = harness.broker()
    broker.enqueue([enqueue_op("step"), enqueue_op("next")])
    step, following = broker.turn([], A).deliveries
    broker.cancel("step")
    operations = (evolve(enqueue_op("next"), continues=True),)
    broker.turn(
        [Commit("step", "q", step.token, ACK, operations), Commit("next", "q", following.token, RELEASE)], ClaimRequest("a", ("q",), 0)
    )

    assert [(each.message_id, each.interrupted) for each in broker.turn([], B).deliveries] == [("next", "")]


@pytest.mark.parametrize("before", [0, 1, 2])
def test_what_comes_after_a_group_that_was_cancelled_is_cancelled(harness: Harness, before: int) -> None:
    broker = harness.broker()
    for member in range(2):
        if member == before:
            broker.cancel_all([], ["g"])
        builders.run(
            broker,
            builders.arrive_op(member, 2, b"%d" % member, builders.deferred_enqueue("then", delay=60_000)),
            message_id=f"member{member}",
        )
    if before == 2:
        broker.cancel_all(["then"], ["g"])
    (then,) = broker.turn([], A).deliveries

    assert (then.message_id, then.interrupted, then.body) == ("then", "cancelled", b'{"args":[0,1]}')


def test_a_group_is_not_cancelled_with_one_of_its_members(harness: Harness) -> None:
    broker = harness.broker()
    broker.enqueue([enqueue_op("m")])
    (member,) = broker.turn([], A).deliveries
    broker.cancel("m")
    turn = broker.turn([Commit("m", "q", member.token, ACK, (builders.arrive_op(0, 1, b"0", builders.deferred_enqueue("then")),))], A)

    assert [(each.message_id, each.interrupted) for each in turn.deliveries] == [("then", "")]


def test_that_a_group_was_cancelled_to_which_nobody_comes_is_forgotten(harness: Harness) -> None:
    broker = harness.broker()
    broker.cancel_all([], ["g"])
    harness.advance(OPEN_GROUP_TTL_MS + 1_000)
    builders.run(broker, builders.arrive_op(0, 1, b"0", builders.deferred_enqueue("then")))

    assert [each.interrupted for each in broker.turn([], A).deliveries] == [""]
