"""
`Line`: calls scripts on the server, over connections that are kept, and repeats a call while the server is away.

Mutable shell. Any thread may call; a forked child opens connections of its own.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias, TypeVar

from hiredis import pack_command
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
    ReadOnlyError,
    RedisError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import TimeoutError as TimedOut

from fq.brokers.process import pid
from fq.brokers.redis.place import Connection, Place
from fq.brokers.redis.scripts import Script
from fq.errors import BrokerError, BrokerUnavailable

T = TypeVar("T")
Argument: TypeAlias = str | bytes | int | float

pack: Callable[[tuple[Argument, ...]], bytes] = pack_command  # type: ignore[assignment]  # its stub knows tuples of one only

PASSING = (NotConnected, TimedOut, BusyLoadingError, ReadOnlyError, MovedError, AskError, TryAgainError, ClusterDownError, MasterDownError)
"""Errors that go by: the server is being started, replaced, or was looked for at the wrong address."""

PASSING_WORDS = ("READONLY ", "LOADING ", "BUSY ", "CLUSTERDOWN ", "MASTERDOWN ")
"""The same, as a script of Redis 6.2 and a busy server report them: within a text."""

REFUSED = (AuthenticationError, AuthorizationError, NoPermissionError)
"""Errors that redis-py takes for a lost connection in part, but that will not go by."""

ADVICE = {
    "used memory >": "the server's memory is full: let workers drain it, or raise maxmemory",
    "WRONGTYPE": "something else writes to these keys: give fq a namespace of its own",
    "MISCONF": "the server cannot save to its disk: make room there",
    "unknown command": "fq needs Redis 6.2 or Valkey 7.2, or later",
    "read only replica": "this is a replica: name its master, or use redis+sentinel://",
    "loading the dataset": "it is still reading its data after a start: wait for it",
    "as reply type byte": "something else than Redis answers there: check host and port",
    "slot not served": "a node of the cluster is missing: see CLUSTER NODES",
}
"""What to do about an error whose text has these words."""

SPARE = 16
"""So many idle connections are kept."""


class Line:
    """Calls the server at *place*; for *patience* seconds a call is repeated while it is away."""

    def __init__(self, place: Place, patience: float) -> None:
        self.place = place
        self.patience = patience
        self._idle: deque[Connection] = deque(maxlen=SPARE)
        self._pid = pid()
        self.failed = float("-inf")
        """When a call last met with a server that was away, in seconds of `time.monotonic`."""

    def call(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> object:
        """
        Return the reply of *script*.

        Raises:
            BrokerUnavailable: the server could not be reached in time.

            BrokerError: it refuses.
        """
        return self.begin(script, keys, arguments)()

    def begin(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> Callable[[], object]:
        """Send what `call` sends, and return at once: what is returned must be called, and reads the reply, or repeats the call."""
        deadline = time.monotonic() + self.patience
        connection: Connection | None = None
        try:
            connection = self._take()
            connection.send_packed_command((pack((b"EVALSHA", script.sha, len(keys), *keys, *arguments)),), check_health=False)
        except RedisError as error:
            return partial(self._again, connection, error, deadline, script, keys, arguments)

        def finish() -> object:
            try:
                reply = connection.read_response(disable_decoding=True, disconnect_on_error=True)
            except RedisError as error:
                return self._again(connection, error, deadline, script, keys, arguments)
            except BaseException:
                connection.disconnect()
                raise
            self._idle.append(connection)
            return reply

        return finish

    def _again(
        self,
        connection: Connection | None,
        error: RedisError,
        deadline: float,
        script: Script,
        keys: Sequence[str],
        arguments: Sequence[Argument],
    ) -> object:
        """Call *script* again after *error* on *connection*; raise if that is no use."""
        pause = 0.0
        if connection is not None and isinstance(error, NoScriptError):
            self._idle.append(connection)
        else:
            pause = self._failed(connection, error, deadline, pause)
        return self._repeat(_calling(script, keys, arguments), deadline, pause)

    def command(self, *words: Argument) -> object:
        """Return the reply of one plain command; raises as `call` does."""
        packed = pack(words)
        return self._repeat(lambda connection: _exchange(connection, packed))

    def close(self) -> None:
        """Close the connections that are not in use."""
        while self._idle:
            self._idle.pop().disconnect()

    def _repeat(self, once: Callable[[Connection], T], deadline: float | None = None, pause: float = 0.0) -> T:
        """Return what *once* returns for a connection, tried again, after growing pauses, until *deadline* while the server is away."""
        if deadline is None:
            deadline = time.monotonic() + self.patience
        while True:
            connection: Connection | None = None
            try:
                connection = self._take()
                reply = once(connection)
            except RedisError as error:
                pause = self._failed(connection, error, deadline, pause)
            except BaseException:
                if connection is not None:
                    connection.disconnect()  # half of a reply may still be on its way
                raise
            else:
                self._idle.append(connection)
                return reply

    def _failed(self, connection: Connection | None, error: RedisError, deadline: float, pause: float) -> float:
        """Sleep for *pause* if a call is worth another try, and return how long to sleep the next time; raise if it is not."""
        self._clear_up(connection, error)
        self.failed = time.monotonic()
        if time.monotonic() + pause > deadline:
            advice = _advice(error, "start it, or check the URL")
            raise BrokerUnavailable(f"{self.place.name} could not be used for {self.patience:g} s: {error}; {advice}") from error
        time.sleep(pause)
        return min(2 * pause, 0.5) or 0.005

    def _take(self) -> Connection:
        if self._pid != pid():
            self._pid, self._idle = pid(), deque(maxlen=SPARE)  # the parent's connections stay the parent's
        try:
            return self._idle.pop()
        except IndexError:
            return self.place.connect()

    def _clear_up(self, connection: Connection | None, error: RedisError) -> None:
        """Return if the call is worth another try, raise if not."""
        if isinstance(error, REFUSED):
            if connection is not None:
                connection.disconnect()
            raise BrokerError(f"{self.place.name} does not let fq in: {error}; check user, password and permissions") from error
        if isinstance(error, PASSING) or any(word in str(error) for word in PASSING_WORDS):
            if connection is not None:
                connection.disconnect()
            self.close()  # the others lead to the same server
            self.place.moved(error)
            return
        if connection is not None:
            self._idle.append(connection)  # it has brought an answer: it is in order
        raise BrokerError(f"{self.place.name} refuses: {error}; {_advice(error, 'nothing of this call was applied')}") from error


def _calling(script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> Callable[[Connection], object]:
    """Return what calls *script* on a connection, with the whole of it if the server does not know it."""
    packed = pack((b"EVALSHA", script.sha, len(keys), *keys, *arguments))

    def once(connection: Connection) -> object:
        try:
            return _exchange(connection, packed)
        except NoScriptError:
            return _exchange(connection, pack((b"EVAL", script.text, len(keys), *keys, *arguments)))

    return once


def _exchange(connection: Connection, packed: bytes) -> object:
    connection.send_packed_command((packed,), check_health=False)
    return connection.read_response(disable_decoding=True, disconnect_on_error=True)


def _advice(error: RedisError, otherwise: str) -> str:
    return next((advice for words, advice in ADVICE.items() if words in str(error)), otherwise)
