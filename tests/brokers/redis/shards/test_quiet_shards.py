"""A turn leaves out the shards in which its worker is registered as waiting and has not been woken: so an idle worker costs as much as in one namespace."""

from collections.abc import Callable, Iterator
from unittest.mock import patch

import pytest
import redis

from fq.brokers.records import Turn
from fq.brokers.redis.shards import ShardedRedisBroker
from fq.brokers.redis.worker_turns import WorkerTurns
from tests.brokers.builders import enqueue_op, ids
from tests.brokers.redis.shards.builders import SHARDS, commit, name_in, request
from tests.brokers.redis.test_waiting import calls
from tests.wait_until import wait_until

Connect = Callable[..., ShardedRedisBroker]
WANT = request()


@pytest.fixture
def waiting(sharded: Connect) -> ShardedRedisBroker:
    """The broker of a worker that waits in all shards, and looks at none of them only because it has not done so for long."""
    broker = sharded()
    broker._visit_seconds = 60
    broker.wait(WANT, 0)
    assert broker.turn((), WANT).deliveries == ()
    return broker


@pytest.fixture
def visited(waiting: ShardedRedisBroker) -> Iterator[list[int]]:
    """The shards that are visited from now on."""
    numbers = {shard.turns: shard.number for shard in waiting.shards}
    found: list[int] = []
    turn = WorkerTurns.turn

    def noted(turns: WorkerTurns, *arguments: object) -> Turn:
        found.append(numbers[turns])
        return turn(turns, *arguments)  # type: ignore[arg-type]  # as it was called

    with patch.object(WorkerTurns, "turn", noted):
        yield found


def woken(broker: ShardedRedisBroker, shard: int) -> None:
    """Wait until the worker knows that there is something new in *shard*."""
    wait_until(lambda: not broker.shards[shard].turns.ms_of_quiet(WANT), what="the publication")


def test_a_worker_that_is_not_woken_visits_no_shard(waiting: ShardedRedisBroker, visited: list[int], client: redis.Redis) -> None:
    before = calls(client)
    turn = waiting.turn((), WANT)

    assert (visited, calls(client) - before) == ([], 0)
    assert turn.deliveries == ()
    assert 0 < turn.idle_for <= 60_000


def test_a_worker_that_is_woken_visits_the_shard_of_the_message(waiting: ShardedRedisBroker, visited: list[int], sharded: Connect) -> None:
    names = [name_in(1, "m"), name_in(1, "n")]
    sharded().enqueue([enqueue_op(name) for name in names])
    woken(waiting, 1)
    turn = waiting.turn((), WANT)

    assert (ids(turn.deliveries), visited) == (names, [1])
    assert waiting.turn([commit(each) for each in turn.deliveries], WANT).stale == ()
    assert visited == [1, 1]
    waiting.wait(WANT, 0)
    waiting.turn((), WANT)
    assert visited == [1, 1], "it is registered again"


def test_a_single_message_is_handed_over_by_its_shard(
    waiting: ShardedRedisBroker, visited: list[int], sharded: Connect, client: redis.Redis
) -> None:
    name = name_in(2, "m")
    sharded().enqueue([enqueue_op(name)])
    woken(waiting, 2)
    before = calls(client)
    (delivery,) = waiting.turn((), WANT).deliveries

    assert (delivery.message_id, calls(client) - before, visited) == (name, 0, [2])
    assert waiting.status(name).state == "running"
    assert waiting.turn([commit(delivery)], WANT).stale == ()
    assert waiting.status(name).state == "unknown"


def test_a_message_that_falls_due_is_found(waiting: ShardedRedisBroker, visited: list[int], sharded: Connect) -> None:
    name = name_in(0, "m")
    sharded().enqueue([enqueue_op(name, delay=50)])
    woken(waiting, 0)
    assert waiting.turn((), WANT).idle_for <= 50
    found: list[str] = []
    wait_until(lambda: found.extend(ids(waiting.turn((), WANT).deliveries)) or found, what="the message")

    assert found == [name]
    assert set(visited) == {0}


def test_a_cancelled_message_is_heard_of(waiting: ShardedRedisBroker, visited: list[int]) -> None:
    name = name_in(1, "m")
    waiting.enqueue([enqueue_op(name), enqueue_op(name_in(2, "n"))])
    woken(waiting, 1)
    woken(waiting, 2)
    waiting.turn((), WANT)
    waiting.wait(WANT, 0)
    waiting.turn((), WANT)
    visited.clear()
    assert waiting.cancel(name)
    woken(waiting, 1)

    assert waiting.turn((), WANT).cancelled == (name,)
    assert visited == [1]


def test_after_a_lost_connection_all_are_visited(waiting: ShardedRedisBroker, visited: list[int]) -> None:
    waiting._root.hub._on_reconnect()
    waiting.turn((), WANT)

    assert sorted(visited) == list(range(SHARDS))


def test_a_worker_with_other_queues_visits_all(waiting: ShardedRedisBroker, visited: list[int]) -> None:
    waiting.turn((), request("w", "q", "r"))

    assert sorted(visited) == list(range(SHARDS))


def test_shards_that_have_not_been_visited_for_long_are(waiting: ShardedRedisBroker, visited: list[int]) -> None:
    waiting._turns.visit_seconds = 0
    waiting.turn((), WANT)

    assert sorted(visited) == list(range(SHARDS))
