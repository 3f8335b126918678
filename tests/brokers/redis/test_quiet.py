"""A worker that claims nothing any more is not woken: what comes is for the workers that wait."""

import logging
from collections.abc import Callable, Iterator

import pytest
import redis
from returns.result import Success

from fq import App
from fq.brokers.redis import RedisBroker
from tests.wait_until import wait_until


@pytest.fixture
def quiet_log() -> Iterator[None]:
    logging.getLogger("fq").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("fq").setLevel(logging.NOTSET)


def waiting(client: redis.Redis) -> int:
    return client.zcard("{fq}:waiting")


def test_a_worker_that_was_quieted_leaves_the_list_of_those_that_wait(
    connect: Callable[..., RedisBroker], client: redis.Redis, quiet_log: None
) -> None:
    app = App(broker=connect())

    @app.actor
    def one() -> int:
        return 1

    with app.worker(threads=1) as first:
        wait_until(lambda: waiting(client) == 1)
        first.dispatcher.pause(True)
        wait_until(lambda: waiting(client) == 0)
        with app.worker(threads=1):
            wait_until(lambda: waiting(client) == 1)
            assert one.send().get() == Success(1)
        first.dispatcher.pause(False)
        wait_until(lambda: waiting(client) == 1)
        assert one.send().get() == Success(1)


def test_a_worker_that_was_stopped_leaves_nothing_behind(connect: Callable[..., RedisBroker], client: redis.Redis, quiet_log: None) -> None:
    app = App(broker=connect())

    @app.actor
    def one() -> None: ...

    with app.worker(threads=2):
        app.send_many(one.call() for _ in range(20))
        wait_until(lambda: not any(queue.ready + queue.in_flight for queue in app.broker.queues()))

    assert app.broker.workers() == ()
    assert [key for key in client.scan_iter() if b":sent:" not in key and b":count:" not in key] == [b"{fq}:queues"]
    assert all(client.pttl(key) > 0 for key in client.scan_iter() if b":count:" in key)


def test_a_worker_whose_threads_are_full_is_not_woken_for_what_it_cannot_run(
    connect: Callable[..., RedisBroker], client: redis.Redis, quiet_log: None
) -> None:
    app = App(broker=connect())
    opened, running = [False], []

    @app.actor(queue="slow")
    def slow() -> None:
        running.append(1)
        wait_until(lambda: opened[0])

    @app.actor(queue="quick")
    async def quick() -> int:
        return 1

    with app.worker(threads=1):
        slow.send()
        wait_until(lambda: running)
        assert quick.send().get() == Success(1)
        wait_until(lambda: [member.partition(b"\0")[0] for member in client.zrange("{fq}:waiting", 0, -1)] == [b"quick"])
        opened[0] = True
