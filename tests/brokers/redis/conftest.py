"""The fixtures of these tests: a real server of each flavour, empty at first, and a look for leaks at the end."""

from collections.abc import Callable, Iterator

import pytest
import redis

from fq.brokers.redis import RedisBroker
from tests.brokers.redis.leaks import leaks
from tests.brokers.redis.servers import FLAVOURS, Server, binaries, server


@pytest.fixture(params=FLAVOURS)
def shared(request: pytest.FixtureRequest) -> Server:
    """The server of one flavour that tests share, emptied. A test that needs only one flavour asks for `valkey`."""
    return _emptied(request.param)


@pytest.fixture
def valkey() -> Server:
    """The Valkey that tests share, emptied."""
    return _emptied("valkey")


def _emptied(flavour: str) -> Server:
    if flavour not in binaries():
        pytest.skip(f"no {flavour} here: {FLAVOURS[flavour]}")
    found = server(flavour)
    with found.client() as client:
        client.flushall()
        client.config_resetstat()
    return found


@pytest.fixture
def connect(request: pytest.FixtureRequest) -> Iterator[Callable[..., RedisBroker]]:
    """Make brokers on the test's server; afterwards nothing may have leaked."""
    found: Server = request.getfixturevalue("shared" if "shared" in request.fixturenames else "valkey")
    brokers: list[RedisBroker] = []

    def make(**settings: object) -> RedisBroker:
        brokers.append(RedisBroker(found.url, **settings))
        return brokers[-1]

    yield make
    for broker in brokers:
        broker.close()
    with found.client() as client:
        wrong = leaks(client)
        client.flushall()
    assert wrong == []


@pytest.fixture
def broker(connect: Callable[..., RedisBroker]) -> RedisBroker:
    return connect()


@pytest.fixture
def client(request: pytest.FixtureRequest) -> Iterator[redis.Redis]:
    """A bare client on the test's server."""
    found: Server = request.getfixturevalue("shared" if "shared" in request.fixturenames else "valkey")
    with found.client() as client:
        yield client
