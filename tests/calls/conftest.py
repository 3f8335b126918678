"""The fixtures of the tests of calls: apps, and actors for workflows."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fq import App
from fq.brokers.clock import ManualClock
from fq.brokers.memory import MemoryBroker
from tests.brokers.harness import Harness
from tests.calls.workflow_actors import WorkflowActors
from tests.every_broker import harness, kind

__all__ = ["harness", "kind"]


@pytest.fixture(params=["memory", "sqlite"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[App]:
    """An app on each broker that needs no server."""
    made = App("memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/jobs.db")
    yield made
    made.broker.close()


@pytest.fixture
def memory() -> App:
    """An app whose clock stands still but for delays, which it jumps over."""
    return App(broker=MemoryBroker(clock=ManualClock()))


@pytest.fixture
def actors() -> WorkflowActors:
    """Actors in memory."""
    return WorkflowActors(App("memory://"))


@pytest.fixture
def actors_everywhere(harness: Harness) -> WorkflowActors:
    """Actors on every broker in turn."""
    return WorkflowActors(App(broker=harness.broker()))
