"""
Where the server is: a URL, or a client of redis-py, becomes an `Endpoint`, which opens connections to the server in charge (see `connections`).

====================================================  ================================================================
``redis://user:password@host:6379/0``                 one server; ``rediss://`` with TLS; ``unix:///path?db=0`` a socket
``redis+sentinel://host:26379,host2/mymaster/0``      the master that the sentinels name; ``rediss+sentinel://`` with TLS
``redis+cluster://host:6379,host2:6379``              the node that has the namespace's slot; ``rediss+cluster://`` with TLS
====================================================  ================================================================

What redis-py takes as a query (``?socket_timeout=3&ssl_cert_reqs=none``) is passed on to it; sentinels that want a password of their own
get ``sentinel_username`` and ``sentinel_password``.
"""

from typing import cast
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.connection import Connection as PlainConnection
from redis.connection import ConnectionPool, SSLConnection
from redis.crc import key_slot
from redis.exceptions import RedisError
from redis.retry import Retry

from fq.brokers.redaction import without_password
from fq.brokers.redis.connections import (
    TIMEOUTS,
    Address,
    ClusterEndpoint,
    ConnectionClass,
    Discovery,
    Endpoint,
    SentinelEndpoint,
    Settings,
    SingleEndpoint,
)
from fq.errors import ConfigError

EXPECTED_URLS = "redis://host:6379/0, rediss://…, unix:///path, redis+sentinel://host:26379/mymaster or redis+cluster://host:6379"

FIXED_SETTINGS: Settings = {
    "protocol": 2,
    "decode_responses": False,
    "health_check_interval": 0,
    "retry_on_timeout": False,
    "retry_on_error": [],
}
"""What fq decides about its connections, whatever the URL or the client says: ``fq.brokers.redis.client`` repeats calls."""


def _driver() -> Settings:
    """Return what tells each connection the version of redis-py, which would read it from a file of 50 kB, in 10 ms, for each connection."""
    try:
        from redis.driver_info import DriverInfo
    except ImportError:  # an older one reads it once
        return {}
    return {"driver_info": DriverInfo(lib_version=redis.__version__)}


DRIVER = _driver()


def _complete(settings: Settings, timeout: float) -> dict[str, object]:
    driver = {} if {"lib_name", "lib_version"} & settings.keys() else DRIVER
    timeouts = {name: settings.get(name) or timeout for name in TIMEOUTS}
    return {**driver, **settings, **FIXED_SETTINGS, **timeouts, "retry": Retry(NoBackoff(), 0)}


def from_url(url: str, slot_of: str, timeout: float) -> Endpoint:
    """
    Return the endpoint that *url* names; *slot_of* is a key of the namespace, *timeout* in seconds.

    Raises:
        ConfigError: the URL is none of the known forms.
    """
    shown = without_password(url)
    scheme, mark, _ = url.partition("://")
    protocol, _, topology = scheme.partition("+")
    if (
        not mark
        or protocol not in ("redis", "rediss", "unix")
        or topology not in ("", "sentinel", "cluster")
        or (topology and protocol == "unix")
    ):
        raise ConfigError(f"found the URL {shown!r}, expected one such as {EXPECTED_URLS}")
    try:
        if not topology:
            return SingleEndpoint(shown, *_parse_one(url, timeout))
        return _parse_many(url, slot_of, timeout)
    except (ValueError, RedisError) as error:
        raise ConfigError(f"found the URL {shown!r}: {_shown_error(error, url)}; expected one such as {EXPECTED_URLS}") from None


def _shown_error(error: Exception, url: str) -> str:
    """Return what is wrong with *url*, and nothing that might be a part of a password."""
    if "@" in url and not isinstance(error, _SafeToShow):
        return "it cannot be read; in user and password, write / as %2F, @ as %40, ? as %3F, # as %23"
    return str(error)


class _SafeToShow(ValueError):
    """An error whose text quotes nothing but the names of options."""


def _parse_one(url: str, timeout: float) -> tuple[ConnectionClass, Settings]:
    path = urlsplit(url).path.strip("/")
    if not url.startswith("unix") and path and not path.isdigit():
        raise ValueError(f"the database {path!r} is not a number")
    pool = ConnectionPool.from_url(url)
    settings = _complete(pool.connection_kwargs, timeout)
    if not url.startswith("unix"):
        settings.setdefault("socket_keepalive", True)
    return _checked(cast(ConnectionClass, pool.connection_class), settings, url), settings


def _checked(connection_class: ConnectionClass, settings: Settings, url: str) -> ConnectionClass:
    """Return *connection_class* if it accepts *settings*: else an option in *url* is wrong."""
    try:
        connection_class(**settings)
    except (TypeError, AttributeError) as error:
        names = ", ".join(name for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True))
        raise _SafeToShow(f"among its options ({names}) is one that redis-py does not know, or not with TLS or a socket: {error}") from None
    except RedisError as error:
        raise _SafeToShow(str(error)) from None
    return connection_class


def _parse_many(url: str, slot_of: str, timeout: float) -> Endpoint:
    shown = without_password(url)
    scheme, _, rest = url.partition("://")
    protocol, _, topology = scheme.partition("+")
    parts = urlsplit(f"{protocol}://{rest}")
    login, _, hosts = parts.netloc.rpartition("@")
    query = dict(parse_qsl(parts.query))
    own = {key.removeprefix("sentinel_"): query.pop(key) for key in ("sentinel_username", "sentinel_password") if key in query}
    path = [unquote(step) for step in parts.path.split("/") if step]
    plain = f"{protocol}://{login + '@' if login else ''}host"
    if topology == "cluster":
        if path not in ([], ["0"]):
            raise ValueError(f"a cluster has no database {'/'.join(path)!r}")
        connection_class, settings = _parse_one(f"{plain}?{urlencode(query)}", timeout)
        return ClusterEndpoint(shown, connection_class, settings, _cluster_nodes(_addresses(hosts, 6379)), key_slot(slot_of.encode()))
    if not path or len(path) > 2:
        raise ValueError("after the sentinels comes the master's name, as in /mymaster/0")
    connection_class, settings = _parse_one(f"{plain}/{path[1] if len(path) > 1 else 0}?{urlencode(query)}", timeout)
    without_login = {key: value for key, value in settings.items() if key not in ("username", "password", "db")}
    sentinels = Discovery(_addresses(hosts, 26379), "no sentinel names a master")
    return SentinelEndpoint(shown, connection_class, settings, sentinels, path[0], {**without_login, **own})


def _cluster_nodes(addresses: tuple[Address, ...]) -> Discovery:
    return Discovery(addresses, "no node of the cluster answers for fq's slot")


def _addresses(hosts: str, port: int) -> tuple[Address, ...]:
    parts = [urlsplit(f"//{host}") for host in hosts.split(",") if host]
    if not parts:
        raise ValueError("it names no host")
    return tuple((part.hostname or "localhost", part.port or port) for part in parts)


def from_client(client: object, slot_of: str, timeout: float) -> Endpoint:
    """
    Return the endpoint that *client*, a `redis.Redis` or `redis.RedisCluster`, talks to; connections are fq's own, with the client's settings.

    Where those have no timeouts, *timeout*, in seconds, holds: a producer must not wait for ever.

    Raises:
        ConfigError: it is something else.
    """
    if isinstance(client, redis.RedisCluster):
        return _from_cluster(client, slot_of, timeout)
    if isinstance(client, redis.Redis):
        pool = client.connection_pool
        settings = _complete(pool.connection_kwargs, timeout)
        where = settings.get("path") or f"{settings.get('host', 'localhost')}:{settings.get('port', 6379)}"
        return SingleEndpoint(f"the client's server at {where}", cast(ConnectionClass, pool.connection_class), settings)
    raise ConfigError(
        f"found the client {client!r}, expected a redis.Redis or redis.RedisCluster (fq makes its own connections, also for asyncio)"
    )


def _from_cluster(client: redis.RedisCluster, slot_of: str, timeout: float) -> Endpoint:
    nodes = tuple((str(node.host), int(node.port)) for node in client.nodes_manager.startup_nodes.values())
    settings = {
        key: value for key, value in client.nodes_manager.connection_kwargs.items() if key not in ("host", "port", "connection_class")
    }
    connection_class = SSLConnection if settings.pop("ssl", False) else PlainConnection
    shown = ",".join(f"{host}:{port}" for host, port in nodes)
    return ClusterEndpoint(
        f"the client's cluster at {shown}",
        cast(ConnectionClass, connection_class),
        _complete(settings, timeout),
        _cluster_nodes(nodes),
        key_slot(slot_of.encode()),
    )
