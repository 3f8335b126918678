"""A turn that is applied although its worker hears of an error: none of its commits is stale later on, in whichever turns the worker repeats them."""

import pytest

from fq.brokers import Broker
from fq.errors import BrokerUnavailable
from tests.brokers.builders import claim, claim_request, enqueue_ops, ids, outcome
from tests.brokers.harness import Harness

NOTHING = claim_request(limit=0)


@pytest.fixture(autouse=True)
def _replies_can_be_lost(harness: Harness) -> None:
    if not harness.loses_replies:
        pytest.skip("a call of it is applied, or raises")


def lose_reply(harness: Harness, broker: Broker, *arguments) -> None:
    with harness.lost_replies(broker), pytest.raises(BrokerUnavailable):
        broker.turn(*arguments)


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("first", ["nothing", "another message"])
def test_commits_are_repeated_one_by_one_after_another_turn(harness: Harness, broker: Broker, times: int, first: str) -> None:
    broker.enqueue(enqueue_ops("a", "b", "c"))
    a, b, c = claim(broker, limit=3)
    for _ in range(times):
        lose_reply(harness, broker, [outcome(a), outcome(b)], NOTHING)

    assert broker.turn([outcome(c)] if first == "another message" else (), NOTHING).stale == ()
    assert [broker.turn([outcome(each)], NOTHING).stale for each in (b, a)] == [(), ()]
    assert broker.turn([outcome(a), outcome(b)], NOTHING).stale == ("a", "b"), "what has been told once is not told again"


def test_more_commits_come_with_each_turn_whose_reply_is_lost(harness: Harness, broker: Broker) -> None:
    broker.enqueue(enqueue_ops("a", "b", "c"))
    claims = claim(broker, limit=3)
    for count in (1, 2):
        lose_reply(harness, broker, [outcome(each) for each in claims[:count]], NOTHING)

    assert broker.turn((), NOTHING).stale == ()
    assert [broker.turn([outcome(each)], NOTHING).stale for each in claims] == [(), (), ()]


def test_claims_are_told_by_the_first_turn_that_is_answered(harness: Harness, broker: Broker) -> None:
    broker.enqueue(enqueue_ops("a", "b", "c"))
    (a,) = claim(broker, limit=1)
    lose_reply(harness, broker, [outcome(a)], claim_request(limit=1))
    found = broker.turn((), claim_request(limit=2)).deliveries

    assert sorted(ids(found)) == ["b", "c"]
    assert broker.turn([outcome(a)], NOTHING).stale == ()
    assert broker.turn([outcome(each) for each in found], NOTHING).stale == ()
