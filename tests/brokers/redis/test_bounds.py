"""What one script looks at, changes and returns is bounded, whatever a namespace holds. Scripts and what they return are counted, not timed."""

from collections import Counter
from collections.abc import Callable

import pytest
import redis
from attrs import define, field

from fq.brokers.browsing import BrowsedState
from fq.brokers.counters import Count
from fq.brokers.records import Bury, ClaimRequest
from fq.brokers.redis import RedisBroker, inspection
from fq.brokers.redis.browsing import LOOKS_PER_SCRIPT
from fq.brokers.redis.inspection import MAX_MESSAGES
from fq.brokers.redis.namespace import Namespace
from fq.brokers.redis.requeue import MAX_LETTERS
from fq.brokers.redis.scripts import Script
from fq.core.fault import Fault
from fq.execution.requeue_plan import plan_requeue
from tests.brokers.builders import enqueue_op, ids
from tests.brokers.redis.builders import done, fill, tune

WORKER = "w"


@define
class Scripts:
    """Notes the reply of each script of *broker*. Mutable."""

    broker: RedisBroker
    replies: dict[str, list[list]] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        client = self.broker._namespace.client
        original = client.call

        def call(script: Script, *arguments: object) -> object:
            reply = original(script, *arguments)
            self.replies.setdefault(script.name, []).append(reply)
            return reply

        client.call = call

    @property
    def counts(self) -> dict[str, int]:
        """Return how often each script was called."""
        return {name: len(replies) for name, replies in self.replies.items()}


@pytest.fixture
def scripts(broker: RedisBroker) -> Scripts:
    return Scripts(broker)


def bury(broker: RedisBroker, count: int) -> list[str]:
    fill(broker, count)
    deliveries = broker.turn((), ClaimRequest(WORKER, ("q",), count)).deliveries
    broker.turn(done(deliveries, Bury(Fault("E", "m", "traceback"))), ClaimRequest(WORKER, ("q",), 0))
    return [each.message_id for each in deliveries]


@pytest.mark.parametrize("state", ["ready", "delayed", "running", "dead"])
def test_a_script_looks_at_a_bounded_number_of_messages(broker: RedisBroker, scripts: Scripts, state: BrowsedState) -> None:
    if state == "dead":
        bury(broker, 1_200)
    else:
        fill(broker, 1_200, delay=60_000 if state == "delayed" else 0)
    if state == "running":
        broker.turn((), ClaimRequest(WORKER, ("q",), 1_200))
    page = broker.browse(state, actor="nobody")
    replies = scripts.replies["browse_claims" if state == "running" else "browse"]

    assert page.looked_at == 1_000
    assert [len(looked_at) for *_, looked_at in replies] == [LOOKS_PER_SCRIPT] * 4


@pytest.mark.parametrize("state", ["ready", "dead"])
def test_a_script_reads_a_bounded_number_of_bytes(broker: RedisBroker, scripts: Scripts, state: BrowsedState) -> None:
    body = b"x" * 200_000
    broker.enqueue([enqueue_op(f"m{number}", body=body) for number in range(10)])
    if state == "dead":
        deliveries = broker.turn((), ClaimRequest(WORKER, ("q",), 10)).deliveries
        broker.turn(done(deliveries, Bury(Fault("E", "m"))), ClaimRequest(WORKER, ("q",), 0))
    broker.browse(state, actor="nobody")
    shown = broker.browse(state)

    assert [len(looked_at) for *_, looked_at in scripts.replies["browse"]] == [3, 3, 3, 1] * 2
    assert [len(entry.body) for entry in shown.entries] == [200_000] * 10


def test_of_many_priorities_a_script_looks_at_some(broker: RedisBroker, scripts: Scripts) -> None:
    queues = [f"q{number}" for number in range(6)]
    broker.enqueue([enqueue_op(f"{queue}-{priority}", queue, priority=priority) for queue in queues for priority in range(600)])
    stats = broker.queues()

    assert [(each.queue_name, each.ready) for each in stats] == [(queue, 600) for queue in queues]
    assert [len(rows) for rows in scripts.replies["queue_stats"]] == [2, 2, 2]


def test_looking_at_the_queues_moves_nothing(broker: RedisBroker, client: redis.Redis, scripts: Scripts) -> None:
    fill(broker, 300, delay=60_000)
    broker.offset = 70_000
    (stats,) = broker.queues()

    assert (stats.ready, stats.delayed) == (300, 0)
    assert 9_000 <= stats.oldest <= 15_000
    assert client.zcard("{fq}:delayed:q") == 300


def test_many_counters_come_in_parts(broker: RedisBroker, scripts: Scripts) -> None:
    buckets = [f"b{number}" for number in range(10)]
    broker.count([Count(bucket, f"c{number}", 1, 60_000) for bucket in buckets for number in range(1_500)])
    found = broker.counts([*buckets, "none"])

    assert {bucket: len(names) for bucket, names in found.items()} == dict.fromkeys(buckets, 1_500)
    assert [len(reply) for reply in scripts.replies["counts"]] == [3, 3, 3, 2]


CHANGES: dict[str, tuple[Callable[[RedisBroker, list[str]], int], int]] = {
    "requeue": (lambda broker, ids: broker.requeue(ids, plan_requeue), MAX_LETTERS),
    "discard": (lambda broker, ids: broker.discard(ids), MAX_MESSAGES),
}


@pytest.mark.parametrize("name", CHANGES)
def test_many_dead_letters_are_changed_some_at_a_time(broker: RedisBroker, scripts: Scripts, name: str) -> None:
    change, most = CHANGES[name]
    ids = bury(broker, 600)

    assert change(broker, ids) == 600
    assert scripts.counts[name] == 600 // most


def test_many_waiting_messages_are_cancelled_and_purged_some_at_a_time(broker: RedisBroker, scripts: Scripts) -> None:
    fill(broker, 600)
    cancelled = broker.cancel_all([f"m{number:07}" for number in range(600)])

    assert (cancelled, broker.purge("q")) == (600, 600)
    assert Counter(scripts.counts) >= Counter(cancel=600 // MAX_MESSAGES, purge=600 // MAX_MESSAGES)
    assert max(scripts.replies["purge"]) <= MAX_MESSAGES


def test_dead_letters_of_long_ago_are_found_without_passing_over_the_later_ones_again(broker: RedisBroker, scripts: Scripts) -> None:
    ids = bury(broker, 1_000)
    found = broker.dead_letters(limit=1_000)

    assert [letter.message_id for letter in found] == ids[::-1]
    assert sum(len(looked_at) for *_, looked_at in scripts.replies["browse"]) == 1_000


def test_each_message_of_many_queues_is_counted_once(broker: RedisBroker) -> None:
    broker.enqueue([enqueue_op(f"{queue}{number}", queue, delay=60_000) for queue in "abcd" for number in range(400)])
    looked_at, page = 0, broker.browse("delayed", actor="nobody")
    while page.after:
        looked_at, page = looked_at + page.looked_at, broker.browse("delayed", actor="nobody", after=page.after)

    assert looked_at + page.looked_at == 1_600


def test_queues_count_the_claims_of_a_worker_that_comes_while_they_are_counted(
    broker: RedisBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(broker, 3)
    worker_names = inspection.worker_names

    def then_a_worker_claims(namespace: Namespace) -> list[str]:
        found = worker_names(namespace)
        broker.turn((), ClaimRequest(WORKER, ("q",), 3))
        return found

    monkeypatch.setattr(inspection, "worker_names", then_a_worker_claims)

    (stats,) = broker.queues()
    assert (stats.ready, stats.in_flight) == (0, 3)


def test_messages_without_bodies_fit_into_a_claim_that_is_full(connect: Callable[..., RedisBroker]) -> None:
    """Also where a script claims fewer than are wanted, so that several do."""
    broker = tune(connect(), max_per_script=1)
    broker.enqueue([enqueue_op(f"m{number}", body=size * b"x") for number, size in enumerate((100, 0, 0, 1))])

    assert ids(broker.turn((), ClaimRequest(WORKER, ("q",), 9, max_bytes=100)).deliveries) == ["m0", "m1", "m2"]
