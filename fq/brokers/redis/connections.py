"""
`Place`: opens connections to one server, wherever that is at the moment: at one address, where sentinels say, or at a node of a cluster.

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

Address = tuple[str, int]
Settings = Mapping[str, object]

TIMEOUTS = ("socket_timeout", "socket_connect_timeout")
"""The settings that say how long each step of connecting, and a reply, may take, in seconds."""

HEAD_START_SECONDS = 0.25
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


Kind = Callable[..., Connection]
Ask = Callable[[Address, float | None], Address]
"""Asks an address, for so many seconds if they are fewer than usual, where the server is; raises if it does not know."""


class Place(Protocol):
    """Opens connections to one server, wherever that is at the moment."""

    @property
    def name(self) -> str:
        """The place as it may be shown to people."""
        ...

    def connect(self, within: float | None = None) -> Connection:
        """Return a new connection, connected; each step may take *within* seconds, if they are fewer than usual. Raises what redis-py raises."""
        ...

    def moved(self, error: Exception) -> None:
        """Note that *error* says that the server in charge is another one now."""


def _opened(kind: Kind, settings: Settings, within: float | None) -> Connection:
    if within is None:
        connection = kind(**settings)
        connection.connect()
        return connection
    usual = {name: cast(float, settings[name]) for name in TIMEOUTS}
    connection = kind(**{**settings, **{name: min(within, timeout) for name, timeout in usual.items()}})
    connection.connect()
    connection.socket_timeout = usual["socket_timeout"]
    connection._sock.settimeout(connection.socket_timeout)
    return connection


@frozen
class OneServer:
    """The same server always: a host and port, a socket, or whatever a client's own connection class finds."""

    name: str
    kind: Kind
    settings: Settings = field(repr=False)

    def connect(self, within: float | None = None) -> Connection:
        return _opened(self.kind, self.settings, within)

    def moved(self, error: Exception) -> None:
        """Nothing to note: there is no other."""


@define
class Guides:
    """
    The *addresses* to ask where the server is; *none* says what it means that none of them knows.

    Mutable: the one that answered last comes first, until it has led to the wrong server.
    """

    addresses: tuple[Address, ...]
    none: str

    def find(self, ask: Ask, within: float | None) -> Address:
        """Return the first answer. Raises `NotConnected`, with what each of them said, if there is none."""
        if len(self.addresses) > 1:
            with suppress(RedisError):
                return ask(self.addresses[0], min(HEAD_START_SECONDS, within or HEAD_START_SECONDS))
        return self._side_by_side(ask, within)

    def distrust(self) -> None:
        """Ask the one that answered last only after the others."""
        self.addresses = (*self.addresses[1:], self.addresses[0])

    def _side_by_side(self, ask: Ask, within: float | None) -> Address:
        """Ask all at the same time, and return what the first says that knows."""
        addresses = self.addresses
        said: SimpleQueue[tuple[Address, Address | RedisError]] = SimpleQueue()

        def look(address: Address) -> None:
            try:
                said.put((address, ask(address, within)))
            except RedisError as error:
                said.put((address, error))
            except Exception as error:  # a thread that ends without a word would be waited for
                said.put((address, NotConnected(f"{address[0]}:{address[1]}: {error}")))

        for address in addresses:
            threading.Thread(target=look, args=(address,), name="fq-redis-look", daemon=True).start()
        errors: list[str] = []
        for _ in addresses:
            address, answer = said.get()
            if not isinstance(answer, RedisError):
                self.addresses = (address, *(each for each in addresses if each != address))
                return answer
            errors.append(str(answer))
        raise NotConnected(f"{self.none}: {'; '.join(errors)}")


@frozen
class BySentinel:
    """The master called *master*, as the first of the sentinels that knows it says; they are asked again for every connection."""

    name: str
    kind: Kind
    settings: Settings = field(repr=False)
    sentinels: Guides = field(repr=False)
    master: str
    sentinel_settings: Settings = field(repr=False)

    def connect(self, within: float | None = None) -> Connection:
        host, port = self.sentinels.find(self._ask, within)
        return _opened(self.kind, {**self.settings, "host": host, "port": port}, within)

    def moved(self, error: Exception) -> None:
        """Every connection asks anew; whom it asks first is another one now, since the last may not have heard of a failover."""
        self.sentinels.distrust()

    def _ask(self, address: Address, within: float | None) -> Address:
        found = _ask(self.kind, self.sentinel_settings, address, within, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.master)
        if not isinstance(found, list):
            raise NotConnected(f"{address[0]}:{address[1]} knows no master {self.master!r}")
        return found[0].decode(), int(found[1])


@define
class ByCluster:
    """The node of a cluster that has *slot*. Mutable: remembers where that was."""

    name: str
    kind: Kind
    settings: Settings = field(repr=False)
    nodes: Guides = field(repr=False)
    slot: int
    _owner: Address | None = None

    def connect(self, within: float | None = None) -> Connection:
        owner = self._owner or self.nodes.find(self._ask, within)
        try:
            connection = _opened(self.kind, {**self.settings, "host": owner[0], "port": owner[1]}, within)
        except RedisError:
            self._owner = None
            raise
        self._owner = owner
        return connection

    def moved(self, error: Exception) -> None:
        self._owner = (error.host, error.port) if isinstance(error, MovedError) and error.host else None

    def _ask(self, address: Address, within: float | None) -> Address:
        slots = _ask(self.kind, self.settings, address, within, "CLUSTER", "SLOTS")
        for first, last, owner, *_ in slots if isinstance(slots, list) else ():
            if first <= self.slot <= last:
                return owner[0].decode() or address[0], owner[1]
        raise NotConnected(f"{address[0]}:{address[1]} knows no owner of slot {self.slot}")


def _ask(kind: Kind, settings: Settings, address: Address, within: float | None, *command: str) -> object:
    """Return the answer of *address* to *command*. Raises `NotConnected`, which names it."""
    host, port = address
    try:
        connection = _opened(kind, {**settings, "host": host, "port": port, "db": 0}, within)
        try:
            connection.send_command(*command)
            return connection.read_response(disable_decoding=True)
        finally:
            connection.disconnect()
    except RedisError as error:
        raise NotConnected(f"{host}:{port}: {error}") from error
