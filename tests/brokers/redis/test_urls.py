"""URLs and clients: what is wrong with one is said when the broker is made, and no password is shown, whatever characters it has."""

import asyncio
import time
from collections.abc import Callable

import pytest
import redis

from fq.brokers import broker_from_url
from fq.brokers.redis import RedisBroker
from fq.errors import BrokerError, BrokerUnavailable, ConfigError
from tests.brokers.builders import enqueue_op
from tests.brokers.redis.builders import drain
from tests.brokers.redis.servers import Server
from tests.free_port import free_port


@pytest.mark.parametrize(
    "url",
    [
        "valkey://:secret@host/0",
        "postgres://user:secret@host",
        "Redis://:secret@host",
        "redis://:secret/more@host:1/0",
        "redis+sentinel://:secret/more@host/mymaster",
        "redis://:p@secret@host",
        "redis://:a?secret@host",
        "redis://:a#secret@host",
        "redis://:secret@host:port",
        "redis://host/0?password=secret&socket_timout=3",
        "redis+sentinel://host/mymaster?sentinel_password=secret",
        "redis//fq:secret@host/0",
        "redis:/fq:secret@host/0",
        "redis:fq:secret@host",
        "fq:secret@host",
        "redis://secret@host:port",
        "redis://host/0?pasword=secret",
        "redis://host/0?token=secret&ssl_pass=secret",
        "redis://host/0?password=se&secret",
        "redis://:other@host/0#secret",
        "sqlite://fq:secret@host/x.db",
    ],
)
def test_no_password_is_shown(url: str) -> None:
    try:
        shown = repr(broker_from_url(url))
    except ConfigError as error:
        shown = str(error)

    assert "secret" not in shown
    assert "host" in shown


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("redis://h/0?socket_timout=3", "among its options (socket_timout)"),
        ("redis://:secret@h/0?namespace=shop", "among its options (namespace)"),
        ("redis+cluster://h:1,h2:2?ssl=true", "among its options (ssl)"),
        ("redis+sentinel://h/mymaster/0?foo=1", "among its options (foo)"),
        ("unix:///tmp/socket?host=h", "among its options (host)"),
        ("rediss://h?ssl_cert_reqs=bogus", "Invalid SSL Certificate Requirements Flag: bogus"),
    ],
)
def test_an_option_that_redis_py_does_not_know_is_refused_before_the_first_call(url: str, found: str) -> None:
    with pytest.raises(ConfigError, match="expected one such as redis://host:6379/0") as error:
        RedisBroker(url)

    assert found in str(error.value)


def test_a_client_without_a_timeout_gets_one() -> None:
    server = Server("valkey").start()
    own = redis.Redis(port=server.port, socket_timeout=None, socket_connect_timeout=None)
    broker = RedisBroker(client=own, timeout=300, patience=300)
    broker.now()
    server.freeze()
    with pytest.raises(BrokerUnavailable):
        broker.enqueue([enqueue_op("m")])
    server.thaw()
    broker.close()
    server.remove()


def test_of_those_who_send_together_only_the_one_whose_message_is_refused_hears_of_it(
    connect: Callable[..., RedisBroker], client: redis.Redis
) -> None:
    broker = connect()
    client.set("{fq}:ready:bad", "something else")

    async def send() -> list[object]:
        sends = [broker.aenqueue([enqueue_op(f"m{n}", "bad" if n == 2 else "q")]) for n in range(5)]
        return await asyncio.gather(*sends, return_exceptions=True)

    said = asyncio.run(send())
    client.delete("{fq}:ready:bad")

    assert [type(each) for each in said] == [type(None), type(None), BrokerError, type(None), type(None)]
    assert drain(broker) == ["m0", "m1", "m3", "m4"]


def test_coroutines_that_send_to_a_server_that_is_away_wait_for_one_failure_not_for_one_after_the_other() -> None:
    broker = RedisBroker(f"redis://127.0.0.1:{free_port()}/0", patience=400)

    async def send() -> list[float]:
        async def one(number: int) -> float:
            await asyncio.sleep(number * 0.0002)
            before = time.monotonic()
            with pytest.raises(BrokerUnavailable):
                await broker.aenqueue([enqueue_op(f"m{number}")])
            return time.monotonic() - before

        return await asyncio.gather(*(one(number) for number in range(3_000)))

    assert max(asyncio.run(send())) < 4, "ten batches of 0.4 s would be more"
    broker.close()


def test_a_port_where_something_else_answers_is_called_so() -> None:
    async def serve() -> BaseException | None:
        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            broker = RedisBroker(f"redis://127.0.0.1:{port}/0", patience=200)
            try:
                await broker.aenqueue([enqueue_op("m")])
            except BrokerError as error:
                return error
            finally:
                broker.close()
        return None

    assert "the answer is not from Redis: check host and port" in str(asyncio.run(serve()))
