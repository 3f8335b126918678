"""Whole apps over shards: workers run messages, workflows, schedules and unique sends of an app as on any broker."""

from collections.abc import Iterator

import pytest

from fq import App, group
from fq.brokers.redis.shards import ShardedRedisBroker, rewriting
from fq.brokers.redis.shards.carriers import carrier_op
from fq.core.derived_ids import tag_of
from tests.brokers.redis.servers import Server
from tests.brokers.redis.shards.builders import leaks_of
from tests.wait_until import wait_until


@pytest.fixture
def app(valkey: Server) -> Iterator[App]:
    app = App(f"{valkey.url}?shards=3")
    yield app
    app.broker.close()
    with valkey.client() as client:
        wrong = leaks_of(client)
        client.flushall()
    assert wrong == []


@pytest.fixture
def carried(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What has been written for other shards."""
    found: list[object] = []
    monkeypatch.setattr(rewriting, "carrier_op", lambda carrier: found.append(carrier) or carrier_op(carrier))
    monkeypatch.setattr(rewriting, "carried_followup", lambda to, followup: found.append(followup))
    return found


def test_the_url_makes_a_broker_with_shards(app: App) -> None:
    assert isinstance(app.broker, ShardedRedisBroker)


def test_a_workflow_stays_in_the_shard_of_its_first_message(app: App, carried: list[object]) -> None:
    @app.actor(store_results=True)
    def double(number: int) -> int:
        return 2 * number

    @app.actor(store_results=True)
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    with app.worker(threads=2):
        handles = [(app.group([double.call(number) for number in range(5)]) | total.call()).send() for _ in range(6)]
        steps = [(double.call(number) | double.call() | double.call()).send() for number in range(6)]

        assert [handle.get_result(block=True, timeout=30_000) for handle in handles] == [20] * 6
        assert [handle.get_result(block=True, timeout=30_000) for handle in steps] == [8 * number for number in range(6)]
    assert all(tag_of(handle.root_id) for handle in steps)
    assert carried == []


def test_workflows_under_chosen_ids_go_from_shard_to_shard(app: App) -> None:
    """An id without a tag says nothing about the shards of what follows it."""

    @app.actor(store_results=True)
    def double(number: int) -> int:
        return 2 * number

    with app.worker(threads=2):
        handles = [(double.call(number) | double.call() | double.call()).with_id(f"order-{number}").send() for number in range(8)]
        again = [(double.call(number) | double.call() | double.call()).with_id(f"order-{number}").send() for number in range(8)]

        assert [handle.get_result(block=True, timeout=30_000) for handle in handles] == [8 * number for number in range(8)]
    assert [handle.root_id for handle in again] == [handle.root_id for handle in handles] == [f"order-{number}" for number in range(8)]


def test_a_group_under_a_chosen_id_gathers_results_from_all_shards(app: App) -> None:
    @app.actor(store_results=True)
    def double(number: int) -> int:
        return 2 * number

    @app.actor(store_results=True)
    def total(found: list[int]) -> int:
        return sum(found)

    with app.worker(threads=2):
        handle = (double.call(1) | group(double, double, double, double) | total).with_id("report").send()
        others = [double.call(number).unique(f"key-{number}").send() for number in range(8)]

        assert handle.get_result(block=True, timeout=30_000) == 16
        assert [other.get_result(block=True, timeout=30_000) for other in others] == [2 * number for number in range(8)]
    wait_until(lambda: sum(queue.ready + queue.in_flight for queue in app.broker.queues()) == 0)
