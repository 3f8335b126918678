"""
`broker`: the broker of the fault runs, as their environment says, the same in workers and in tests.

Environment: FQ_URL; FQ_CHAOS_PATIENCE_MS, for how long a call of a Redis broker is repeated; FQ_CHAOS_CLOCK, a file that says by how many ms the wall
clock of the host has been stepped, for SQLite. SQLite's patience is part of the URL, ``busy_timeout``.
"""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from fq.brokers import Broker, SqliteBroker, broker_from_url
from fq.brokers.clock import SystemClock
from fq.brokers.host_clocks import HostClocks, wall_ms


def broker(environment: Mapping[str, str]) -> Broker:
    """Return the broker that *environment* asks for."""
    url = environment.get("FQ_URL", "memory://")
    if clock := environment.get("FQ_CHAOS_CLOCK"):
        parts = urlsplit(url)
        busy_timeout = int(parse_qs(parts.query)["busy_timeout"][0])
        return SqliteBroker(
            parts.path[1:], busy_timeout=busy_timeout, clock=SystemClock(HostClocks(wall=lambda: wall_ms() + stepped_ms(clock)))
        )
    if patience := environment.get("FQ_CHAOS_PATIENCE_MS"):
        from fq.brokers.redis import RedisBroker

        return RedisBroker(url, patience=int(patience))
    return broker_from_url(url)


def stepped_ms(clock: str) -> int:
    """Return by how many ms the wall clock has been stepped."""
    file = Path(clock)
    return int(file.read_text() or 0) if file.exists() else 0


def step(clock: str, ms: int) -> None:
    """Step the wall clock by *ms* more, in one write for all who read it."""
    file = Path(clock)
    new = file.with_suffix(".new")
    new.write_text(str(stepped_ms(clock) + ms))
    new.replace(file)
