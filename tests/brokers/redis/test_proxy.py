"""The proxy of these tests does what it says, or the tests that use it would prove nothing."""

import time
from collections.abc import Iterator

import pytest
import redis

from tests.brokers.redis.proxy import Link, Move, Proxy
from tests.brokers.redis.servers import Server
from tests.wait_until import wait_until


@pytest.fixture
def proxy(valkey: Server) -> Iterator[Proxy]:
    with Proxy(valkey.port) as proxy:
        yield proxy


def connected(proxy: Proxy, timeout: float = 5) -> redis.Connection:
    connection = redis.Connection(port=proxy.port, socket_timeout=timeout, protocol=2)
    connection.connect()
    return connection


def asked(connection: redis.Connection, *words: str) -> object:
    connection.send_command(*words)
    return connection.read_response()


def link_of(proxy: Proxy) -> Link:
    wait_until(lambda: proxy.links)
    return proxy.links[-1]


def test_what_nothing_is_done_to_passes(proxy: Proxy) -> None:
    assert asked(connected(proxy), "PING") == b"PONG"
    assert proxy.accepted == 1


@pytest.mark.parametrize(
    ("move", "done"), [(Move.RESET, b"0"), (Move.CUT, b"0"), (Move.LOSE, b"1"), (Move.TRUNCATE, b"1")], ids=lambda each: str(each)
)
def test_a_move_resets_the_connection_before_or_after_the_server_has_done_what_was_asked(
    proxy: Proxy, client: redis.Redis, move: Move, done: bytes
) -> None:
    client.set("n", 0)
    connection = connected(proxy)
    proxy.next(move, within=b"INCR")
    assert asked(connection, "PING") == b"PONG", "it is not what the move is for"

    with pytest.raises(redis.ConnectionError):
        asked(connection, "INCR", "n")

    assert client.get("n") == done
    assert asked(connected(proxy), "PING") == b"PONG"


def test_half_of_a_reply_is_half_of_it(proxy: Proxy, client: redis.Redis) -> None:
    client.set("text", "x" * 1_000)
    connection = connected(proxy)
    proxy.next(Move.TRUNCATE)
    connection.send_command("GET", "text")
    received = b""
    with pytest.raises(ConnectionResetError):
        while True:
            received += connection._sock.recv(4_096) or b"!"

    assert received == b"$1000\r\n" + b"x" * (len(received) - 7)
    assert 500 <= len(received) < 510


@pytest.mark.parametrize(("up", "down", "done"), [(True, True, b"0"), (True, False, b"0"), (False, True, b"1")])
def test_a_frozen_connection_is_silent_in_one_direction_or_both(
    proxy: Proxy, client: redis.Redis, up: bool, down: bool, done: bytes
) -> None:
    client.set("n", 0)
    connection = connected(proxy, timeout=0.1)
    proxy.freeze(link_of(proxy), up=up, down=down)

    with pytest.raises(redis.TimeoutError):
        asked(connection, "INCR", "n")

    assert client.get("n") == done
    assert asked(connected(proxy), "PING") == b"PONG", "another connection is not frozen"


def test_what_a_frozen_connection_held_arrives_once_it_thaws_even_if_it_was_closed(proxy: Proxy, client: redis.Redis) -> None:
    connection = connected(proxy)
    proxy.freeze(link_of(proxy))
    connection.send_command("SET", "n", "late")
    connection.disconnect()
    time.sleep(0.05)
    assert client.get("n") is None

    proxy.thaw()

    wait_until(lambda: client.get("n") == b"late")
    wait_until(lambda: not proxy.links)


def test_a_black_hole_takes_in_new_connections_too(proxy: Proxy) -> None:
    first = connected(proxy, timeout=0.1)
    proxy.black_hole()
    with pytest.raises(redis.TimeoutError):
        asked(first, "PING")
    with pytest.raises(redis.TimeoutError):
        asked(connected(proxy, timeout=0.1), "PING")
    proxy.thaw()

    assert asked(connected(proxy), "PING") == b"PONG"


def test_what_is_late_is_late(proxy: Proxy) -> None:
    connection = connected(proxy)
    proxy.latency, proxy.jitter = 0.05, 0.01
    started = time.monotonic()

    assert asked(connection, "PING") == b"PONG"
    assert time.monotonic() - started >= 0.1, "there and back"


def test_new_connections_are_refused_and_old_ones_reset(proxy: Proxy) -> None:
    connection = connected(proxy)
    link_of(proxy)
    proxy.refuses = True
    with pytest.raises(redis.ConnectionError):
        asked(connected(proxy), "PING")
    assert asked(connection, "PING") == b"PONG"

    proxy.reset()

    with pytest.raises(redis.ConnectionError):
        asked(connection, "PING")


def test_connections_that_listen_are_told_from_those_that_call(proxy: Proxy) -> None:
    listener, caller = connected(proxy), connected(proxy)
    asked(listener, "SUBSCRIBE", "channel")
    asked(caller, "PING")

    assert (len(proxy.listening()), len(proxy.calling())) == (1, 1)


def test_chance_can_decide(proxy: Proxy) -> None:
    proxy.judge = lambda link, data: Move.RESET if proxy.chance.random() < 0.5 else None
    outcomes = set()
    for _ in range(20):
        try:
            outcomes.add(asked(connected(proxy), "PING"))
        except redis.ConnectionError:
            outcomes.add(None)

    assert outcomes == {b"PONG", None}


def test_calm_ends_everything(proxy: Proxy) -> None:
    connection = connected(proxy)
    link_of(proxy)
    proxy.latency, proxy.refuses = 60.0, True
    proxy.judge = lambda link, data: Move.RESET
    proxy.next(Move.RESET)
    proxy.black_hole()
    proxy.freeze()
    proxy.calm()

    assert asked(connection, "PING") == asked(connected(proxy), "PING") == b"PONG"
