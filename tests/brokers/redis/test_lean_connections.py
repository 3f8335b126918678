"""What lean connections do in their own way: they send and read as redis-py's do, and fail as they do."""

import socket
import time
from collections.abc import Callable, Iterator
from itertools import count

import pytest
import redis
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection

from fq.brokers.redis import RedisBroker, lean_connections
from fq.brokers.redis.lean_connections import Lean, lean


class Plain(Connection):
    """A connection class of a client's own."""


@pytest.fixture
def pair() -> Iterator[tuple[Connection, socket.socket]]:
    """A lean connection, and the socket at its other end."""
    near, far = socket.socketpair()
    connection = lean(Connection)(protocol=2)
    connection._sock = near
    near.settimeout(0.05)
    yield connection, far
    near.close()
    far.close()


def test_only_classes_of_redis_py_are_lean() -> None:
    for kind in (Connection, SSLConnection, UnixDomainSocketConnection):
        assert issubclass(lean(kind), Lean)
        assert lean(kind) is lean(kind)

    assert lean(Plain) is Plain


def test_a_client_with_a_connection_class_of_its_own_keeps_it(connect: Callable[..., RedisBroker], valkey: object) -> None:
    url = connect()._endpoint.name
    broker = RedisBroker(client=redis.Redis(connection_pool=redis.ConnectionPool.from_url(url, connection_class=Plain)))

    connection = broker._endpoint.connect()
    connection.disconnect()
    assert type(connection) is Plain
    assert broker.now() > 0
    broker.close()


def test_replies_come_whole_however_they_are_cut(pair: tuple[Connection, socket.socket]) -> None:
    connection, far = pair
    far.sendall(b"*2\r\n$3\r\nab")
    with pytest.raises(redis.TimeoutError):
        connection.read_response(disable_decoding=True, disconnect_on_error=False)
    assert connection.can_read()
    far.sendall(b"c\r\n:7\r\n:8\r\n")

    assert connection.read_response(disable_decoding=True) == [b"abc", 7]
    assert connection.can_read()
    assert connection.read_response(disable_decoding=True) == 8
    assert not connection.can_read()


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (b"-NOSCRIPT No matching script.\r\n", redis.exceptions.NoScriptError),
        (b"-READONLY You can't write against a read only replica.\r\n", redis.exceptions.ReadOnlyError),
        (b"-WRONGTYPE found a list\r\n", redis.ResponseError),
        (b"?\r\n", redis.exceptions.InvalidResponse),
    ],
)
def test_an_error_of_the_server_is_raised_as_redis_py_raises_it(
    pair: tuple[Connection, socket.socket], reply: bytes, error: type[Exception]
) -> None:
    connection, far = pair
    far.sendall(reply)

    with pytest.raises(error):
        connection.read_response(disable_decoding=True)


def test_a_server_that_hangs_up_is_no_reply(pair: tuple[Connection, socket.socket]) -> None:
    connection, far = pair
    far.close()

    assert connection.can_read()
    with pytest.raises(redis.ConnectionError):
        connection.read_response(disable_decoding=True)
    with pytest.raises(redis.ConnectionError):
        connection.can_read()


def test_what_cannot_be_sent_is_an_error_of_redis_py(pair: tuple[Connection, socket.socket]) -> None:
    connection, _ = pair
    with pytest.raises(redis.TimeoutError):
        connection.send_packed_command((b"x" * 10_000_000,), check_health=False)

    connection, other = lean(Connection)(protocol=2), socket.socketpair()
    connection._sock = other[0]
    other[1].close()
    with pytest.raises(redis.ConnectionError):
        for _ in range(2):
            connection.send_packed_command((b"x" * 10_000,), check_health=False)
    other[0].close()


@pytest.fixture
def undisturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No look is held to take long, however busy the machine is."""
    monkeypatch.setattr(lean_connections, "SLOW_LOOK_SECONDS", 3_600)


@pytest.mark.usefixtures("undisturbed")
def test_a_spin_sees_what_is_there_and_gives_up_in_time(pair: tuple[Connection, socket.socket]) -> None:
    connection, far = pair
    assert isinstance(connection, Lean)
    assert not connection.spin(0.001)

    far.sendall(b":1\r\n")
    assert connection.spin(60)
    assert connection.read_response(disable_decoding=True) == 1
    assert not connection.spin(0.0)


@pytest.mark.usefixtures("undisturbed")
def test_a_spin_sees_that_the_server_has_hung_up(pair: tuple[Connection, socket.socket]) -> None:
    connection, far = pair
    assert isinstance(connection, Lean)
    far.close()

    assert connection.spin(60)


@pytest.mark.usefixtures("undisturbed")
def test_a_spin_looks_at_the_socket_of_the_latest_connect(pair: tuple[Connection, socket.socket]) -> None:
    connection, _ = pair
    assert isinstance(connection, Lean)
    assert not connection.spin(0.0)
    connection.disconnect()
    near, far = socket.socketpair()
    connection._sock = near
    try:
        far.sendall(b":1\r\n")
        assert connection.spin(60)
    finally:
        connection.disconnect()
        far.close()


@pytest.mark.parametrize(("look_seconds", "is_free"), [(1e-6, True), (40e-6, False)])
def test_a_spin_whose_looks_take_long_is_in_vain(
    pair: tuple[Connection, socket.socket], monkeypatch: pytest.MonkeyPatch, look_seconds: float, is_free: bool
) -> None:
    """Other threads have the interpreter meanwhile."""
    connection, far = pair
    assert isinstance(connection, Lean)
    times = count(0, look_seconds)
    monkeypatch.setattr(time, "perf_counter", lambda: far.send(b":1\r\n") * 0 + next(times))  # the reply comes after the first look

    assert connection.spin(0.1) is is_free
