"""Outcomes of a real worker on a real server: none is lost in an outage, none is applied twice, and one that cannot be sent keeps no other waiting."""

import asyncio
import logging
from collections.abc import Iterator
from threading import Event, Lock

import pytest
from returns.result import Success

from fq import App, Fault
from fq.brokers.redis import RedisBroker
from tests.brokers.redis.proxy import Proxy
from tests.brokers.redis.servers import Server
from tests.wait_until import wait_until


@pytest.fixture
def lasting() -> Iterator[Server]:
    """A server that loses nothing when it is killed."""
    server = Server("valkey", "--appendonly", "yes", "--appendfsync", "always").start()
    yield server
    server.remove()


def complaints(caplog: pytest.LogCaptureFixture) -> int:
    return sum("cannot use the broker" in record.getMessage() for record in caplog.records)


def test_outcomes_that_come_while_the_server_is_away_for_longer_than_every_patience_are_all_committed_once(
    lasting: Server, caplog: pytest.LogCaptureFixture
) -> None:
    app = App(broker=RedisBroker(lasting.url, patience=50, timeout=500))
    runs: list[int] = []
    begun, ends, lock = [Event() for _ in range(12)], [Event() for _ in range(12)], Lock()

    @app.actor(max_retries=0)
    def sync(number: int) -> int:
        with lock:
            runs.append(number)
        begun[number].set()
        ends[number].wait(60)
        return number

    @app.actor(max_retries=0)
    async def coroutine(number: int) -> int:
        with lock:
            runs.append(number)
        begun[number].set()
        await asyncio.to_thread(ends[number].wait, 60)
        return number

    handles = [(coroutine if number % 2 else sync).send(number) for number in range(12)]
    other = RedisBroker(lasting.url)
    with app.worker(threads=6):
        for each in begun:
            assert each.wait(30)
        lasting.kill()
        for first in range(0, 12, 3):  # some finish, then a call fails, then more finish
            for end in ends[first : first + 3]:
                end.set()
            seen = complaints(caplog)
            wait_until(lambda: complaints(caplog) > seen + 1)  # noqa: B023  # it is called at once
        lasting.start()
        wait_until(lambda: all(other.status(handle.message_id).state == "done" for handle in handles))

    app.broker._namespace.client.patience = 10.0
    results = [handle.get(30_000) for handle in handles]
    assert results == [Success(number) for number in range(12)]
    assert sorted(runs) == list(range(12))
    assert not [record for record in caplog.records if "too late" in record.getMessage()]
    assert not any(queue.ready or queue.in_flight or queue.dead for queue in other.queues())
    app.broker.close()
    other.close()


def test_an_outcome_that_the_server_cuts_off_fails_and_those_beside_it_are_committed(caplog: pytest.LogCaptureFixture) -> None:
    server = Server("valkey", "--client-query-buffer-limit", "1mb").start()
    app = App(broker=RedisBroker(server.url, patience=500))

    @app.actor
    def say(text: str, times: int) -> str:
        return text * times

    large = say.send("x", 3_000_000)
    small = [say.send(str(number), 1) for number in range(5)]
    with app.worker(threads=1):
        assert [handle.get() for handle in small] == [Success(str(number)) for number in range(5)]
        fault = large.get(30_000).failure()

    assert isinstance(fault, Fault)
    assert "could not be sent" in fault.message
    assert [record.levelno for record in caplog.records if "it is a dead letter" in record.getMessage()] == [logging.ERROR]
    app.broker.close()
    server.remove()


def test_a_large_outcome_has_as_long_as_a_slow_network_needs(valkey: Server) -> None:
    with Proxy(valkey.port) as proxy:
        app = App(broker=RedisBroker(proxy.url, timeout=1_000, patience=1_000))

        @app.actor
        def say(text: str, times: int) -> str:
            return text * times

        handles = [say.send("x", times) for times in (3_000_000, 1)]
        proxy.rate = 2_000_000
        with app.worker(threads=1):
            assert [len(handle.get(30_000).unwrap()) for handle in handles] == [3_000_000, 1]
        proxy.rate = 0
        app.broker.close()
