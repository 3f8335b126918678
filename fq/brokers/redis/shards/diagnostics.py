"""Findings of ``fq doctor`` about the servers of shards: what is good once, what is not of each."""

from collections.abc import Iterator, Sequence

from fq.brokers.findings import Finding, unique_keys_finding
from fq.brokers.redis.shards.carriers import OUTBOX
from fq.brokers.redis.shards.shard import Shard


def diagnose(shards: Sequence[Shard]) -> tuple[Finding, ...]:
    """Return what there is to say of the servers of *shards*, and how their messages are spread."""
    found: dict[Finding, None] = {}
    seen: set[str] = set()
    held = 0
    for shard in shards:
        for finding in shard.diagnose():
            if finding.what == "unique keys" and finding.level == "good":
                held += int(finding.found.split()[0]) if finding.found[0].isdigit() else 0
            elif finding.level != "good" or finding.what in ("server", "role") or finding.what not in seen:
                found[finding] = None
            seen.add(finding.what)
    keys = () if any(finding.what == "unique keys" for finding in found) else (unique_keys_finding(held, ()),)
    return (*found, *keys, *_spread(shards))


def _spread(shards: Sequence[Shard]) -> Iterator[Finding]:
    counts = [_count(shard) for shard in shards]
    yield Finding("shards", "good", f"{len(shards)}, with {min(counts)} to {max(counts)} messages each")
    waiting = [shard.number for shard in shards if shard.namespace.client.command("EXISTS", shard.namespace.keys.queue(OUTBOX)[0])]
    if waiting:
        found = f"in shards {', '.join(map(str, waiting))} operations for other shards wait to be taken there"
        yield Finding("outboxes", "warn", found, "ask again in some seconds; if they still wait, start a worker, which takes them there")


def _count(shard: Shard) -> int:
    found = shard.namespace.client.command("HLEN", shard.namespace.keys.messages)
    return found if isinstance(found, int) else 0
