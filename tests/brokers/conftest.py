"""The fixtures of the suite: each test runs once for every broker that joined; see ``harness.py``."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fq.brokers.protocol import Broker
from tests.brokers.harness import Harness, Kind, kinds

KINDS = kinds()


@pytest.fixture(params=KINDS.values(), ids=KINDS.keys())
def kind(request: pytest.FixtureRequest) -> Kind:
    """What makes harnesses, for a test that needs many."""
    return request.param


@pytest.fixture
def harness(kind: Kind, tmp_path: Path) -> Iterator[Harness]:
    """An empty store."""
    harness = kind(tmp_path)
    yield harness
    harness.close()


@pytest.fixture
def broker(harness: Harness) -> Broker:
    """A handle on the store of `harness`."""
    return harness.broker()


@pytest.fixture
def other(harness: Harness, broker: Broker) -> Broker:
    """Another handle on the store of `harness`."""
    return harness.broker()
