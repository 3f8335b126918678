"""
`Endpoint`: opens connections to one server, wherever that is at the moment: at one address, where sentinels say, or at a node of a cluster.

Sentinels and nodes are asked in the order in which they have answered so far, and side by side when the first of them does not answer at once.
"""

import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import Protocol, cast

from attrs import define, field, frozen
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import MovedError, RedisError

from fq.brokers.redis.lean_connections import lean

Address = tuple[str, int]
Settings = Mapping[str, object]

TIMEOUTS = ("socket_timeout", "socket_connect_timeout")
"""The settings that limit how long each step of connecting, and a reply, may take, in seconds."""

FIRST_ANSWER_SECONDS = 0.25
"""How long the first sentinel or node has to answer before the others are asked too."""


class Connection(Protocol):
    """What fq uses of redis-py's connections."""

    _sock: socket.socket
    socket_timeout: float

    def connect(self) -> None: ...
    def disconnect(self) -> None: ...
    def send_command(self, *words: str | bytes, check_health: bool = True) -> None: ...
    def send_packed_command(self, command: Sequence[bytes], check_health: bool = True) -> None: ...
    def read_response(self, disable_decoding: bool = False, *, disconnect_on_error: bool = True) -> object: ...
    def can_read(self, timeout: float = 0) -> bool: ...


ConnectionClass = Callable[..., Connection]
Query = Callable[[Address, float | None], Address]
"""Asks an address where the server is, for that many seconds if they are fewer than usual; raises if it does not know."""


class Endpoint(Protocol):
    """Opens connections to one server, wherever that is at the moment."""

    @property
    def name(self) -> str:
        """The endpoint as it may be shown to people, without a password."""
        ...

    def connect(self, within: float | None = None) -> Connection:
        """Return a new connection, connected; each step may take *within* seconds, if they are fewer than usual. Raises what redis-py raises."""
        ...

    def invalidate(self, error: Exception) -> None:
        """Find the server again for the next connection: *error* says that another one is in charge now."""


def _open_connection(connection_class: ConnectionClass, settings: Settings, within: float | None) -> Connection:
    connection_class = lean(connection_class)
    if within is None:
        connection = connection_class(**settings)
        connection.connect()
        return connection
    usual = {name: cast(float, settings[name]) for name in TIMEOUTS}
    connection = connection_class(**{**settings, **{name: min(within, timeout) for name, timeout in usual.items()}})
    connection.connect()
    connection.socket_timeout = usual["socket_timeout"]
    connection._sock.settimeout(connection.socket_timeout)
    return connection


@frozen
class SingleEndpoint:
    """Always the same server: a host and port, a socket, or what the connection class of a client finds."""

    name: str
    connection_class: ConnectionClass
    settings: Settings = field(repr=False)

    def connect(self, within: float | None = None) -> Connection:
        return _open_connection(self.connection_class, self.settings, within)

    def invalidate(self, error: Exception) -> None:
        """There is no other server."""


@define
class Discovery:
    """
    The *addresses* to ask where the server is; *failure* says that none of them knows.

    Mutable: the one that answered last comes first, until it names a server that is not in charge.
    """

    addresses: tuple[Address, ...]
    failure: str

    def find(self, ask: Query, within: float | None) -> Address:
        """Return the first answer. Raises `NotConnected`, with the error of each of them, if there is none."""
        if len(self.addresses) > 1:
            with suppress(RedisError):
                return ask(self.addresses[0], min(FIRST_ANSWER_SECONDS, within or FIRST_ANSWER_SECONDS))
        return self._ask_all(ask, within)

    def demote_first(self) -> None:
        """Ask the address that answered last only after the others."""
        self.addresses = (*self.addresses[1:], self.addresses[0])

    def _ask_all(self, ask: Query, within: float | None) -> Address:
        """Ask all at the same time, and return the first answer."""
        addresses = self.addresses
        answers: SimpleQueue[tuple[Address, Address | RedisError]] = SimpleQueue()

        def ask_one(address: Address) -> None:
            try:
                answers.put((address, ask(address, within)))
            except RedisError as error:
                answers.put((address, error))
            except Exception as error:  # the caller waits for each thread to answer
                answers.put((address, NotConnected(f"{address[0]}:{address[1]}: {error}")))

        for address in addresses:
            threading.Thread(target=ask_one, args=(address,), name="fq-redis-discovery", daemon=True).start()
        errors: list[str] = []
        for _ in addresses:
            address, answer = answers.get()
            if not isinstance(answer, RedisError):
                self.addresses = (address, *(each for each in addresses if each != address))
                return answer
            errors.append(str(answer))
        raise NotConnected(f"{self.failure}: {'; '.join(errors)}")


@frozen
class SentinelEndpoint:
    """The master called *master*, which the sentinels name; they are asked again for every connection."""

    name: str
    connection_class: ConnectionClass
    settings: Settings = field(repr=False)
    sentinels: Discovery = field(repr=False)
    master: str
    sentinel_settings: Settings = field(repr=False)

    def connect(self, within: float | None = None) -> Connection:
        host, port = self.sentinels.find(self._ask, within)
        return _open_connection(self.connection_class, {**self.settings, "host": host, "port": port}, within)

    def invalidate(self, error: Exception) -> None:
        """Ask another sentinel first from now on: the last one may not have heard of the failover."""
        self.sentinels.demote_first()

    def _ask(self, address: Address, within: float | None) -> Address:
        found = _ask(self.connection_class, self.sentinel_settings, address, within, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.master)
        if not isinstance(found, list):
            raise NotConnected(f"{address[0]}:{address[1]} knows no master {self.master!r}")
        return found[0].decode(), int(found[1])


@define
class ClusterEndpoint:
    """The node of a cluster that has *slot*. Mutable: remembers its address."""

    name: str
    connection_class: ConnectionClass
    settings: Settings = field(repr=False)
    nodes: Discovery = field(repr=False)
    slot: int
    _owner: Address | None = None

    def connect(self, within: float | None = None) -> Connection:
        owner = self._owner or self.nodes.find(self._ask, within)
        try:
            connection = _open_connection(self.connection_class, {**self.settings, "host": owner[0], "port": owner[1]}, within)
        except RedisError:
            self._owner = None
            raise
        self._owner = owner
        return connection

    def invalidate(self, error: Exception) -> None:
        self._owner = (error.host, error.port) if isinstance(error, MovedError) and error.host else None

    def _ask(self, address: Address, within: float | None) -> Address:
        slots = _ask(self.connection_class, self.settings, address, within, "CLUSTER", "SLOTS")
        for first, last, owner, *_ in slots if isinstance(slots, list) else ():
            if first <= self.slot <= last:
                return owner[0].decode() or address[0], owner[1]
        raise NotConnected(f"{address[0]}:{address[1]} knows no owner of slot {self.slot}")


def _ask(connection_class: ConnectionClass, settings: Settings, address: Address, within: float | None, *command: str) -> object:
    """Return the answer of *address* to *command*. Raises `NotConnected`, which names it."""
    host, port = address
    try:
        connection = _open_connection(connection_class, {**settings, "host": host, "port": port, "db": 0}, within)
        try:
            connection.send_command(*command)
            return connection.read_response(disable_decoding=True)
        finally:
            connection.disconnect()
    except RedisError as error:
        raise NotConnected(f"{host}:{port}: {error}") from error
