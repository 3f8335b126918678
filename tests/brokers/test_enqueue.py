"""Every broker: what `enqueue` and `aenqueue` do, and in which order messages come out."""

import asyncio

import pytest

from fq.brokers.protocol import Broker
from fq.brokers.records import Bury, EnqueueOp, Release
from fq.errors import BrokerError
from tests.brokers.builders import FAULT, bury, claim, claim_one, claim_request, commit, enqueue_op, enqueue_ops, ids, state
from tests.brokers.harness import Harness


def test_messages_are_claimed_in_the_order_in_which_they_were_sent(broker: Broker, other: Broker) -> None:
    broker.enqueue(enqueue_ops("b", "a"))
    other.enqueue(enqueue_ops("d"))
    broker.enqueue(enqueue_ops("c"))

    assert ids(claim(broker)) == ["b", "a", "d", "c"]


def test_a_lower_priority_is_claimed_first(broker: Broker) -> None:
    broker.enqueue([enqueue_op("p5", priority=5), enqueue_op("p0"), enqueue_op("p-3", priority=-3), enqueue_op("p5-too", priority=5)])

    assert ids(claim(broker)) == ["p-3", "p0", "p5", "p5-too"]


def test_what_does_not_fit_the_limit_is_claimed_next_in_the_same_order(broker: Broker) -> None:
    broker.enqueue([enqueue_op(f"m{number}", priority=number % 2) for number in range(6)])

    assert [ids(claim(broker, limit=2)) for _ in range(3)] == [["m0", "m2"], ["m4", "m1"], ["m3", "m5"]]


def test_thousands_of_messages_of_one_call_keep_their_order(broker: Broker) -> None:
    names = [f"m{number}" for number in range(7_000)]
    broker.enqueue(enqueue_ops(*names))

    assert ids(claim(broker, limit=10_000)) == names


@pytest.mark.parametrize(
    "body", [b"", b'{"a": [1]}', bytes(range(256)), b"\x00" * 10, b"\xff\xfe", "ä€😀".encode(), b"x" * 70_000, b"y" * 3_000_000]
)
def test_a_body_comes_back_byte_for_byte(broker: Broker, body: bytes) -> None:
    broker.enqueue([enqueue_op("one", body=body)])
    broker.enqueue([enqueue_op("before", body=b"<"), enqueue_op("many", body=body), enqueue_op("after", body=b">")])

    assert [delivery.body for delivery in claim(broker)] == [body, b"<", body, b">"]


def test_names_may_be_in_any_language(broker: Broker) -> None:
    names = ["grüße", "消息", "e😀e", "with space", 'quote"and\\slash', "new\nline", "{braces}:*"]
    broker.enqueue([EnqueueOp(name, name, name, 0, 0, b"") for name in names])

    found = claim(broker, "wörker", *names)

    assert sorted((delivery.message_id, delivery.queue_name) for delivery in found) == sorted((name, name) for name in names)
    assert [broker.status(name).actor_name for name in names] == names
    assert sorted(queue.queue_name for queue in broker.queues()) == sorted(names)


def test_enqueue_of_nothing_does_nothing(broker: Broker) -> None:
    broker.enqueue([])

    assert claim(broker) == ()


def test_an_async_producer_posts_the_same(broker: Broker) -> None:
    asyncio.run(broker.aenqueue(enqueue_ops("a", "b")))

    assert ids(claim(broker)) == ["a", "b"]


# Delays.


def test_a_delayed_message_is_claimed_when_it_is_due_and_not_before(harness: Harness, broker: Broker) -> None:
    broker.enqueue([enqueue_op("late", delay=50_000)])
    harness.advance(40_000)
    before = claim(broker)
    harness.advance(10_000)

    assert before == ()
    assert ids(claim(broker)) == ["late"]


def test_a_delayed_message_takes_its_place_by_when_it_became_ready(harness: Harness, broker: Broker) -> None:
    broker.enqueue([enqueue_op("due-second", delay=30_000), enqueue_op("due-first", delay=10_000)])
    broker.enqueue(enqueue_ops("at-once"))
    harness.advance(40_000)
    broker.enqueue(enqueue_ops("after"))

    assert ids(claim(broker)) == ["at-once", "due-first", "due-second", "after"]


def test_a_delayed_message_keeps_its_priority(harness: Harness, broker: Broker) -> None:
    broker.enqueue([enqueue_op("low", priority=9), enqueue_op("high", priority=1, delay=5_000)])
    harness.advance(5_000)

    assert ids(claim(broker)) == ["high", "low"]


def test_thousands_of_delayed_messages_become_ready_turn_by_turn_without_a_pause(harness: Harness, broker: Broker) -> None:
    names = [f"m{number}" for number in range(2_500)]
    broker.enqueue([enqueue_op(name, delay=10_000) for name in names])
    harness.advance(10_000)

    found: list[str] = []
    while len(found) < len(names):
        turn = broker.turn((), claim_request(limit=400))
        found += ids(turn.deliveries)
        assert turn.deliveries or turn.idle_for == 0, "idle while there is something due"

    assert sorted(found) == sorted(names)


# The same id again.


def test_a_message_id_that_waits_is_left_as_it_is(broker: Broker) -> None:
    broker.enqueue([enqueue_op("m", body=b"first")])
    broker.enqueue([enqueue_op("m", "elsewhere", body=b"second"), enqueue_op("n")])

    assert [(delivery.message_id, delivery.body) for delivery in claim(broker, "w", "q", "elsewhere")] == [("m", b"first"), ("n", b"{}")]


def test_a_message_id_that_is_delayed_is_left_as_it_is(harness: Harness, broker: Broker) -> None:
    broker.enqueue([enqueue_op("m", delay=10_000, body=b"first")])
    broker.enqueue([enqueue_op("m", body=b"second")])
    before = claim(broker)
    harness.advance(10_000)

    assert before == ()
    assert [delivery.body for delivery in claim(broker)] == [b"first"]


def test_a_message_id_that_runs_is_left_as_it_is(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    delivery = claim_one(broker)
    broker.enqueue(enqueue_ops("m"))

    assert claim(broker) == ()
    assert commit(broker, delivery) == ()
    assert state(broker, "m") == "unknown"


def test_of_one_id_twice_in_a_call_the_first_counts(broker: Broker) -> None:
    broker.enqueue([enqueue_op("m", body=b"first"), enqueue_op("m", body=b"second")])

    assert [delivery.body for delivery in claim(broker)] == [b"first"]


@pytest.mark.parametrize("delay", [0, 10_000])
def test_enqueue_says_how_many_messages_are_new(broker: Broker, delay: int) -> None:
    said = [
        broker.enqueue([]),
        broker.enqueue([enqueue_op("a", delay=delay)]),
        broker.enqueue([enqueue_op("a")]),
        broker.enqueue([enqueue_op("a"), enqueue_op("b", delay=delay), enqueue_op("b"), enqueue_op("c")]),
        broker.enqueue([enqueue_op("b", delay=delay)]),
        broker.enqueue([enqueue_op(f"m{number}", delay=delay) for number in range(1_500)]),
    ]

    assert said == [0, 1, 0, 2, 0, 1_500]


def test_enqueue_says_that_a_message_that_runs_is_not_new_and_a_dead_letter_is_no_message(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    delivery = claim_one(broker)

    assert broker.enqueue(enqueue_ops("m")) == 0

    commit(broker, delivery, Bury(FAULT))

    assert broker.enqueue(enqueue_ops("m")) == 1


def test_a_repeated_call_adds_nothing(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("a", "b", "c"))
    commit(broker, claim_one(broker), Release())
    broker.enqueue(enqueue_ops("a", "b", "c"))

    assert ids(claim(broker)) == ["a", "b", "c"]


def test_a_message_id_can_be_used_again_when_it_is_done(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    commit(broker, claim_one(broker))
    broker.enqueue([enqueue_op("m", body=b"again")])

    assert [(delivery.body, delivery.deliveries) for delivery in claim(broker)] == [(b"again", 1)]


def test_a_dead_letter_does_not_stand_in_the_way_of_a_message_with_its_id(broker: Broker) -> None:
    bury(broker, enqueue_op("m", body=b"dead"))
    broker.enqueue([enqueue_op("m", body=b"alive")])

    assert state(broker, "m") == "ready"
    assert [delivery.body for delivery in claim(broker)] == [b"alive"]


# All or none.

MALFORMED = [
    EnqueueOp("bad", "q", "act", 0, 0, "text"),  # type: ignore[arg-type]
    EnqueueOp("bad", "q", "act", 0, 0, None),  # type: ignore[arg-type]
    EnqueueOp("bad", "q", "act", "high", 0, b""),  # type: ignore[arg-type]
    EnqueueOp("bad", "q", "act", 10**30, 0, b""),
    EnqueueOp("bad", "q", "act", 0, 10**30, b""),
    EnqueueOp("bad", "q", "act", 0, -1, b""),
    EnqueueOp("bad", "q", "act", 0, 1.5, b""),  # type: ignore[arg-type]
    EnqueueOp("lone \udc80 surrogate", "q", "act", 0, 0, b""),
    EnqueueOp("nul \0", "q", "act", 0, 0, b""),
    EnqueueOp("bad", "", "act", 0, 0, b""),
    EnqueueOp("bad", "q", 7, 0, 0, b""),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("malformed", MALFORMED, ids=repr)
def test_with_one_malformed_post_none_is_put_anywhere(broker: Broker, malformed: EnqueueOp) -> None:
    with pytest.raises(BrokerError, match=r"found .* expected"):
        broker.enqueue([*enqueue_ops("a", "b"), malformed, *enqueue_ops("c")])

    assert [state(broker, name) for name in ("a", "b", "c")] == ["unknown"] * 3
    assert claim(broker) == ()


def test_after_a_refusal_the_broker_works_as_before(broker: Broker) -> None:
    with pytest.raises(BrokerError):
        broker.enqueue([MALFORMED[0]])
    broker.enqueue(enqueue_ops("a"))

    assert ids(claim(broker)) == ["a"]
