"""SQLite: turns with few and with many waiting messages."""

import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.peers.depths import DEPTHS, TURN, endless_messages
from fq.brokers import SqliteBroker
from fq.brokers.records import ClaimRequest, Commit

BATCH, SECONDS = 10_000, 3.0


def rows(folder: str) -> Iterator[tuple[str, str, str]]:
    """Yield the rows of the table."""
    rates = [turns(Path(folder) / f"{waiting}-waiting.db", waiting) for waiting in DEPTHS]
    for waiting, rate in zip(DEPTHS, rates, strict=True):
        yield f"turns that send, claim and acknowledge {TURN}, {waiting:,} waiting", f"{rate:,.0f}/s", ""
    yield f"{DEPTHS[1]:,} waiting beside {DEPTHS[0]:,}", f"{rates[1] / rates[0]:.2f} ×", ">= 0.8 ×"


def turns(path: Path, waiting: int) -> float:
    """Return the messages per second in turns by hand, while *waiting* others wait in the same queue."""
    broker, more, done = SqliteBroker(path), endless_messages("default"), 0
    for first in range(0, waiting, BATCH):
        broker.enqueue([next(more) for _ in range(min(BATCH, waiting - first))])
    commits: list[Commit] = []
    began = time.perf_counter()
    while (elapsed := time.perf_counter() - began) < SECONDS:
        broker.enqueue([next(more) for _ in range(TURN)])
        turn = broker.turn(commits, ClaimRequest("bench", ("default",), TURN))
        commits = [Commit(each.message_id, each.queue_name, each.token) for each in turn.deliveries]
        done += len(commits)
    broker.close()
    return done / elapsed
