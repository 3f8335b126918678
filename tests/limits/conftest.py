"""Each test runs once for every place where the state of limiters can be kept."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.limits.stores import PLACES, Place
from tests.redis.servers import Server


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A real server, for all tests of the session."""
    server = Server("valkey").start()
    yield server.url
    server.remove()


def _made(request: pytest.FixtureRequest, tmp_path: Path, running: bool) -> Iterator[Place]:
    url = request.getfixturevalue("redis_url") if request.param == "redis" else ""
    place = PLACES[request.param](tmp_path, url, running)
    yield place
    place.broker.close()


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A place whose clock stands still."""
    yield from _made(request, tmp_path, False)


@pytest.fixture(params=PLACES)
def live(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A place with the real clock."""
    yield from _made(request, tmp_path, True)


@pytest.fixture
def places(tmp_path: Path, redis_url: str) -> Iterator[list[Place]]:
    """All of them, with clocks that stand still."""
    places = [make(tmp_path, redis_url, False) for make in PLACES.values()]
    yield places
    for place in places:
        place.broker.close()
