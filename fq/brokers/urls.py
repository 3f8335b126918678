"""`broker_from_url`: makes a broker from its URL. The only module that knows all brokers; it imports the one that is used."""

from difflib import get_close_matches
from urllib.parse import parse_qsl, unquote

from fq.brokers.protocol import Broker
from fq.brokers.redaction import without_password
from fq.brokers.validation import DEAD_TTL_MS
from fq.errors import ConfigError

EXPECTED = (
    "expected memory://, sqlite:///jobs.db (a relative path), sqlite:////var/lib/jobs.db (an absolute one), redis://localhost:6379/0 or another form "
    "that fq.brokers.redis.endpoint lists, postgresql://localhost/shop"
)

REDIS = ("redis", "rediss", "unix")

POSTGRES = ("postgresql", "postgres")

OPTIONS = ("synchronous", "busy_timeout", "dead_ttl")
"""The options of a SQLite URL: ``?synchronous=full&busy_timeout=5000``."""


def broker_from_url(url: str) -> Broker:
    """
    Return the broker that *url* names. Nothing connects yet.

    >>> print(broker_from_url("sqlite:////var/lib/jobs.db?busy_timeout=2000"))
    sqlite:////var/lib/jobs.db
    >>> broker_from_url("sqlite://jobs.db")
    Traceback (most recent call last):
    ...
    fq.errors.ConfigError: found sqlite://jobs.db, expected three slashes before a relative path; type: sqlite:///jobs.db

    Raises:
        ConfigError: *url* names none; says what was found, what was expected and what to type.
    """
    scheme, mark, rest = url.partition("://")
    if mark and scheme.partition("+")[0] in REDIS:
        return _redis(url)
    if mark and scheme in POSTGRES:
        return _postgres(url)
    if mark and scheme == "sqlite":
        return _sqlite(url, rest)
    if url == "memory://":
        from fq.brokers.memory import MemoryBroker

        return MemoryBroker()
    shown = without_password(url)
    raise ConfigError(f"found {shown!r} as the URL of a broker, {EXPECTED}{_hint(shown)}")


def _redis(url: str) -> Broker:
    place, mark, query = url.partition("?")
    options = parse_qsl(query, keep_blank_values=True) if "shards" in query else []
    counts = [value for name, value in options if name == "shards"]
    if not counts:
        from fq.brokers.redis import RedisBroker

        return RedisBroker(url)
    from fq.brokers.redis.shards import sharded_broker

    rest = [part for part in query.split("&") if part.partition("=")[0] != "shards"]
    return sharded_broker(f"{place}{mark if rest else ''}{'&'.join(rest)}", counts[-1])


def _postgres(url: str) -> Broker:
    try:
        from fq.brokers.postgres import PostgresBroker  # an extra
    except ImportError as error:
        raise ConfigError(
            f"found {without_password(url)}, expected psycopg to be installed ({error}); type: pip install 'fq[postgres]'"
        ) from None
    return PostgresBroker(url)


def _sqlite(url: str, rest: str) -> Broker:
    place, _, query = rest.partition("?")
    if not place.startswith("/"):
        meant = "jobs.db" if not rest or "@" in rest else rest
        raise ConfigError(f"found {without_password(url)}, expected three slashes before a relative path; type: sqlite:///{meant}")
    path = unquote(place[1:])
    if path in ("", ":memory:") or path.endswith("/"):
        raise ConfigError(f"found {url}, which names no file, expected one; type: sqlite:///jobs.db, or memory:// for none")
    from fq.brokers.sqlite.broker import BUSY_TIMEOUT_MS, SqliteBroker

    options = dict(parse_qsl(query, keep_blank_values=True))
    if unknown := sorted(set(options).difference(OPTIONS)):
        raise ConfigError(f"found {unknown[0]!r} in {url}, expected one of {', '.join(OPTIONS)}")
    synchronous = options.get("synchronous", "NORMAL").upper()
    busy_timeout = _ms(url, "busy_timeout", options.get("busy_timeout", str(BUSY_TIMEOUT_MS)))
    return SqliteBroker(
        path, synchronous=synchronous, busy_timeout=busy_timeout, dead_ttl=_ms(url, "dead_ttl", options.get("dead_ttl", str(DEAD_TTL_MS)))
    )


def _ms(url: str, name: str, found: str) -> int:
    if not found.isdecimal():
        raise ConfigError(f"found {name}={found} in {url}, expected ms, a whole number; type: {name}=15000")
    return int(found)


def _hint(url: str) -> str:
    if url.startswith(("valkey://", "valkeys://")):
        return f"; type: {url.replace('valkey', 'redis', 1)}"
    if url.startswith("memory"):
        return "; type: memory://"
    scheme, mark, rest = url.partition("://")
    if mark:
        meant = get_close_matches(scheme, ("sqlite", "memory", *REDIS), 1)
        return f"; type: {meant[0]}://{rest}" if meant else ""
    path = url.removeprefix("sqlite:")
    return f"; type: sqlite:///{path}" if path.endswith((".db", ".sqlite", ".sqlite3")) else ""
