"""Findings of ``fq doctor`` about a Redis or Valkey server."""

import time
from collections.abc import Callable, Iterable, Mapping

from fq.brokers.findings import Finding, refusal
from fq.brokers.redis import inspection
from fq.brokers.redis.lost_holders import unique_key_findings
from fq.brokers.redis.namespace import Namespace
from fq.errors import BrokerError, BrokerUnavailable

MIN_VERSION = (6, 2)

MAX_SKEW_MS = 1_000
"""A larger difference between two clocks is reported: nothing depends on it, but timestamps made by senders are off by it."""


def diagnose(namespace: Namespace, ask_time: Callable[[], int]) -> tuple[Finding, ...]:
    """
    Return what there is to say about the server of *namespace*; a question that it refuses is a finding by itself. *ask_time* returns its clock, ms.

    Raises:
        BrokerError: nothing can be asked at all.
    """
    questions: dict[str, Callable[[], Iterable[Finding]]] = {
        "server": lambda: server_findings(inspection.info(namespace), inspection.settings(namespace), namespace.client.endpoint.name),
        "clock": lambda: (clock_finding(ask_time(), time.time_ns() // 1_000_000),),
        "keys": lambda: (_keys(namespace),),
        "unique keys": lambda: unique_key_findings(namespace),
    }
    findings: list[Finding] = []
    refused: dict[str, BrokerError] = {}
    for what, ask in questions.items():
        try:
            findings += ask()
        except BrokerError as error:
            refused[what] = error
            if isinstance(error, BrokerUnavailable):
                break  # the next question would wait as long
    if not findings:
        raise next(iter(refused.values()))
    return (*findings, *(refusal(what, error) for what, error in refused.items()))


def server_findings(info: Mapping[str, str], settings: Mapping[str, str], name: str) -> tuple[Finding, ...]:
    """Return what there is to say, given the *name* of a server, its INFO and its CONFIG, which is empty where the server refuses to tell."""
    return (_version(info, name), _role(info), _eviction(info, settings), _memory(info), _persistence(info, settings))


def _keys(namespace: Namespace) -> Finding:
    """Run a script that checks the types of the keys that a namespace has once, and does nothing else."""
    namespace.run_for("queue_stats", ())
    return Finding("keys", "good", f"{namespace.keys.prefix}*, scripts run")


def _version(info: Mapping[str, str], name: str) -> Finding:
    product = "Valkey" if "valkey_version" in info else "Redis"
    version = info.get("valkey_version") or info.get("redis_version", "0")
    found = f"{name}, {product} {version}"
    if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < MIN_VERSION:
        return Finding("server", "bad", found, "fq needs Redis 6.2 or Valkey 7.2, or newer")
    return Finding("server", "good", found)


def _role(info: Mapping[str, str]) -> Finding:
    if info.get("role", "master") != "master":
        return Finding("role", "bad", "a replica, which accepts no writes", "give the URL of the primary, or use redis+sentinel://")
    return Finding("role", "good", f"primary, connected replicas: {info.get('connected_slaves', '0')}")


def _eviction(info: Mapping[str, str], settings: Mapping[str, str]) -> Finding:
    policy = settings.get("maxmemory-policy") or info.get("maxmemory_policy", "")
    if not policy:
        return Finding("eviction", "warn", "the server does not reveal its maxmemory-policy", "make sure that it is noeviction")
    if policy == "noeviction":
        return Finding("eviction", "good", "noeviction")
    return Finding(
        "eviction", "bad", f"maxmemory-policy is {policy}: the server may delete messages", "CONFIG SET maxmemory-policy noeviction"
    )


def _memory(info: Mapping[str, str]) -> Finding:
    used, limit = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    found = f"{used / 1024**2:,.0f} MB used" + (f" of {limit / 1024**2:,.0f} MB" if limit else ", no limit set")
    if limit and used > 0.9 * limit:
        return Finding("memory", "warn", found, "raise maxmemory, or let workers catch up: a full server refuses messages")
    return Finding("memory", "good", found)


def _persistence(info: Mapping[str, str], settings: Mapping[str, str]) -> Finding:
    if info.get("aof_enabled") == "1":
        fsync = settings.get("appendfsync", "unknown")
        found = f"append-only file, appendfsync {fsync}"
        return Finding(
            "persistence", "good", found if fsync == "always" else f"{found}: a crash of the server's machine loses up to about a second"
        )
    if settings.get("save"):
        return Finding(
            "persistence",
            "warn",
            f"snapshots only ({settings['save']}): a crash of the server loses everything since the latest snapshot",
            "CONFIG SET appendonly yes",
        )
    if not settings:
        return Finding(
            "persistence",
            "warn",
            "no append-only file; the server does not reveal whether it takes snapshots",
            "make sure that appendonly is yes",
        )
    return Finding("persistence", "warn", "none: a restart of the server loses everything", "CONFIG SET appendonly yes")


def clock_finding(server_now: int, host_now: int) -> Finding:
    """Return what there is to say about the server's clock beside that of this host, both in ms."""
    skew = server_now - host_now
    found = f"the server's clock is {abs(skew)} ms {'ahead of' if skew > 0 else 'behind'} this host's"
    if abs(skew) > MAX_SKEW_MS:
        return Finding("clock", "warn", found, "run NTP on both hosts; fq uses the server's clock, so nothing breaks")
    return Finding("clock", "good", found)
