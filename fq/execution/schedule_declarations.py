"""
What live workers declare: each publishes its schedules in a mark that ends soon after the worker.

So others can tell a schedule that no live worker declares, and a definition that none declares any more.
"""

from collections.abc import Mapping
from typing import cast

from fq.brokers.marks import MarkStore
from fq.brokers.operations import SetMarkOp
from fq.schedules.stored import StoredSchedule
from fq.wire.codec import encode_value
from fq.wire.json import loads

PUBLISH_SECONDS = 60.0
DECLARATION_TTL_MS = 150_000
"""How often a worker publishes what it declares, and how long that is believed."""

DECLARES = "declares"
"""The index of what live workers declare."""

PAGE_SIZE = 1_000

UNKNOWN = ""
"""The digest of a schedule of which an older fq has published only the name."""


def publish(broker: MarkStore, worker: str, digests: Mapping[str, str], now: int) -> None:
    """Publish what *worker* declares: the digest of each schedule by its name; none, if it ends."""
    body = encode_value(dict(digests)) if digests else None
    broker.set_marks([SetMarkOp(f"{DECLARES}:{worker}", body, ttl=DECLARATION_TTL_MS, index=DECLARES, order=now)])


def declared_names(broker: MarkStore) -> set[str]:
    """Return the names of the schedules that live workers declare."""
    return set(declarations(broker))


def is_abandoned(schedule: StoredSchedule, declared: Mapping[str, set[str]]) -> bool:
    """Does no live worker declare *schedule* as it is? *declared* is what `declarations` returns."""
    return declared.get(schedule.name, set()).isdisjoint((schedule.digest, UNKNOWN))


def declarations(broker: MarkStore) -> dict[str, set[str]]:
    """Return the digests of the schedules that live workers declare, by name."""
    found: dict[str, set[str]] = {}
    after: tuple[int, str] | None = None
    while page := broker.marks_in(DECLARES, after=after, limit=PAGE_SIZE):
        for body in {mark.body for mark in page}:
            for name, digest in _read(body).items():
                found.setdefault(name, set()).add(digest)
        after = page[-1].order, page[-1].key
    return found


def _read(body: bytes) -> Mapping[str, str]:
    """Return the digests by name; an older fq has published a list of names."""
    written = cast("dict[str, str] | list[str]", loads(body.decode()))
    return written if isinstance(written, dict) else dict.fromkeys(written, UNKNOWN)
