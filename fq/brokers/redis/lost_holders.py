"""Findings about unique keys whose holders are not there any more. The server deletes nothing by itself, unless it evicts; other programs may."""

from collections.abc import Iterator, Sequence
from itertools import islice
from shlex import quote
from typing import cast

from fq.brokers.findings import MAX_EXAMINED_KEYS, Finding, HeldKey, names_of_keys, unique_keys_finding
from fq.brokers.redis.inspection import look_for
from fq.brokers.redis.namespace import Namespace

SCAN_COUNT = 200
"""How many keys, or messages with their bodies, one command reads."""

MAX_LOCATED = 200
"""Of so many holders at most it is checked whether a queue or a worker has them: that takes some calls for each."""

MAX_LOOKS = 10
"""A message that is found nowhere in this many looks is in no queue and with no worker."""


def unique_key_findings(namespace: Namespace) -> Iterator[Finding]:
    """Yield what there is to say of the unique keys of *namespace*."""
    held = dict(islice(_held(namespace), MAX_EXAMINED_KEYS))
    gone = _still_held(namespace, _without_record(namespace, list(held.items())))
    yield unique_keys_finding(len(held), gone)
    others = [pair for pair in held.items() if pair not in gone][:MAX_LOCATED]
    if stuck := _still_held(namespace, [pair for pair in others if look_for(namespace, pair[1], MAX_LOOKS) is None]):
        found = f"{len(stuck)} held by a message that no queue and no worker has, so that it never runs: {names_of_keys(stuck)}"
        cure = f"redis-cli HDEL {quote(namespace.keys.messages)} {quote(stuck[0][1])}, for each of them, and send these calls again"
        yield Finding("unique keys", "bad", found, cure)


def _held(namespace: Namespace) -> Iterator[HeldKey]:
    cursor = b"0"
    while True:
        cursor, fields = cast(
            tuple[bytes, list[bytes]], namespace.client.command("HSCAN", namespace.keys.unique, cursor, "COUNT", SCAN_COUNT)
        )
        for key, record in zip(fields[::2], fields[1::2], strict=True):
            if holder := _holder(record):
                yield key.decode(), holder
        if cursor == b"0":
            return


def _holder(record: bytes | None) -> str:
    """Return which message holds a key, ``""`` if none does: see ``lua/unique_lib.lua``."""
    parts = (record or b"").split(b"\0")
    return parts[0].decode() if len(parts) == 5 and parts[3] == b"1" else ""


def _without_record(namespace: Namespace, held: Sequence[HeldKey]) -> list[HeldKey]:
    missing: list[HeldKey] = []
    for first in range(0, len(held), SCAN_COUNT):
        part = held[first : first + SCAN_COUNT]
        records = cast(list[bytes | None], namespace.client.command("HMGET", namespace.keys.messages, *(holder for _, holder in part)))
        missing += [pair for pair, record in zip(part, records, strict=True) if record is None]
    return missing


def _still_held(namespace: Namespace, suspects: Sequence[HeldKey]) -> list[HeldKey]:
    """Return those of *suspects* that have not ended meanwhile: a message that ends frees its key in the same step."""
    if not suspects:
        return []
    records = cast(list[bytes | None], namespace.client.command("HMGET", namespace.keys.unique, *(key for key, _ in suspects)))
    return [(key, holder) for (key, holder), record in zip(suspects, records, strict=True) if _holder(record) == holder]
