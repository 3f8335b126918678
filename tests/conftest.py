"""What all tests share."""

import logging
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.every_broker import is_left_out

# A busy machine makes any example slow now and then: time belongs in benchmarks.
settings.register_profile("fq", deadline=None)
settings.load_profile("fq")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs ``FQ_ALL_SERVERS=1``."""
    left_out = [item for item in items if is_left_out(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not is_left_out(item)]


@pytest.fixture
def silent() -> Iterator[None]:
    """The log of the failures that are meant is not shown."""
    logging.getLogger("fq").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("fq").setLevel(logging.NOTSET)
