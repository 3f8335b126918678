"""SQLite: turns with few and with many waiting messages."""

from collections.abc import Iterator
from pathlib import Path

from benchmarks.peers.depths import DEPTHS, TURN, endless_messages, turns
from fq.brokers import SqliteBroker

BATCH, SECONDS = 10_000, 3.0


def rows(folder: str) -> Iterator[tuple[str, str, str]]:
    """Yield the rows of the table."""
    rates = [rate(Path(folder) / f"{waiting}-waiting.db", waiting) for waiting in DEPTHS]
    for waiting, found in zip(DEPTHS, rates, strict=True):
        yield f"turns that send, claim and acknowledge {TURN}, {waiting:,} waiting", f"{found:,.0f}/s", ""
    yield f"{DEPTHS[1]:,} waiting beside {DEPTHS[0]:,}", f"{rates[1] / rates[0]:.2f} ×", ">= 0.8 ×"


def rate(path: Path, waiting: int) -> float:
    """Return the messages per second in turns by hand, while *waiting* others wait in the same queue."""
    broker, more = SqliteBroker(path), endless_messages("default")
    for first in range(0, waiting, BATCH):
        broker.enqueue([next(more) for _ in range(min(BATCH, waiting - first))])
    try:
        return turns(broker, more, SECONDS)
    finally:
        broker.close()
