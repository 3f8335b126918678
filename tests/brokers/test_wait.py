"""Every broker: `wait` returns when there may be something to claim, and `wake` ends it. No message is missed."""

from concurrent.futures import Future
from time import monotonic

import pytest

from fq.brokers.protocol import Broker
from fq.brokers.records import Release
from fq.execution.requeue_plan import plan_requeue
from tests.brokers.builders import (
    LEASE_MS,
    PATIENCE_SECONDS,
    after_op,
    claim,
    claim_one,
    claim_request,
    commit,
    enqueue_op,
    enqueue_ops,
    ids,
    in_thread,
    outcome,
    settle,
)
from tests.brokers.harness import Harness

LONG = int(PATIENCE_SECONDS * 1_000)


def waiting(broker: Broker, worker: str = "w1", *queues: str, limit: int = 10) -> "Future[None]":
    """Wait in a thread."""
    return in_thread(lambda: broker.wait(claim_request(worker, *queues, limit=limit), LONG))


def came_back(future: "Future[None]") -> bool:
    """Did the wait return, well before it had to?"""
    try:
        future.result(PATIENCE_SECONDS / 2)
    except TimeoutError:
        return False
    return True


def test_with_something_ready_there_is_no_wait(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))

    assert came_back(waiting(broker))


def test_a_wait_ends_after_its_time(broker: Broker) -> None:
    start = monotonic()
    broker.wait(claim_request(), 0)
    broker.wait(claim_request(), 30)

    assert monotonic() - start < PATIENCE_SECONDS / 2


def test_a_message_that_comes_ends_the_wait(broker: Broker, other: Broker) -> None:
    wait = waiting(broker)
    other.enqueue(enqueue_ops("m"))

    assert came_back(wait)
    assert ids(claim(broker)) == ["m"]


def test_a_message_of_the_same_handle_ends_the_wait(broker: Broker) -> None:
    wait = waiting(broker)
    broker.enqueue(enqueue_ops("m"))

    assert came_back(wait)


def test_a_follow_up_ends_the_wait(broker: Broker, other: Broker) -> None:
    other.enqueue([enqueue_op("m", "r")])
    delivery = claim_one(other, "w2", "r")
    wait = waiting(broker)
    other.turn([outcome(delivery, outcome(delivery).disposition, enqueue_op("follow-up"))], claim_request("w2", limit=0))

    assert came_back(wait)


def test_any_of_the_queues_ends_the_wait(broker: Broker, other: Broker) -> None:
    wait = waiting(broker, "w1", "a", "b", "c")
    other.enqueue([enqueue_op("m", "c")])

    assert came_back(wait)


def test_a_message_that_is_handed_back_ends_the_wait(broker: Broker, other: Broker) -> None:
    other.enqueue(enqueue_ops("m"))
    claim(other, "w2")
    wait = waiting(broker)
    other.release("w2", {})

    assert came_back(wait)


def test_a_requeued_letter_ends_the_wait(broker: Broker, other: Broker) -> None:
    from tests.brokers.builders import bury

    bury(other, enqueue_op("m"))
    wait = waiting(broker)
    other.requeue(["m"], plan_requeue)

    assert came_back(wait)


@pytest.mark.parametrize("delete", ["discard", "purge"])
def test_what_was_put_aside_for_a_message_that_is_deleted_ends_the_wait(broker: Broker, other: Broker, delete: str) -> None:
    other.place([after_op("m", queue="held")])
    holder = claim_one(other, "w2", "held")
    other.place([after_op("n")])
    commit(other, holder, Release(counted=True), worker="w2")
    settle(broker, "w1")
    wait = waiting(broker)
    assert is_still_waiting(wait)
    deleted = other.discard(["m"]) if delete == "discard" else other.purge("held")

    assert deleted == 1
    assert came_back(wait)


def test_a_resumed_queue_ends_the_wait(broker: Broker, other: Broker) -> None:
    other.enqueue(enqueue_ops("m"))
    other.pause("q")
    wait = waiting(broker)
    other.resume("q")

    assert came_back(wait)


@pytest.mark.parametrize("posted", ["before", "during"])
def test_what_falls_due_ends_the_wait(harness: Harness, broker: Broker, other: Broker, posted: str) -> None:
    if posted == "before":
        other.enqueue([enqueue_op("m", delay=300)])
        wait = waiting(broker)
    else:
        wait = waiting(broker)
        other.enqueue([enqueue_op("m", delay=300)])
    harness.advance(300)

    assert came_back(wait)


def test_the_end_of_the_lease_of_another_worker_ends_the_wait(harness: Harness, broker: Broker, other: Broker) -> None:
    other.enqueue(enqueue_ops("m"))
    claim(other, "w2", lease=300)
    settle(broker, "w1")
    wait = waiting(broker)
    harness.advance(300)

    assert came_back(wait)


def test_every_handle_that_waits_hears_of_a_message(harness: Harness, broker: Broker, other: Broker) -> None:
    waits = [waiting(handle, worker) for handle, worker in ((broker, "w1"), (other, "w2"), (broker, "w3"))]
    harness.broker().enqueue(enqueue_ops("a", "b", "c"))

    assert [came_back(wait) for wait in waits] == [True] * 3


# Wake.


def test_wake_ends_a_wait(broker: Broker) -> None:
    wait = waiting(broker)
    broker.wake()

    assert came_back(wait)


def test_a_wake_that_comes_before_the_wait_is_kept(broker: Broker) -> None:
    settle(broker)
    broker.wake()

    assert came_back(waiting(broker))


def test_wake_ends_a_wait_that_wants_nothing(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    wait = waiting(broker, limit=0)
    broker.wake()

    assert came_back(wait)


def test_of_two_workers_of_one_handle_neither_takes_the_wake_of_the_other(broker: Broker) -> None:
    first = waiting(broker, "w1")
    broker.wake()

    assert came_back(first)
    assert came_back(waiting(broker, "w2"))


def test_no_message_is_missed_however_the_moments_fall(broker: Broker, other: Broker) -> None:
    for number in range(100):
        wait = waiting(broker)
        other.enqueue(enqueue_ops(f"m{number}"))

        assert came_back(wait)
        for delivery in claim(broker):
            commit(broker, delivery)


def test_no_wake_is_missed_however_the_moments_fall(broker: Broker) -> None:
    for _ in range(200):
        wait = waiting(broker)
        broker.wake()

        assert came_back(wait)


def test_who_waits_for_ever_comes_back_when_there_is_something(broker: Broker, other: Broker) -> None:
    waits = [in_thread(lambda limit=limit: broker.wait(claim_request(f"w{limit}", limit=limit), 10**400)) for limit in (0, 1)]
    other.enqueue(enqueue_ops("m"))
    back = came_back(waits[1])
    broker.wake()

    assert back
    assert came_back(waits[0])


# What is no reason to come back, at least not at once.


def is_still_waiting(future: "Future[None]") -> bool:
    try:
        future.result(0.1)
    except TimeoutError:
        return True
    return False


def test_what_cannot_be_claimed_does_not_keep_a_wait_from_waiting(broker: Broker, other: Broker) -> None:
    other.enqueue([enqueue_op("elsewhere", "r"), enqueue_op("paused", "p"), enqueue_op("running"), enqueue_op("late", delay=10 * LEASE_MS)])
    other.pause("p")
    claim_one(other, "w2")
    settle(broker, "w1")
    wait = waiting(broker, "w1", "q", "p")
    quiet = is_still_waiting(wait)
    broker.wake()

    assert quiet
    assert came_back(wait)


def test_with_no_room_for_more_a_wait_waits_even_if_something_is_ready(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    wait = waiting(broker, limit=0)
    quiet = is_still_waiting(wait)
    broker.wake()

    assert quiet
    assert came_back(wait)
