"""`Recipe`: which brokers can be made again, and that they are then the same."""

import json
from pathlib import Path

import redis

from fq.brokers.clock import SystemClock
from fq.brokers.memory import MemoryBroker
from fq.brokers.postgres import PostgresBroker
from fq.brokers.protocol import Broker
from fq.brokers.recipe import Recipe, recipe_of
from fq.brokers.redis import RedisBroker
from fq.brokers.sqlite import SqliteBroker


def made_again(broker: Broker) -> Broker:
    """Return what another process makes of the recipe of *broker*."""
    recipe = recipe_of(broker)
    assert recipe is not None
    fields = json.loads(json.dumps({"broker": recipe.broker, "arguments": recipe.arguments}))
    return Recipe(**fields).make()


def test_a_broker_is_made_again_with_all_its_settings(tmp_path: Path) -> None:
    file = SqliteBroker(tmp_path / "jobs.db", synchronous="FULL", busy_timeout=3, dead_ttl=4)
    server = RedisBroker("redis://user:secret@localhost:6390/3", namespace="shop", dead_ttl=4, patience=5, timeout=6)
    for broker in (file, server, MemoryBroker(dead_ttl=4), PostgresBroker("postgresql://localhost/shop?dead_ttl=4")):
        again = made_again(broker)

        assert (type(again), str(again), recipe_of(again)) == (type(broker), str(broker), recipe_of(broker))


def test_what_is_more_than_a_recipe_can_say_has_none(tmp_path: Path) -> None:
    class Mine(SqliteBroker):
        """A broker of the app."""

    ahead = RedisBroker("redis://localhost")
    ahead.offset = 1_000

    assert recipe_of(RedisBroker(client=redis.Redis())) is None
    assert recipe_of(ahead) is None
    assert recipe_of(Mine(tmp_path / "jobs.db")) is None
    assert recipe_of(MemoryBroker(clock=SystemClock())) is None
