"""Counters by bucket and name. Inside one transaction."""

from collections.abc import Sequence

from fq.brokers.counters import Count
from fq.brokers.planning.counted import summed
from fq.brokers.postgres.transaction import Transaction

FORGET = "DELETE FROM fq.counters WHERE until <= %s AND bucket = ANY (%s::text[])"

KNOWN = "SELECT bucket, max(until) FROM fq.counters WHERE bucket = ANY (%s::text[]) GROUP BY bucket"

ADD = """
    INSERT INTO fq.counters AS c (bucket, name, value, until) SELECT * FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::bigint[]) ORDER BY 1, 2
    ON CONFLICT (bucket, name) DO UPDATE SET value = c.value + excluded.value
"""

READ = "SELECT bucket, name, value FROM fq.counters WHERE bucket = ANY (%s::text[]) AND until > %s"


def count(tx: Transaction, counts: Sequence[Count]) -> None:
    """Add all *counts*. All counters of a bucket end with the first of them."""
    buckets = sorted({each.bucket for each in counts})
    tx.run(FORGET, tx.now, buckets)
    rows = summed(counts, dict(tx.rows(KNOWN, buckets)), tx.now)
    tx.run(ADD, *(list(column) for column in zip(*rows, strict=True)))


def counts(tx: Transaction, buckets: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return the counters of *buckets*."""
    found: dict[str, dict[str, int]] = {}
    for bucket, name, value in tx.rows(READ, list(dict.fromkeys(buckets)), tx.now):
        found.setdefault(bucket, {})[name] = int(value)
    return found
