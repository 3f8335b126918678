"""
`lean`: connections of redis-py that send what is packed, and read replies, in a third of the processor time.

Everything else is redis-py's: how they connect, with TLS, user and password, to a socket or a port, and their errors. Mutable, as those are.
"""

import select
import socket
import time
from collections.abc import Callable, Iterable
from functools import cache
from ssl import SSLSocket
from typing import Protocol, TypeVar, cast

from hiredis import Reader
from redis import exceptions
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection

HAS_POLL = hasattr(select, "poll")
"""Windows has none."""

READ_BYTES = 65_536
"""At most this many bytes are read at once."""

SLOW_LOOK_SECONDS = 10e-6
"""A look takes less than this, unless the thread has to wait for the interpreter."""

K = TypeVar("K", bound=Callable[..., object])

NOTHING_YET = object()
HUNG_UP = "Connection closed by server."


class Parser(Protocol):
    """What fq uses of redis-py's parsers of replies."""

    def parse_error(self, response: str) -> Exception:
        """Return the error that the server means by *response*."""
        ...


class Lean:
    """
    What a lean connection does in its own way, in front of the class of redis-py that does the rest.

    Packed commands go right to the socket, and replies that are wanted undecoded come from a reader of its own. So once such a reply has been read, all
    must be.
    """

    _sock: "socket.socket | None"
    _parser: Parser
    _replies: Reader | None = None
    _poller: "select.poll | None" = None

    def send_packed_command(self, command: Iterable[bytes], check_health: bool = True) -> None:
        """Send *command*, which is packed in pieces."""
        if check_health or self._sock is None:
            super().send_packed_command(command, check_health)  # type: ignore[misc]  # redis-py's class, which comes next, has it
            return
        try:
            for piece in command:
                self._sock.sendall(piece)
        except TimeoutError:
            self.disconnect()
            raise exceptions.TimeoutError("Timeout writing to socket") from None
        except OSError as error:
            self.disconnect()
            raise exceptions.ConnectionError(f"Error while writing to socket: {error}") from error
        except BaseException:
            self.disconnect()  # half of it may have been sent
            raise

    def read_response(self, disable_decoding: bool = False, *, disconnect_on_error: bool = True, **others: object) -> object:
        """Return the next reply, or raise the error that it is."""
        if not disable_decoding:
            return super().read_response(disable_decoding, disconnect_on_error=disconnect_on_error, **others)  # type: ignore[misc]  # as above
        try:
            reply = self._next_reply()
        except BaseException:
            if disconnect_on_error:
                self.disconnect()
            raise
        if isinstance(reply, exceptions.RedisError):
            raise reply
        return reply

    def can_read(self, timeout: float = 0) -> bool:
        """Return whether there is something to read, or will be within *timeout* seconds; also that the server has hung up."""
        if self._sock is None:
            raise exceptions.ConnectionError(HUNG_UP)
        return (self._replies is not None and self._replies.has_data()) or _is_readable(self._sock, timeout)

    def spin(self, seconds: float) -> bool:
        """
        Look for something to read, again and again for that many *seconds*, and return whether there is. The thread does not sleep.

        False also if other threads keep this one from looking, since they have the interpreter: a thread that sleeps leaves it to them.
        """
        poller = self._poller
        if poller is None:
            if not HAS_POLL:
                return False
            poller = self._poller = _poller_of(cast(socket.socket, self._sock))
        poll, now = poller.poll, time.perf_counter
        began, looks = now(), 1
        while not poll(0):
            if now() - began >= seconds:
                return False
            looks += 1
        return now() - began < looks * SLOW_LOOK_SECONDS

    def disconnect(self, *arguments: object) -> None:
        """Close the socket, and forget what was read from it."""
        self._replies = self._poller = None
        super().disconnect(*arguments)  # type: ignore[misc]  # as above

    def _next_reply(self) -> object:
        replies = self._replies
        if replies is None:
            replies = self._replies = Reader(
                protocolError=exceptions.InvalidResponse, replyError=self._parser.parse_error, notEnoughData=NOTHING_YET
            )
        reply = replies.gets()
        while reply is NOTHING_YET:
            replies.feed(self._received())
            reply = replies.gets()
        return reply

    def _received(self) -> bytes:
        try:
            received = cast(socket.socket, self._sock).recv(READ_BYTES)
        except TimeoutError:
            raise exceptions.TimeoutError("Timeout reading from socket") from None
        except (OSError, AttributeError) as error:  # AttributeError: another thread has closed it
            raise exceptions.ConnectionError(f"Error while reading from socket: {error}") from error
        if not received:
            raise exceptions.ConnectionError(HUNG_UP)
        return received


def _is_readable(sock: socket.socket, timeout: float) -> bool:
    if isinstance(sock, SSLSocket) and sock.pending():
        return True
    if not HAS_POLL:
        return bool(select.select([sock], [], [], timeout)[0])
    return bool(_poller_of(sock).poll(timeout * 1_000))


def _poller_of(sock: socket.socket) -> "select.poll":
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    return poller


KNOWN_CLASSES: tuple[object, ...] = (Connection, SSLConnection, UnixDomainSocketConnection)
"""Those of redis-py that may be lean. Others, such as a client's own, may do something else with what they send."""


@cache
def lean(connection_class: K) -> K:
    """Return the lean form of *connection_class*, if it is one of redis-py's own, else itself."""
    if connection_class not in KNOWN_CLASSES:
        return connection_class
    kind = cast(type, connection_class)
    return cast(K, type(f"Lean{kind.__name__}", (Lean, kind), {}))
