"""
`ScriptClient`: calls scripts on the server, over connections that are kept, and repeats a call while the server is away.

Mutable shell. Any thread may call; a forked child opens connections of its own.
"""

import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias, TypeVar

from hiredis import pack_command
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.exceptions import TimeoutError as TimedOut

from fq.brokers.redis.adaptive_spin import AdaptiveSpin
from fq.brokers.redis.call_errors import ACCESS_ERRORS, is_transient
from fq.brokers.redis.connections import Connection, Endpoint
from fq.brokers.redis.error_advice import advice
from fq.brokers.redis.script_arguments import Argument
from fq.brokers.redis.scripts import Script
from fq.errors import BrokerError, BrokerUnavailable
from fq.runtime.process_id import pid

T = TypeVar("T")
Attempt: TypeAlias = Callable[[Connection], T]

pack: Callable[[tuple[Argument, ...]], bytes] = pack_command  # type: ignore[assignment]  # its stub knows tuples of one only

MAX_IDLE_CONNECTIONS = 16
"""At most this many idle connections are kept."""

SLOW_BYTES_PER_SECOND = 100_000
"""The reply to a large request is waited for as much longer as sending takes at this rate: it may still be on its way."""

MIN_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.005, 0.5
"""How long a call pauses before it is repeated: each time twice as long as before, up to the maximum."""

PROBES_PER_LEASE = 10
"""This many waits for a reply fit into a lease, so it is renewed in time even if a connection is dead and a new one takes long."""

PIECE_BYTES = 65_536
"""A request of this many bytes may take longer to send than to be answered. It is sent in pieces of this size, each with the whole timeout."""

MAX_BUFFERED_BYTES = 4 * 2**20
"""This many bytes of a request may still be in buffers of the system and the network when all of it has been sent."""


class NoAnswer(TimedOut):
    """A reply did not come, and the server did not answer over another connection either."""


class ScriptClient:
    """
    Calls the server at *endpoint*; for *patience* seconds a call is repeated while it is away.

    A connection can be dead and look alive: a firewall forgot it, or the host at its other end failed. So a call that gets no reply for a while asks over a
    new connection if the server is there. If it is, it would have replied, since it serves one call after the other: the call is repeated over
    a new connection. If it is not, or is busy, the call waits on, for as long as the timeout of the connection says. And a call that fails on a connection
    that was kept is repeated over a new one, however little patience there is.
    """

    def __init__(self, endpoint: Endpoint, patience: float, probe_seconds: float) -> None:
        self.endpoint = endpoint
        self.patience = patience
        self.probe_seconds = probe_seconds
        self._idle: deque[Connection] = deque(maxlen=MAX_IDLE_CONNECTIONS)
        self._pid = pid()
        self._spins: defaultdict[bytes, AdaptiveSpin] = defaultdict(AdaptiveSpin)
        self.last_failure = float("-inf")
        """When a call last failed because the server was away, in seconds of `time.monotonic`."""

    def call(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument], probe: float | None = None) -> object:
        """
        Return the reply of *script*; after *probe* seconds without one, find out why there is none.

        Raises:
            BrokerUnavailable: the server could not be reached in time.

            BrokerError: it refuses.
        """
        packed = pack((b"EVALSHA", script.sha, len(keys), *keys, *arguments))
        if probe is not None or len(packed) >= PIECE_BYTES or not self._idle or self._pid != pid():
            return self._begin(script, keys, arguments, probe, packed)()
        started = time.monotonic()
        connection = self._idle.pop()
        try:
            connection.send_packed_command((packed,), check_health=False)
            spin: Callable[[float], bool] | None = getattr(connection, "spin", None)  # a client's own class of connections has none
            if spin is not None:
                self._spins[script.sha].look(spin)
            reply = self._reply(connection, self.probe_seconds, len(packed))
        except RedisError as error:
            attempt = self._attempt(script, keys, arguments, self.probe_seconds)
            return self._retry_begun(connection, error, attempt, started + self.patience, True, self.probe_seconds)
        except BaseException:
            connection.disconnect()
            raise
        self._idle.append(connection)
        return reply

    def begin(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument], probe: float | None = None) -> Callable[[], object]:
        """Send what `call` sends, and return at once: what is returned must be called, and reads the reply, or repeats the call."""
        return self._begin(script, keys, arguments, probe, pack((b"EVALSHA", script.sha, len(keys), *keys, *arguments)))

    def _begin(
        self, script: Script, keys: Sequence[str], arguments: Sequence[Argument], probe: float | None, packed: bytes
    ) -> Callable[[], object]:
        deadline = time.monotonic() + self.patience
        probe = self.probe_seconds if probe is None else probe
        connection: Connection | None = None
        kept = len(self._idle) > 0
        try:
            connection = self._take(probe)
            _send(connection, packed)
        except RedisError as error:
            return partial(self._retry_begun, connection, error, self._attempt(script, keys, arguments, probe), deadline, kept, probe)

        def finish() -> object:
            try:
                reply = self._read(connection, len(packed), probe)
            except RedisError as error:
                return self._retry_begun(connection, error, self._attempt(script, keys, arguments, probe), deadline, kept, probe)
            except BaseException:
                connection.disconnect()
                raise
            self._idle.append(connection)
            return reply

        return finish

    def _retry_begun(
        self, connection: Connection | None, error: RedisError, attempt: Attempt[object], deadline: float, kept: bool, probe: float
    ) -> object:
        """Make a call again after *error* on *connection*, which may have been *kept* from an earlier call; raise if another try cannot help."""
        if connection is not None and isinstance(error, NoScriptError):
            self._idle.append(connection)
            return self._retry(attempt, deadline, probe)
        pause = self._note_failure(connection, error, deadline, 0.0, kept)
        return self._retry(attempt, deadline, probe, pause, anew=True)

    def probe_for(self, lease: int) -> float:
        """Return after how many seconds without a reply a call that renews a *lease*, ms, finds out why there is none."""
        return min(self.probe_seconds, lease / 1_000 / PROBES_PER_LEASE)

    def command(self, *words: Argument) -> object:
        """Return the reply of one plain command; raises as `call` does."""
        packed = pack(words)
        return self._retry(lambda connection: self._exchange(connection, packed, self.probe_seconds), time.monotonic() + self.patience)

    def close(self) -> None:
        """Close the connections that are not in use."""
        while self._idle:
            self._idle.pop().disconnect()

    def _retry(self, attempt: Attempt[T], deadline: float, probe: float | None = None, pause: float = 0.0, *, anew: bool = False) -> T:
        """
        Return what *attempt* returns for a connection, tried again, after growing pauses, until *deadline* while the server is away.

        *anew* says that a kept connection will not do, and so it is after the first try.
        """
        probe = self.probe_seconds if probe is None else probe
        while True:
            connection: Connection | None = None
            kept = not anew and len(self._idle) > 0
            try:
                connection = self._open(probe) if anew else self._take(probe)
                reply = attempt(connection)
            except RedisError as error:
                pause = self._note_failure(connection, error, deadline, pause, kept)
                anew, probe = True, 2 * probe
            except BaseException:
                if connection is not None:
                    connection.disconnect()  # half of a reply may still be on its way
                raise
            else:
                self._idle.append(connection)
                return reply

    def _note_failure(self, connection: Connection | None, error: RedisError, deadline: float, pause: float, kept: bool) -> float:
        """Sleep for *pause* if a call is worth another try, and return how long to sleep the next time; raise if it is not."""
        self._dispose(connection, error)
        self.last_failure = time.monotonic()
        if kept and not isinstance(error, NoAnswer):
            return pause  # the connection may have been dead before the call
        if time.monotonic() + pause > deadline:
            raise BrokerUnavailable(
                f"{self.endpoint.name} could not be used for {self.patience:g} s: {str(error).rstrip('.')}; {advice(error)}"
            ) from error
        time.sleep(pause)
        return min(2 * pause, MAX_PAUSE_SECONDS) or MIN_PAUSE_SECONDS

    def _take(self, probe: float) -> Connection:
        if self._pid != pid():
            self._pid, self._idle = pid(), deque(maxlen=MAX_IDLE_CONNECTIONS)  # the parent's connections stay the parent's
        try:
            return self._idle.pop()
        except IndexError:
            return self._open(probe)

    def _open(self, probe: float) -> Connection:
        """Return a new connection; a call with less time than usual gives it less time to be made."""
        connection = self.endpoint.connect() if probe >= self.probe_seconds else self.endpoint.connect(2 * probe)
        connection._sock.settimeout(min(self.probe_seconds, connection.socket_timeout))
        return connection

    def _read(self, connection: Connection, size: int, probe: float) -> object:
        """Return the reply to a request of *size* bytes, or raise an error that says why there is none."""
        if probe >= self.probe_seconds:
            return self._reply(connection, self.probe_seconds, size)
        usual = connection._sock.gettimeout()
        connection._sock.settimeout(min(probe, connection.socket_timeout))
        try:
            return self._reply(connection, probe, size)
        finally:
            if connection._sock is not None:
                connection._sock.settimeout(usual)

    def _reply(self, connection: Connection, probe: float, size: int) -> object:
        started = time.monotonic()
        asked = False
        while True:
            try:
                return connection.read_response(disable_decoding=True, disconnect_on_error=False)
            except TimedOut as error:
                waited, under_way = time.monotonic() - started, min(size, MAX_BUFFERED_BYTES) / SLOW_BYTES_PER_SECOND
                if waited >= probe + under_way:
                    asked = True
                    if self._answers(probe) and not connection.can_read(timeout=0):
                        raise
                if waited >= connection.socket_timeout + under_way:
                    raise (NoAnswer(str(error)) if asked else error) from None

    def _answers(self, within: float) -> bool:
        """Return whether the server answers over a new connection."""
        try:
            connection = self.endpoint.connect(within)
        except RedisError:
            return False
        try:
            connection.send_command("PING", check_health=False)
            connection.read_response(disable_decoding=True)
        except RedisError:
            return False
        finally:
            connection.disconnect()
        return True

    def _dispose(self, connection: Connection | None, error: RedisError) -> None:
        """Keep or close *connection* after *error*; raise unless the call is worth another try."""
        if isinstance(error, ACCESS_ERRORS):
            if connection is not None:
                connection.disconnect()
            raise BrokerError(f"{self.endpoint.name} does not let fq in: {error}; check user, password and permissions") from error
        if is_transient(error):
            if connection is not None:
                connection.disconnect()
            self.close()  # the others lead to the same server
            self.endpoint.invalidate(error)
            return
        if connection is not None and isinstance(error, ResponseError):
            self._idle.append(connection)  # it has brought an answer, so it works
        elif connection is not None:
            connection.disconnect()
        raise BrokerError(f"{self.endpoint.name} refuses: {error}; {advice(error, 'nothing of this call was applied')}") from error

    def _attempt(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument], probe: float) -> Attempt[object]:
        """Return what calls *script* on a connection, with the whole of it if the server does not know it."""
        packed = pack((b"EVALSHA", script.sha, len(keys), *keys, *arguments))

        def attempt(connection: Connection) -> object:
            try:
                return self._exchange(connection, packed, probe)
            except NoScriptError:
                return self._exchange(connection, pack((b"EVAL", script.text, len(keys), *keys, *arguments)), probe)

        return attempt

    def _exchange(self, connection: Connection, packed: bytes, probe: float) -> object:
        _send(connection, packed)
        return self._read(connection, len(packed), probe)


def _send(connection: Connection, packed: bytes) -> None:
    if len(packed) < PIECE_BYTES or connection._sock is None:
        connection.send_packed_command((packed,), check_health=False)
        return
    usual = connection._sock.gettimeout()
    connection._sock.settimeout(connection.socket_timeout)
    pieces = [packed[start : start + PIECE_BYTES] for start in range(0, len(packed), PIECE_BYTES)]
    connection.send_packed_command(pieces, check_health=False)
    connection._sock.settimeout(usual)
