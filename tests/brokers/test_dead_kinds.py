"""Every broker: which kinds of dead letters there are, and how many of each, without looking at all of them; and the letters of a kind among many others."""

from typing import cast

import pytest

from fq.brokers.memory import MemoryBroker
from fq.brokers.planning.bounded_counts import counted
from fq.brokers.protocol import Broker
from fq.brokers.records import Bury, DeadKind
from fq.brokers.redis import RedisBroker
from fq.brokers.redis.shards import ShardedRedisBroker
from fq.core.fault import Fault
from fq.execution.requeue_plan import plan_requeue
from tests.brokers.builders import bury, claim, claim_request, enqueue_op, outcome
from tests.brokers.harness import Harness

FAULT = Fault("KeyError", "'sku'", "Traceback ...")


def kinds(broker: Broker, most: int = 10_000) -> dict[tuple[str, str, str], DeadKind]:
    return {(kind.queue_name, kind.actor_name, kind.error): kind for kind in broker.dead_kinds(most).kinds}


def bury_many(broker: Broker, names: list[str], fault: Fault, *, actor: str = "act", queue: str = "q") -> None:
    """Let messages of these *names* die, all at one moment."""
    for first in range(0, len(names), 500):
        broker.enqueue([enqueue_op(name, queue, actor=actor) for name in names[first : first + 500]])
        commits = [outcome(delivery, Bury(fault)) for delivery in claim(broker, "w1", queue, limit=500)]
        assert broker.turn(commits, claim_request("w1", queue, limit=0)).stale == ()


def test_there_are_no_kinds_without_letters(broker: Broker) -> None:
    broker.enqueue([enqueue_op("waits")])

    assert (broker.dead_kinds().kinds, broker.dead_kinds().is_complete) == ((), True)


def test_kinds_are_told_by_queue_actor_and_error(harness: Harness, broker: Broker, other: Broker) -> None:
    start = broker.now()
    for number, (queue, actor, error) in enumerate([("q", "x", "A"), ("q", "x", "B"), ("q", "y", "A"), ("p", "x", "A"), ("q", "x", "A")]):
        bury(broker, enqueue_op(f"m{number}", queue, actor=actor), Fault(error, f"text {number}", ""))
        harness.advance(1_000)
    found = kinds(other)

    assert {kind: each.count for kind, each in found.items()} == {
        ("q", "x", "A"): 2,
        ("q", "x", "B"): 1,
        ("q", "y", "A"): 1,
        ("p", "x", "A"): 1,
    }
    twice = found["q", "x", "A"]
    assert abs(twice.first - start) <= harness.slack
    assert abs(twice.last - start - 4_000) <= harness.slack
    assert (twice.message, twice.is_at_least, found["q", "y", "A"].message) == ("text 4", False, "text 2")
    assert other.dead_kinds().is_complete


def test_letters_that_go_are_of_no_kind_any_more(broker: Broker) -> None:
    for number in range(5):
        bury(broker, enqueue_op(f"m{number}"), FAULT)
    bury(broker, enqueue_op("alone"), Fault("Rare", "", ""))
    assert (broker.discard(["m0", "alone"]), broker.requeue(["m1"], plan_requeue)) == (2, 1)

    assert {kind: each.count for kind, each in kinds(broker).items()} == {("q", "act", "KeyError"): 3}


def test_a_message_that_dies_again_is_of_the_later_kind_only(harness: Harness, broker: Broker) -> None:
    bury(broker, enqueue_op("m"), FAULT)
    harness.advance(1_000)
    bury(broker, enqueue_op("m", actor="new"), Fault("Later", "", ""))

    assert list(kinds(broker)) == [("q", "new", "Later")]


def test_expired_letters_are_not_counted(harness: Harness, broker: Broker) -> None:
    bury(broker, enqueue_op("old"), FAULT)
    bury(broker, enqueue_op("gone"), Fault("Gone", "", ""))
    harness.advance(6 * 86_400_000)
    bury(broker, enqueue_op("new"), FAULT)
    harness.advance(2 * 86_400_000)
    found = kinds(broker)

    assert [(kind, each.count, each.first == each.last) for kind, each in found.items()] == [(("q", "act", "KeyError"), 1, True)]


def test_names_may_be_long_and_strange(broker: Broker) -> None:
    error = "Error%_'\"\\ \x07é" + "x" * 5_000
    bury(broker, enqueue_op("m", "é%", actor="a" * 3_000), Fault(error, "", ""))

    assert list(kinds(broker)) == [("é%", "a" * 3_000, error)]
    assert [entry.status.message_id for entry in broker.browse("dead", actor="a" * 3_000).entries] == ["m"]
    assert broker.browse("dead", actor="a" * 2_999).entries == ()


def test_a_count_that_stops_says_that_there_are_more(broker: Broker) -> None:
    bury_many(broker, [f"m{number}" for number in range(20)], FAULT)
    bury(broker, enqueue_op("rare"), Fault("Rare", "", ""))
    found = kinds(broker, most=10)

    assert (found["q", "act", "Rare"].count, found["q", "act", "Rare"].is_at_least) == (1, False)
    flood = found["q", "act", "KeyError"]
    if isinstance(broker, MemoryBroker | RedisBroker | ShardedRedisBroker):  # these look at all of so few
        assert (flood.count, flood.is_at_least) == (20, False)
    else:
        assert (flood.count, flood.is_at_least) == (10, True)


def test_a_rare_kind_is_found_behind_many_others(broker: Broker) -> None:
    bury(broker, enqueue_op("rare", actor="other"), Fault("Rare", "once", ""))
    bury_many(broker, [f"m{number}" for number in range(1_500)], FAULT)
    found = broker.dead_kinds()
    rare = kinds(broker).get(("q", "other", "Rare"))

    if isinstance(broker, RedisBroker | ShardedRedisBroker):  # it looks at the latest 1,000
        (flood,) = found.kinds
        assert (flood.count, flood.is_at_least, found.is_complete) == (1_000, True, False)
    else:
        assert (rare and rare.count, found.is_complete) == (1, True)
        page = broker.browse("dead", error="Rare")
        assert ([entry.status.message_id for entry in page.entries], page.after, page.looked_at) == (["rare"], "", 1)


@pytest.mark.parametrize("limit", [1, 7, 1_000])
def test_letters_of_some_kinds_come_in_order_page_by_page(harness: Harness, broker: Broker, limit: int) -> None:
    for number in range(4):
        for actor, error in (("x", "A"), ("x", "B"), ("y", "A")):
            bury_many(broker, [f"{actor}{error}{number}-{n}" for n in range(3)], Fault(error, "", ""), actor=actor)
        harness.advance(number % 2)
    expected = [entry.status.message_id for entry in broker.browse("dead").entries]

    for filters, wanted in (({"actor": "x"}, "x"), ({"error": "A"}, "A"), ({"actor": "x", "error": "A"}, "xA"), ({"queue": "q"}, "")):
        found, after = list[str](), ""
        while True:
            page = broker.browse("dead", after=after, limit=limit, **cast(dict[str, str], filters))
            found += [entry.status.message_id for entry in page.entries]
            if not (after := page.after):
                break
        assert found == [name for name in expected if wanted in name]


def test_the_letters_of_all_kinds_together_are_counted_within_a_bound() -> None:
    sizes = {f"k{number}": 10 * number for number in range(100)}
    looked_at = []

    def count(names, limit):
        found = [min(sizes[name], limit) for name in names]
        looked_at.append(sum(found))
        return found

    found = counted(list(sizes), 10_000, count, most_of_all=1_000)

    assert sum(looked_at) <= 2 * 1_000 + 2 * 100
    assert all(number <= sizes[name] and has_more == (number < sizes[name]) for name, (number, has_more) in zip(sizes, found, strict=True))
