"""
All queues, in rounds: ``python -m benchmarks peers`` measures, writes ``benchmarks/results.json``, and draws tables and chart from it.

In each round every queue is measured once; each round starts with another one. There are as many rounds as fit into the time.
"""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from attrs import Factory, define, evolve, frozen
from rich.markdown import Markdown

from benchmarks.measure import console, processor
from benchmarks.peers import ACTOR, Group, Peer
from benchmarks.peers.bench import Bench
from benchmarks.peers.depths import DEPTHS, Depth
from benchmarks.peers.environments import CACHE, CannotMeasure, environment
from benchmarks.peers.groups import GROUPS
from benchmarks.peers.page import publish, section
from benchmarks.peers.proxy import round_trip_ms, slower
from benchmarks.peers.results import FILE, Results


@frozen
class Plan:
    """
    How much to measure.

    Attributes:
        minutes: how long it may take.

        window: how long each rate is measured, in seconds.

        watch: how long an idle worker is watched, in seconds.

        delays: what a slower network adds in each direction, in ms.

        depths: how many messages wait, for the figures of fq with few and with many.

        quick: only the queues that the groups name for a quick run.
    """

    minutes: float
    window: float
    watch: float
    delays: tuple[int, ...]
    depths: tuple[int, ...]
    quick: bool = False


FULL = Plan(20, 1.0, 3.0, (1, 5), DEPTHS)
QUICK = Plan(4, 0.5, 2.0, (1,), (), quick=True)


@frozen
class Step:
    """One thing to measure: *what* it is, for the log, and the call that does it."""

    what: str
    peer: Peer
    call: Callable[[], None]


@define
class Run:
    """
    A run of the benchmarks. Mutable.

    Attributes:
        deadline: on the monotonic clock; no step begins later.

        skipped: what was not measured any more.
    """

    plan: Plan
    results: Results
    deadline: float
    benches: list[tuple[Group, Bench]] = Factory(list)
    skipped: list[str] = Factory(list)

    def rounds(self, most: int) -> int:
        """Run rounds, until another one would take too long; return how many."""
        longest = 0.0
        for number in range(most):
            began = time.monotonic()
            if number and began + longest > self.deadline:
                return number
            console.print(f"round {number + 1}", style="dim")
            self.round(number)
            self.results.about["rounds"] = number + 1
            longest = max(longest, time.monotonic() - began)
        return most

    def round(self, number: int) -> None:
        """Take all steps once."""
        for group, bench in self.benches:
            for step in steps(group, bench, self.plan, number):
                if time.monotonic() > self.deadline:
                    self.skipped.append(f"{group.name}: {step.peer.name}: {step.what}, in round {number + 1}")
                    continue
                self.take(group, step)

    def take(self, group: Group, step: Step) -> None:
        """Take one step; a queue that cannot be measured is named with the reason."""
        began = time.monotonic()
        try:
            step.call()
        except CannotMeasure as error:
            console.print(f"{group.name}: {step.peer.name}: {step.what}: {error}", style="yellow")
            failed = self.results.about.setdefault("failed", {}).setdefault(group.name, {})
            failed.setdefault(step.peer.name, f"{step.what}: {error}")
        console.print(f"  {group.name}: {step.peer.name}: {step.what}: {time.monotonic() - began:.1f} s", style="dim")


def steps(group: Group, bench: Bench, plan: Plan, number: int) -> Iterator[Step]:
    """Yield the steps of a round."""
    for peer in rotated(group.peers, number):
        for colour in peer.colours:
            yield Step(f"drain {colour}", peer, lambda peer=peer, colour=colour: bench.drain(peer, colour))  # type: ignore[misc]  # called at once
        if peer.bound:
            continue
        yield Step("send", peer, lambda peer=peer: bench.send(peer))  # type: ignore[misc]  # as above
        yield Step("wait", peer, lambda peer=peer: bench.wait(peer, plan.watch))  # type: ignore[misc]  # as above
        if peer.name == "fq":
            yield Step("drain, two processes", peer, lambda peer=peer: bench.drain(peer, "sync", 2))  # type: ignore[misc]  # as above
    yield from far(group, bench, plan, number)
    yield from deep(group, bench, plan)


def far(group: Group, bench: Bench, plan: Plan, number: int) -> Iterator[Step]:
    """Yield the steps behind a slower network."""
    for milliseconds in plan.delays:
        for peer in rotated(group.only(group.near).peers, number):
            yield Step(f"{milliseconds} ms", peer, lambda peer=peer, delay=milliseconds: behind(bench, peer, delay))  # type: ignore[misc]  # as above


def behind(bench: Bench, peer: Peer, milliseconds: int) -> None:
    """Measure *peer* with *milliseconds* more between it and the store, in each direction."""
    with slower(bench.store.url, milliseconds / 1_000) as url:
        if url.startswith("redis"):
            trips = bench.results.about.setdefault("round trips", {})
            trips.setdefault("0 ms", round(round_trip_ms(bench.store.url), 3))
            trips.setdefault(f"{milliseconds} ms", round(round_trip_ms(url), 3))
        there = evolve(bench, url=url, condition=f"{milliseconds} ms", rates={})
        for colour in peer.colours:
            if (peer.name, colour) in bench.rates:
                there.rates[peer.name, colour] = bench.rates[peer.name, colour] / 2
            there.drain(peer, colour)
        if not peer.bound:
            there.send(peer)
            there.pick_up(peer)


def deep(group: Group, bench: Bench, plan: Plan) -> Iterator[Step]:
    """Yield the steps with many waiting messages."""
    if group.name == "redis" and "fq" in bench.bins:
        for waiting in plan.depths:
            yield Step(f"{waiting:,} waiting", group.peers[0], Depth(bench, waiting).measure)


def rotated(peers: Sequence[Peer], number: int) -> Sequence[Peer]:
    """Return *peers*, another one first in each round."""
    first = number * (1 + len(peers) // 3) % len(peers) if peers else 0
    return [*peers[first:], *peers[:first]]


def prepare(group: Group, results: Results) -> tuple[Group, dict[str, Path]]:
    """Return those of *group* that can be measured here, and the programs of each; note why the others cannot."""
    bins: dict[str, Path] = {}
    for peer in group.peers:
        try:
            bins[peer.name] = environment(peer)
        except CannotMeasure as error:
            console.print(f"{peer.name} is left out: {error}", style="yellow")
            results.about.setdefault("left out", {}).setdefault(group.name, {})[peer.name] = str(error)
    return group.only(bins), bins


def describe(group: Group, bench: Bench) -> None:
    """Note the store, and the queues with their versions and settings."""
    about = bench.results.about
    about.setdefault("stores", {})[group.name] = bench.store.about
    queues = about.setdefault("queues", {}).setdefault(group.name, {})
    for peer in group.peers:
        versions = bench.ask(peer, "versions")
        queues[peer.name] = {"versions": versions, "settings": peer.settings, "bound": peer.bound}
        console.print(
            f"  {peer.name}: {', '.join(f'{name} {version}' for name, version in versions.items())}; {peer.settings}", soft_wrap=True
        )


def known_rates(group: Group) -> dict[tuple[str, str], float]:
    """Return what the queues of *group* drained in the published run: a first guess of how many messages a run needs."""
    published = Results.read()
    names = {
        (peer.name, colour): published.middle(group.name, "", f"drain {colour}", peer.name) for peer in group.peers for colour in ACTOR
    }
    return {name: rate for name, rate in names.items() if rate}


def machine() -> dict[str, object]:
    """Return what is known of this machine."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "load": round(os.getloadavg()[0], 1),
        "date": datetime.now(UTC).date().isoformat(),
    }


def chosen(options: argparse.Namespace, plan: Plan) -> Iterator[Group]:
    """Yield the groups to measure, with those of their queues that were asked for."""
    for group in GROUPS:
        if options.groups and group.name not in options.groups:
            continue
        names = options.only or (group.quick if plan.quick else [peer.name for peer in group.peers])
        yield group.only(names)


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """Return the options of the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks peers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="four minutes, with the fastest queues only")
    parser.add_argument("--minutes", type=float, help=f"how long it may take; default {FULL.minutes}, or {QUICK.minutes}")
    parser.add_argument(
        "--window", type=float, help=f"how long each rate is measured, in seconds; default {FULL.window}, or {QUICK.window}"
    )
    parser.add_argument("--rounds", type=int, default=9, help="number of rounds at most; default 9")
    parser.add_argument("--groups", nargs="*", default=[], help=f"of {', '.join(group.name for group in GROUPS)}; default all")
    parser.add_argument("--only", nargs="*", default=[], help="names of the queues to measure; default all")
    parser.add_argument("--output", type=Path, help="the JSON file to write; default .bench/results.json")
    parser.add_argument("--publish", action="store_true", help=f"write {FILE.name}, docs/performance.md, README.md and the chart")
    return parser.parse_args([] if arguments is None else arguments)


def main(arguments: list[str] | None = None) -> None:
    """Measure, and write the results."""
    options = parsed(arguments)
    plan = QUICK if options.quick else FULL
    plan = evolve(plan, minutes=options.minutes or plan.minutes, window=options.window or plan.window)
    results = Results({"machine": machine(), "plan": {"window": plan.window, "quick": plan.quick}})
    with ExitStack() as stack:
        prepared = [prepare(group, results) for group in chosen(options, plan)]
        run = Run(plan, results, time.monotonic() + plan.minutes * 60)
        for group, bins in prepared:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            bench = Bench(group.name, stack.enter_context(group.open()), folder, bins, plan.window, results)
            describe(group, bench)
            bench.rates |= known_rates(group)
            run.benches.append((group, bench))
        run.rounds(options.rounds)
    results.about["skipped"] = run.skipped
    results.write(FILE if options.publish else options.output or CACHE / "results.json")
    if options.publish:
        publish(Results.read())  # as the file has them, which rounds
    console.print(Markdown(section(results)))
