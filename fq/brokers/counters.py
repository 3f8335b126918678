"""`CounterStore`: counters that a broker keeps, by bucket (a minute, an hour) and name. Workers add to them; charts read them."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from attrs import frozen


@frozen
class Count:
    """Add *by* to the counter *name* of *bucket*. A bucket is deleted *ttl* ms after the first addition to it, or later."""

    bucket: str
    name: str
    by: int
    ttl: int


class CounterStore(Protocol):
    """Keeps counters. They are statistics: a call that is repeated because its reply was lost may count twice."""

    def count(self, counts: Sequence[Count]) -> None:
        """Add all *counts*."""

    def counts(self, buckets: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
        """Return the counters of *buckets*, by bucket and name. A bucket without counters is left out."""
        ...
