"""
Where the server is: a URL, or a client of redis-py, becomes a `Place`, which opens connections to whoever is in charge at the moment (see `connect`).

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
from fq.brokers.redis.connections import TIMEOUTS, Address, ByCluster, BySentinel, Guides, Kind, OneServer, Place, Settings
from fq.errors import ConfigError

EXPECTED = "redis://host:6379/0, rediss://…, unix:///path, redis+sentinel://host:26379/mymaster or redis+cluster://host:6379"

OURS: Settings = {
    "protocol": 2,
    "decode_responses": False,
    "health_check_interval": 0,
    "retry_on_timeout": False,
    "retry_on_error": [],
}
"""What fq decides about its connections, whoever set them up: repeating calls is up to ``fq.brokers.redis.client``."""


def _ours(settings: Settings, timeout: float) -> dict[str, object]:
    timeouts = {name: settings.get(name) or timeout for name in TIMEOUTS}
    return {**settings, **OURS, **timeouts, "retry": Retry(NoBackoff(), 0)}


def from_url(url: str, slot_of: str, timeout: float) -> Place:
    """
    Return the place that *url* names; *slot_of* is a key of the namespace, *timeout* in seconds.

    Raises:
        ConfigError: the URL is none of the known forms.
    """
    shown = without_password(url)
    scheme, mark, _ = url.partition("://")
    kind, _, how = scheme.partition("+")
    if not mark or kind not in ("redis", "rediss", "unix") or how not in ("", "sentinel", "cluster") or (how and kind == "unix"):
        raise ConfigError(f"found the URL {shown!r}, expected one such as {EXPECTED}")
    try:
        if not how:
            return OneServer(shown, *_parsed(url, timeout))
        return _several(url, slot_of, timeout)
    except (ValueError, RedisError) as error:
        raise ConfigError(f"found the URL {shown!r}: {_reason(error, url)}; expected one such as {EXPECTED}") from None


def _reason(error: Exception, url: str) -> str:
    """Return what is wrong with *url*; of what might be a part of a password, nothing."""
    if "@" in url and not isinstance(error, _Telling):
        return "it cannot be read; in user and password, write / as %2F, @ as %40, ? as %3F, # as %23"
    return str(error)


class _Telling(ValueError):
    """An error whose text repeats nothing but the names of options."""


def _parsed(url: str, timeout: float) -> tuple[Kind, Settings]:
    path = urlsplit(url).path.strip("/")
    if not url.startswith("unix") and path and not path.isdigit():
        raise ValueError(f"the database {path!r} is not a number")
    pool = ConnectionPool.from_url(url)
    settings = _ours(pool.connection_kwargs, timeout)
    if not url.startswith("unix"):
        settings.setdefault("socket_keepalive", True)
    return _tried(cast(Kind, pool.connection_class), settings, url), settings


def _tried(kind: Kind, settings: Settings, url: str) -> Kind:
    """Return *kind*, of which a connection, not yet connected, can be made with *settings*: else an option in *url* is wrong."""
    try:
        kind(**settings)
    except (TypeError, AttributeError) as error:
        names = ", ".join(name for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True))
        raise _Telling(f"among its options ({names}) is one that redis-py does not know, or not with TLS or a socket: {error}") from None
    except RedisError as error:
        raise _Telling(str(error)) from None
    return kind


def _several(url: str, slot_of: str, timeout: float) -> Place:
    shown = without_password(url)
    scheme, _, rest = url.partition("://")
    kind, _, how = scheme.partition("+")
    parts = urlsplit(f"{kind}://{rest}")
    login, _, hosts = parts.netloc.rpartition("@")
    query = dict(parse_qsl(parts.query))
    own = {key.removeprefix("sentinel_"): query.pop(key) for key in ("sentinel_username", "sentinel_password") if key in query}
    path = [unquote(step) for step in parts.path.split("/") if step]
    plain = f"{kind}://{login + '@' if login else ''}host"
    if how == "cluster":
        if path not in ([], ["0"]):
            raise ValueError(f"a cluster has no database {'/'.join(path)!r}")
        make, settings = _parsed(f"{plain}?{urlencode(query)}", timeout)
        return ByCluster(shown, make, settings, _nodes(_addresses(hosts, 6379)), key_slot(slot_of.encode()))
    if not path or len(path) > 2:
        raise ValueError("after the sentinels comes the master's name, as in /mymaster/0")
    make, settings = _parsed(f"{plain}/{path[1] if len(path) > 1 else 0}?{urlencode(query)}", timeout)
    without_login = {key: value for key, value in settings.items() if key not in ("username", "password", "db")}
    sentinels = Guides(_addresses(hosts, 26379), "no sentinel names a master")
    return BySentinel(shown, make, settings, sentinels, path[0], {**without_login, **own})


def _nodes(addresses: tuple[Address, ...]) -> Guides:
    return Guides(addresses, "no node of the cluster answers for fq's slot")


def _addresses(hosts: str, port: int) -> tuple[Address, ...]:
    parts = [urlsplit(f"//{host}") for host in hosts.split(",") if host]
    if not parts:
        raise ValueError("it names no host")
    return tuple((part.hostname or "localhost", part.port or port) for part in parts)


def from_client(client: object, slot_of: str, timeout: float) -> Place:
    """
    Return the place that *client*, a `redis.Redis` or `redis.RedisCluster`, talks to; connections are fq's own, with the client's settings.

    Where those have no timeouts, *timeout*, in seconds, is theirs: a producer must not wait for ever.

    Raises:
        ConfigError: it is something else.
    """
    if isinstance(client, redis.RedisCluster):
        return _from_cluster(client, slot_of, timeout)
    if isinstance(client, redis.Redis):
        pool = client.connection_pool
        settings = _ours(pool.connection_kwargs, timeout)
        where = settings.get("path") or f"{settings.get('host', 'localhost')}:{settings.get('port', 6379)}"
        return OneServer(f"the client's server at {where}", cast(Kind, pool.connection_class), settings)
    raise ConfigError(
        f"found the client {client!r}, expected a redis.Redis or redis.RedisCluster (fq makes its own connections, also for asyncio)"
    )


def _from_cluster(client: redis.RedisCluster, slot_of: str, timeout: float) -> Place:
    nodes = tuple((str(node.host), int(node.port)) for node in client.nodes_manager.startup_nodes.values())
    settings = {
        key: value for key, value in client.nodes_manager.connection_kwargs.items() if key not in ("host", "port", "connection_class")
    }
    kind = SSLConnection if settings.pop("ssl", False) else PlainConnection
    shown = ",".join(f"{host}:{port}" for host, port in nodes)
    return ByCluster(
        f"the client's cluster at {shown}", cast(Kind, kind), _ours(settings, timeout), _nodes(nodes), key_slot(slot_of.encode())
    )
