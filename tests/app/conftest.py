"""Fixtures for every broker, and an app whose actors send with their outcomes."""

import pytest

from fq import App
from fq.brokers.memory import MemoryBroker
from fq.testing import ManualClock
from tests.app.following import Rig
from tests.app.kept import Kept
from tests.brokers.harness import Harness
from tests.every_broker import harness, kind

__all__ = ["harness", "kind"]


@pytest.fixture
def rig(harness: Harness) -> Rig:
    return Rig(App(broker=harness.broker()))


@pytest.fixture
def memory() -> Rig:
    return Rig(App(broker=MemoryBroker(clock=ManualClock())))


@pytest.fixture
def kept(harness: Harness) -> Kept:
    return Kept(harness)
