"""Fixtures that run a test once for every broker; a ``conftest.py`` imports them. ``tests/brokers/harness.py`` finds the brokers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers.harness import Harness, Kind, kinds

KINDS = kinds()


@pytest.fixture(params=KINDS.values(), ids=KINDS.keys())
def kind(request: pytest.FixtureRequest) -> Kind:
    """A factory of harnesses, for a test that needs several."""
    return request.param


@pytest.fixture
def harness(kind: Kind, tmp_path: Path) -> Iterator[Harness]:
    """An empty store."""
    harness = kind(tmp_path)
    yield harness
    harness.close()
