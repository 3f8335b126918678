"""The URL of a `PostgresBroker`: one of libpq, with options of fq among its own. Pure."""

from urllib.parse import parse_qsl, quote, urlencode

from attrs import field, frozen

from fq.brokers.redaction import without_password
from fq.brokers.validation import DEAD_TTL_MS
from fq.errors import ConfigError

DEFAULT_SCHEMA = "fq"

DEFAULT_POLL_MS = 500

DEFAULT_LOCK_TIMEOUT_MS = 15_000

OWN = ("schema", "listen", "poll", "lock_timeout", "dead_ttl")
"""The options of fq; all others are libpq's."""

MAX_SCHEMA_BYTES = 63

FORBIDDEN = frozenset('":%')
"""What the name of a schema may not have, since it becomes part of statements."""


@frozen
class Options:
    """What a URL says: the *dsn* for libpq, and the options of fq. *shown* is the URL as it may be shown to people."""

    dsn: str = field(repr=False)
    shown: str
    schema: str = DEFAULT_SCHEMA
    listen: bool = True
    poll: int = DEFAULT_POLL_MS
    lock_timeout: int = DEFAULT_LOCK_TIMEOUT_MS
    dead_ttl: int = DEAD_TTL_MS


def read_url(url: str) -> Options:
    """
    Return what *url* says.

    >>> read_url("postgres://db.example/shop?schema=jobs&listen=false&sslmode=require").dsn
    'postgresql://db.example/shop?sslmode=require'

    Raises:
        ConfigError: an option of fq has a value that it cannot have.
    """
    place, _, query = url.partition("?")
    place = f"postgresql://{place.partition('://')[2]}"
    options = dict(parse_qsl(query, keep_blank_values=True))
    own = {name: options.pop(name) for name in OWN if name in options}
    dsn = f"{place}?{urlencode(options, quote_via=quote)}" if options else place
    shown = without_password(dsn) + (f"{'&' if options else '?'}{urlencode(own)}" if own else "")
    schema = own.pop("schema", DEFAULT_SCHEMA)
    if (
        not schema
        or not schema.isprintable()
        or not FORBIDDEN.isdisjoint(schema)
        or len(schema.encode()) > MAX_SCHEMA_BYTES
        or schema.startswith("pg_")
    ):
        raise ConfigError(f"found schema={schema!r} in {shown}, expected the name of a schema of at most 63 bytes; type: schema=fq")
    listen = own.pop("listen", "true")
    if listen not in ("true", "false"):
        raise ConfigError(f"found listen={listen} in {shown}, expected true or false; type: listen=false for a pool such as PgBouncer")
    poll = _ms(shown, "poll", own.pop("poll", str(DEFAULT_POLL_MS)))
    lock_timeout = _ms(shown, "lock_timeout", own.pop("lock_timeout", str(DEFAULT_LOCK_TIMEOUT_MS)))
    dead_ttl = _ms(shown, "dead_ttl", own.pop("dead_ttl", str(DEAD_TTL_MS)))
    return Options(dsn, shown, schema, listen == "true", max(1, poll), lock_timeout, dead_ttl)


def _ms(shown: str, name: str, found: str) -> int:
    if not found.isdecimal():
        raise ConfigError(f"found {name}={found} in {shown}, expected ms, a whole number; type: {name}=15000")
    return int(found)
