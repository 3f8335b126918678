"""Every broker: a caller may change its lists once a call is over, or has failed; that changes nothing of what the broker does."""

import asyncio

import pytest

from fq.brokers.protocol import Broker
from fq.brokers.records import ACK, ClaimRequest, Commit, EnqueueOp, StoreResultOp
from fq.errors import BrokerError
from tests.brokers.builders import claim, claim_request, enqueue_op, enqueue_ops, outcome, state

REFUSED = StoreResultOp("x", b"", -1)


def test_a_list_that_is_filled_again_after_a_refused_turn_is_committed_whole(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("a", "b", "c"))
    first, second, third = claim(broker)
    commits = [outcome(first), outcome(second, ACK, REFUSED)]
    with pytest.raises(BrokerError):
        broker.turn(commits, claim_request(limit=0))
    commits[1:] = [outcome(second), outcome(third)]
    turn = broker.turn(commits, claim_request(limit=0))

    assert turn.stale == ()
    assert [state(broker, name) for name in "abc"] == ["unknown"] * 3


def test_a_list_that_is_used_for_one_turn_after_the_other_commits_what_is_in_it_then(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("a", "b"))
    first, second = claim(broker)
    commits = [outcome(first)]
    broker.turn(commits, claim_request(limit=0))
    commits.clear()
    broker.turn(commits, claim_request(limit=0))
    assert state(broker, "b") == "running"
    commits.append(outcome(second))

    assert broker.turn(commits, claim_request(limit=0)).stale == ()
    assert state(broker, "b") == "unknown"


def test_a_list_of_posts_is_the_callers_again_after_each_send(broker: Broker) -> None:
    new = enqueue_ops("a")
    broker.enqueue(new)
    new[:] = enqueue_ops("b", "c")
    broker.enqueue(new)
    new.clear()
    broker.enqueue(new)

    assert [delivery.message_id for delivery in claim(broker)] == ["a", "b", "c"]


def test_a_list_that_is_changed_while_a_coroutine_sends_it_is_sent_as_it_was(broker: Broker) -> None:
    async def send() -> None:
        new: list[EnqueueOp] = enqueue_ops("a", "b")
        sending = asyncio.create_task(broker.aenqueue(new))
        await asyncio.sleep(0)  # until it waits for the first time
        new[:] = enqueue_ops("c")
        await sending

    asyncio.run(send())

    assert [delivery.message_id for delivery in claim(broker)] == ["a", "b"]


def test_a_list_of_queues_is_the_callers_again_at_once(broker: Broker) -> None:
    broker.enqueue([enqueue_op("a", "q"), enqueue_op("b", "other")])
    queues = ["q"]
    wanted = ClaimRequest("w1", queues, 1)  # type: ignore[arg-type]  # who has no type checker passes a list
    queues[:] = ["other"]
    (delivery,) = broker.turn((), wanted).deliveries
    broker.wait(wanted, 1)

    assert delivery.message_id == "a"


def test_posts_and_commits_may_be_tuples_or_lists(broker: Broker) -> None:
    broker.enqueue(tuple(enqueue_ops("a", "b")))
    commits: tuple[Commit, ...] = tuple(map(outcome, claim(broker)))

    assert broker.turn(commits, claim_request(limit=0)).stale == ()
