"""Counters by bucket and name. Inside one transaction."""

import sqlite3
from collections.abc import Sequence

from fq.brokers.counters import Count
from fq.brokers.planning.counted import summed
from fq.brokers.sqlite.bulk_sql import from_json, to_json

FORGET = "DELETE FROM counters WHERE until <= ?1 AND bucket IN (SELECT value FROM json_each(?2))"

KNOWN = """
    SELECT json_group_object(bucket, until)
    FROM (SELECT bucket, max(until) AS until FROM json_each(?) CROSS JOIN counters WHERE bucket = json_each.value GROUP BY bucket)
"""

ADD = """
    INSERT INTO counters (bucket, name, value, until)
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'), json_extract(value, '$[3]') FROM json_each(?) WHERE true
    ON CONFLICT (bucket, name) DO UPDATE SET value = value + excluded.value
"""

READ = """
    SELECT json_group_array(json_array(bucket, name, counters.value))
    FROM json_each(?1) CROSS JOIN counters WHERE bucket = json_each.value AND until > ?2
"""


def count(connection: sqlite3.Connection, counts: Sequence[Count], now: int) -> None:
    """Add all *counts*. All counters of a bucket end with the first of them."""
    buckets = to_json(list({each.bucket for each in counts}))
    connection.execute(FORGET, (now, buckets))
    ends: dict[str, int] = from_json(connection.execute(KNOWN, (buckets,)).fetchone()[0])
    connection.execute(ADD, (to_json(summed(counts, ends, now)),))


def counts(connection: sqlite3.Connection, buckets: Sequence[str], now: int) -> dict[str, dict[str, int]]:
    """Return the counters of *buckets*."""
    found: dict[str, dict[str, int]] = {}
    for bucket, name, value in from_json(connection.execute(READ, (to_json(list(dict.fromkeys(buckets))), now)).fetchone()[0]):
        found.setdefault(bucket, {})[name] = value
    return found
