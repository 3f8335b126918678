"""`summed`: what some counts add to each counter. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence

from fq.brokers.counters import Count


def summed(counts: Sequence[Count], ends: Mapping[str, int], now: int) -> list[tuple[str, str, int, int]]:
    """Return (bucket, name, sum, end) for each counter of *counts*. *ends* are those of buckets that exist; the others end with their first count."""
    sums: Counter[tuple[str, str]] = Counter()
    known = dict(ends)
    for each in counts:
        sums[each.bucket, each.name] += each.by
        known.setdefault(each.bucket, now + each.ttl)
    return [(bucket, name, by, known[bucket]) for (bucket, name), by in sums.items()]
