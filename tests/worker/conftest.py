"""An app for each test, on a broker in memory, whose workers keep their log to themselves."""

import pytest

from fq import App
from fq.brokers.memory import MemoryBroker


@pytest.fixture
def app(silent: None) -> App:
    return App(broker=MemoryBroker())
