"""After each test, no view of a delivery may be left."""

from collections.abc import Iterator

import pytest

from fq.class_style.adapter import DETACHED_BROKER


@pytest.fixture(autouse=True)
def no_view_is_left() -> Iterator[None]:
    yield
    assert len(DETACHED_BROKER.deliveries) == 0
