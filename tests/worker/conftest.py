"""An app for each test, on a broker in memory, whose workers keep their log to themselves."""

import logging
from collections.abc import Iterator

import pytest

from fq import App
from fq.brokers.memory import MemoryBroker


@pytest.fixture
def app(silent: None) -> App:
    return App(broker=MemoryBroker())


@pytest.fixture
def silent() -> Iterator[None]:
    """The log of the failures that are meant is not shown."""
    logging.getLogger("fq").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("fq").setLevel(logging.NOTSET)
