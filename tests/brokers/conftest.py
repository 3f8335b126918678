"""The fixtures of the suite: each test runs once for every broker that joined; see ``harness.py``."""

import pytest

from fq.brokers.protocol import Broker
from tests.brokers.harness import Harness
from tests.every_broker import harness, kind

__all__ = ["harness", "kind"]


@pytest.fixture
def broker(harness: Harness) -> Broker:
    """A handle on the store of `harness`."""
    return harness.broker()


@pytest.fixture
def other(harness: Harness, broker: Broker) -> Broker:
    """Another handle on the store of `harness`."""
    return harness.broker()
