"""Fixtures that run a test once for every broker; a ``conftest.py`` imports them. Which brokers there are says ``tests/brokers/harness.py``."""

from collections.abc import Iterator
from pathlib import Path

import pytest

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
