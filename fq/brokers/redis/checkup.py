"""What ``fq doctor`` has to say about a Redis or Valkey server."""

import time
from collections.abc import Mapping

from fq.brokers.findings import Finding

OLDEST = (6, 2)
SKEW = 1_000
"""So many ms between two clocks are worth a word: nothing depends on it, but timestamps made by senders are off by it."""


def checkup(info: Mapping[str, str], settings: Mapping[str, str], server_now: int, name: str) -> tuple[Finding, ...]:
    """Return what there is to say, given the server's INFO and CONFIG, its clock in ms, and its *name*."""
    return (
        _version(info, name),
        _role(info),
        _eviction(info, settings),
        _memory(info),
        _persistence(info, settings),
        _clock(server_now),
    )


def _version(info: Mapping[str, str], name: str) -> Finding:
    product = "Valkey" if "valkey_version" in info else "Redis"
    version = info.get("valkey_version") or info.get("redis_version", "0")
    found = f"{name}, {product} {version}"
    if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < OLDEST:
        return Finding("server", "bad", found, "fq needs Redis 6.2 or Valkey 7.2, or newer")
    return Finding("server", "good", found)


def _role(info: Mapping[str, str]) -> Finding:
    if info.get("role", "master") != "master":
        return Finding("role", "bad", "a replica, which nothing can be written to", "give the URL of the primary, or use redis+sentinel://")
    return Finding("role", "good", f"primary with {info.get('connected_slaves', '0')} replicas")


def _eviction(info: Mapping[str, str], settings: Mapping[str, str]) -> Finding:
    policy = settings.get("maxmemory-policy") or info.get("maxmemory_policy", "")
    if not policy:
        return Finding("eviction", "warn", "the server does not tell its maxmemory-policy", "see to it that it is noeviction")
    if policy == "noeviction":
        return Finding("eviction", "good", "noeviction")
    return Finding(
        "eviction", "bad", f"maxmemory-policy is {policy}: the server may delete messages", "CONFIG SET maxmemory-policy noeviction"
    )


def _memory(info: Mapping[str, str]) -> Finding:
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    found = f"{used / 1024**2:,.0f} MB used" + (f" of {most / 1024**2:,.0f} MB" if most else ", no limit set")
    if most and used > 0.9 * most:
        return Finding("memory", "warn", found, "raise maxmemory, or let workers catch up: a full server refuses messages")
    return Finding("memory", "good", found)


def _persistence(info: Mapping[str, str], settings: Mapping[str, str]) -> Finding:
    if info.get("aof_enabled") == "1":
        pace = settings.get("appendfsync", "everysec")
        found = f"append-only file, appendfsync {pace}"
        return Finding(
            "persistence", "good", found if pace == "always" else f"{found}: a crash of the server's machine loses up to a second or so"
        )
    if settings.get("save"):
        return Finding(
            "persistence",
            "warn",
            f"snapshots only ({settings['save']}): a crash of the server loses what came since the last",
            "CONFIG SET appendonly yes",
        )
    return Finding("persistence", "warn", "none: a restart of the server loses everything", "CONFIG SET appendonly yes")


def _clock(server_now: int) -> Finding:
    skew = server_now - time.time_ns() // 1_000_000
    found = f"the server's is {abs(skew)} ms {'ahead of' if skew > 0 else 'behind'} this host's"
    if abs(skew) > SKEW:
        return Finding("clock", "warn", found, "run NTP on both; fq goes by the server's clock, so nothing breaks")
    return Finding("clock", "good", found)
