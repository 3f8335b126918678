"""
Fixtures that run a test once for every kind of broker; a ``conftest.py`` imports them. ``tests/brokers/harness.py`` finds the brokers.

They use one Redis or Valkey server of those that are installed, and each of them with ``FQ_ALL_SERVERS=1`` in the environment, as in CI. What is about
Redis alone, in ``tests/brokers/redis``, always runs on the newest. Of the tests on PostgreSQL and on shards, only some run without that
variable: see `ALWAYS`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers.harness import Harness, Kind, kinds
from tests.brokers.in_one_shard import IN_ONE_SHARD
from tests.brokers.redis_harness import ShardedHarness
from tests.sampling import RUNS_ALL

SUITE = Path(__file__).parent / "brokers"

ALL_KINDS = kinds()
ONE_OF_EACH = {name if name.endswith("-sharded") else name.partition("-")[0]: name for name in reversed(ALL_KINDS)}.values()
"""The names of one broker of each kind; Redis with shards is a kind of its own."""

KINDS = ALL_KINDS if RUNS_ALL else {name: ALL_KINDS[name] for name in ALL_KINDS if name in ONE_OF_EACH}


ALWAYS = {f"tests/brokers/test_{name}.py" for name in ("enqueue", "fencing", "wait")}
"""The files of the suite that run on PostgreSQL and on shards always."""

LESS_OFTEN = ["redis", "redis62"]
"""Servers, of the fixture ``shared``, that are not the newest one tested."""

PARTLY = [ALL_KINDS[name] for name in ("postgres", "redis-sharded") if name in ALL_KINDS]


def is_left_out(item: pytest.Item) -> bool:
    """Does *item* run with ``FQ_ALL_SERVERS=1`` only?"""
    if RUNS_ALL or item.location[0] in ALWAYS:
        return False
    params = getattr(getattr(item, "callspec", None), "params", {})
    return params.get("kind") in PARTLY or params.get("shared") in LESS_OFTEN


@pytest.fixture(params=KINDS.values(), ids=KINDS.keys())
def kind(request: pytest.FixtureRequest) -> Kind:
    """A factory of harnesses, for a test that needs several."""
    return request.param


@pytest.fixture
def harness(request: pytest.FixtureRequest, kind: Kind, tmp_path: Path) -> Iterator[Harness]:
    """An empty store."""
    harness = kind(tmp_path)
    has_ids_of_its_own = request.path.is_relative_to(SUITE)  # else they are new each time, and so is the order of several shards
    if isinstance(harness, ShardedHarness) and (request.node.originalname in IN_ONE_SHARD or not has_ids_of_its_own):
        harness.keep_together()
    yield harness
    harness.close()
