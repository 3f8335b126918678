"""Each test runs once for every store of limiters."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers.redis.servers import Server
from tests.limits.stores import BACKENDS, Backend


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A real server, for all tests of the session."""
    server = Server("valkey").start()
    yield server.url
    server.remove()


def _made(request: pytest.FixtureRequest, tmp_path: Path, running: bool) -> Iterator[Backend]:
    url = request.getfixturevalue("redis_url") if request.param == "redis" else ""
    backend = BACKENDS[request.param](tmp_path, url, running)
    yield backend
    backend.broker.close()


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """A backend whose clock stands still."""
    yield from _made(request, tmp_path, False)


@pytest.fixture(params=BACKENDS)
def live(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """A backend with the real clock."""
    yield from _made(request, tmp_path, True)


@pytest.fixture
def backends(tmp_path: Path, redis_url: str) -> Iterator[list[Backend]]:
    """All backends, with clocks that stand still."""
    backends = [make(tmp_path, redis_url, False) for make in BACKENDS.values()]
    yield backends
    for backend in backends:
        backend.broker.close()
