"""
`Line`: calls a script on the server and returns its reply, over connections that are kept; repeats the call while the server is away.

Mutable shell. Any thread may call; a forked child opens connections of its own.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from hiredis import pack_command
from redis.connection import Connection
from redis.exceptions import (
    AskError,
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import TimeoutError as TimedOut

from fq.brokers.redis.place import Place
from fq.brokers.redis.scripts import Script
from fq.errors import BrokerError, BrokerUnavailable

T = TypeVar("T")
Argument = str | bytes | int

PASSING = (NotConnected, TimedOut, BusyLoadingError, ClusterDownError, MasterDownError, MovedError, AskError, TryAgainError, ReadOnlyError)
"""Errors that go by: the server is being restarted, replaced, or reached at the wrong address."""

REFUSED = (AuthenticationError, AuthorizationError, NoPermissionError)
"""Errors that look like a lost connection to redis-py but will not go by."""

SPARE = 16
"""So many connections are kept for the next caller."""


class Line:
    """Calls scripts; *patience* is for how long, in seconds, a call is repeated while the server is away."""

    def __init__(self, place: Place, patience: float) -> None:
        self.place = place
        self.patience = patience
        self._idle: deque[Connection] = deque(maxlen=SPARE)
        self._pid = os.getpid()

    def call(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> object:
        """
        Return the reply of *script*.

        Raises:
            BrokerUnavailable: the server could not be reached in time.

            BrokerError: it refuses.
        """
        packed = pack_command((b"EVALSHA", script.sha, len(keys), *keys, *arguments))

        def once(connection: Connection) -> object:
            try:
                return _exchange(connection, packed)
            except NoScriptError:
                return _exchange(connection, pack_command((b"EVAL", script.text, len(keys), *keys, *arguments)))

        return self.repeat(once)

    def command(self, *arguments: Argument) -> object:
        """Return the reply of one plain command; raises as `call` does."""
        packed = pack_command(arguments)
        return self.repeat(lambda connection: _exchange(connection, packed))

    def repeat(self, once: Callable[[Connection], T]) -> T:
        """Return what *once* returns for a connection, tried again with growing pauses while the server is away."""
        deadline, pause = 0.0, 0.005
        while True:
            connection: Connection | None = None
            try:
                connection = self._take()
                result = once(connection)
            except BaseException as error:
                if not isinstance(error, RedisError):
                    _drop(connection)
                    raise
                self._judge(connection, error)
                deadline = deadline or time.monotonic() + self.patience
                if time.monotonic() + pause > deadline:
                    raise self._unavailable(error) from error
                time.sleep(pause)
                pause = min(pause * 2, 0.5)
            else:
                self._idle.append(connection)
                return result

    def close(self) -> None:
        """Close the connections that are not in use."""
        while self._idle:
            self._idle.pop().disconnect()

    def forget(self) -> None:
        """Drop the connections that are not in use, since they may be dead or lead to the wrong server."""
        self.close()

    def _take(self) -> Connection:
        if self._pid != os.getpid():
            self._pid, self._idle = os.getpid(), deque(maxlen=SPARE)  # the parent's sockets are the parent's
        try:
            return self._idle.pop()
        except IndexError:
            return self.place.connect()

    def _judge(self, connection: Connection | None, error: RedisError) -> None:
        """Return if the call is worth another try, raise if not."""
        if isinstance(error, REFUSED):
            _drop(connection)
            raise BrokerError(
                f"{self.place.name} lets nobody in: {error}; check user and password, and what they are allowed to do"
            ) from error
        if isinstance(error, PASSING):
            _drop(connection)
            self.close()
            self.place.moved(error)
            return
        if connection is not None:
            self._idle.append(connection)  # the server has answered: the connection is in order
        raise BrokerError(f"{self.place.name} refuses: {error}{_advice(error)}") from error

    def _unavailable(self, error: RedisError) -> BrokerUnavailable:
        if isinstance(error, ReadOnlyError):
            return BrokerUnavailable(
                f"{self.place.name} is a replica, which takes no writes; name its master, or use redis+sentinel://: {error}"
            )
        if isinstance(error, BusyLoadingError):
            return BrokerUnavailable(f"{self.place.name} is still reading its data after a start; wait for it: {error}")
        return BrokerUnavailable(f"{self.place.name} could not be reached for {self.patience:g} s: {error}; start it, or check the URL")


def _exchange(connection: Connection, packed: bytes) -> object:
    connection.send_packed_command([packed], check_health=False)
    return connection.read_response(disable_decoding=True)


def _drop(connection: Connection | None) -> None:
    if connection is not None:
        connection.disconnect()


def _advice(error: RedisError) -> str:
    if isinstance(error, OutOfMemoryError):
        return "; nothing was queued: let workers drain it, or raise maxmemory"
    if isinstance(error, ResponseError) and "WRONGTYPE" in str(error):
        return "; give fq a namespace of its own"
    return ""
