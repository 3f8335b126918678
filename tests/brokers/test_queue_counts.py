"""`Broker.queues` counts messages no further than its caller asks, and says where there are more."""

from fq.brokers.memory import MemoryBroker
from fq.brokers.protocol import Broker
from fq.brokers.records import Bury, Commit, QueueStats
from fq.brokers.redis import RedisBroker
from fq.brokers.redis.shards import ShardedRedisBroker
from tests.brokers.builders import FAULT, claim, claim_request, enqueue_op

STATES = ("ready", "delayed", "in_flight", "dead")


def fill(broker: Broker) -> None:
    """Put five messages in each state on the queue q, and one that is ready on the queue few."""
    broker.enqueue([enqueue_op(f"dead{n}") for n in range(5)])
    commits = [Commit(each.message_id, "q", each.token, Bury(FAULT)) for each in claim(broker, limit=5)]
    broker.turn(commits, claim_request(limit=0))
    broker.enqueue([enqueue_op(f"running{n}") for n in range(5)])
    claim(broker, limit=5)
    broker.enqueue([enqueue_op(f"ready{n}") for n in range(5)] + [enqueue_op(f"delayed{n}", delay=600_000) for n in range(5)])
    broker.enqueue([enqueue_op("one", "few")])


def counts(stats: QueueStats) -> list[int]:
    return [getattr(stats, state) for state in STATES]


def test_all_messages_are_counted_unless_the_caller_sets_a_bound(broker: Broker) -> None:
    fill(broker)
    few, q = broker.queues()

    assert (counts(few), counts(q), few.at_least, q.at_least) == ([1, 0, 0, 0], [5, 5, 5, 5], (), ())
    assert [(each.queue_name, counts(each), each.at_least) for each in broker.queues(10)] == [
        ("few", [1, 0, 0, 0], ()),
        ("q", [5, 5, 5, 5], ()),
    ]


def test_a_count_that_stops_at_the_bound_says_that_there_are_more(broker: Broker) -> None:
    fill(broker)
    few, q = broker.queues(3)

    assert few.ready == 1
    if isinstance(broker, MemoryBroker | RedisBroker | ShardedRedisBroker):  # these know the numbers
        assert (counts(q), q.at_least) == ([5, 5, 5, 5], ())
    else:
        assert (counts(q), q.at_least) == ([3, 3, 3, 3], STATES)


def test_a_bound_changes_nothing_else(harness) -> None:
    broker = harness.broker()
    fill(broker)
    broker.pause("few")
    harness.advance(1_000)

    for found in (broker.queues(), broker.queues(1)):
        assert [(each.queue_name, each.paused) for each in found] == [("few", True), ("q", False)]
        assert all(each.oldest >= 1_000 for each in found)


def test_a_bound_holds_for_messages_whose_delay_has_ended(harness) -> None:
    broker = harness.broker()
    broker.enqueue([enqueue_op(f"m{n}", delay=1_000) for n in range(5)])
    harness.advance(2_000)
    (all_counted,), (bounded,) = broker.queues(), broker.queues(2)

    assert (all_counted.ready, all_counted.delayed, all_counted.at_least) == (5, 0, ())
    assert bounded.ready == 5 or (bounded.ready == 2 and "ready" in bounded.at_least)
    assert bounded.oldest >= 1_000


def test_letters_are_counted_without_those_that_have_expired(harness) -> None:
    broker = harness.broker()

    def die(name: str, queue: str, count: int) -> None:
        broker.enqueue([enqueue_op(f"{name}{n}", queue) for n in range(count)])
        commits = [Commit(each.message_id, queue, each.token, Bury(FAULT)) for each in claim(broker, "w1", queue, limit=count)]
        broker.turn(commits, claim_request("w1", queue, limit=0))

    die("old", "q", 4)
    die("gone", "r", 1)
    harness.advance(6 * 86_400_000)
    die("new", "q", 3)
    die("many", "s", 20)
    harness.advance(2 * 86_400_000)

    for most in (2, 10, 1_000):  # more have expired than the bound, or fewer
        dead = {each.queue_name: (each.dead, "dead" in each.at_least) for each in broker.queues(most)}
        for queue, number in (("q", 3), ("r", 0), ("s", 20)):
            found, more = dead[queue]
            assert found == number or (more and found < number), (most, queue)
    assert {each.queue_name: each.dead for each in broker.queues()} == {"q": 3, "r": 0, "s": 20}
