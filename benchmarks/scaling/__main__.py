"""Print the tables of ``docs/scaling.md``, and draw its chart: ``--costs`` measures those of this machine, ``--draw`` writes the chart."""

import argparse
import re
from pathlib import Path

from attrs import asdict, evolve

from benchmarks.measure import console, matrix
from benchmarks.scaling.chart import Line, chart
from benchmarks.scaling.engine import simulate
from benchmarks.scaling.figures import best_throughput, ceilings
from benchmarks.scaling.records import Cluster, Costs, Failure

NODES = (1, 3, 10, 30, 100)
PICTURES = Path(__file__).parent.parent.parent / "docs" / "pictures"
KINDS = {
    "independent messages": Cluster(workers=8),
    "1 in 10 for another shard": Cluster(workers=8, cross=0.1),
    "1 in 2 for another shard": Cluster(workers=8, cross=0.5),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument(
        "--costs", action="store_true", help="measure the costs of this machine, and compare a real drain with its simulation"
    )
    parser.add_argument("--draw", action="store_true", help="write docs/pictures/scaling.svg")
    options = parser.parse_args()
    if options.costs:
        print_costs()
        return
    lines = throughputs(Costs())
    print_latencies(Costs())
    print_failure(Costs())
    if options.draw:
        draw(lines)


def print_costs() -> None:
    from benchmarks.scaling.measured import measure, simulated

    costs, drained = measure()
    found = simulated(costs, drained)
    matrix("costs of this machine, µs", ["what", "µs"], [(name, f"{value:.1f}") for name, value in asdict(costs).items()])
    rows = [(name, f"{value:.4f}", f"{getattr(found, name):.4f}") for name, value in asdict(drained).items()]
    matrix("a drain by one worker, per message", ["", "measured", "simulated"], rows)


def throughputs(costs: Costs) -> list[Line]:
    """Print, and return, how much each kind of traffic lets so many nodes do."""
    lines = []
    for name, cluster in KINDS.items():
        found = {nodes: best_throughput(evolve(cluster, nodes=nodes), costs, 0.05).throughput / 1e6 for nodes in NODES}
        lines.append(Line(name, found))
    hot = {
        nodes: min(ceilings(Cluster(nodes=nodes, workers=8, hot=0.05), costs, sends=False).least / 1e6, lines[0].values[nodes])
        for nodes in NODES
    }
    lines.append(Line("1 in 20 of one group", hot))
    matrix(
        "million messages a second", ["nodes", *map(str, NODES)], [(line.name, *(f"{line.values[n]:.2f}" for n in NODES)) for line in lines]
    )
    return lines


def print_latencies(costs: Costs) -> None:
    rows = []
    for nodes in NODES:
        for rate in (2_000, 50_000, 100_000):
            cluster = Cluster(nodes=nodes, workers=2, rate=rate, send_size=10)
            found = simulate(cluster, costs, 0.1)
            waits = [f"{found.wait(q):.1f}" for q in (0.5, 0.99, 0.999)]
            polls = f"{found.empty / found.turns:.0%}" if found.turns else ""
            rows.append(
                (str(nodes), f"{rate:,}", *waits, polls, f"{sum(found.busy) / nodes:.0%}", f"{ceilings(cluster, costs).connections:,}")
            )
    matrix(
        "latency",
        ["nodes", "sent a second and node", "p50 ms", "p99", "p99.9", "empty turns", "servers at work", "connections a node"],
        rows,
    )


def print_failure(costs: Costs) -> None:
    rows = []
    for nodes in (3, 10, 30):
        for lag in (0.0, 1_000.0, 10_000.0):
            cluster = Cluster(nodes=nodes, workers=2, rate=20_000, send_size=10, failure=Failure(at=100_000, failover=300_000, lag=lag))
            found = simulate(cluster, costs, 0.6)
            waits = [f"{found.wait(q):.0f}" for q in (0.5, 0.99, 0.999)]
            rows.append((str(nodes), f"{lag / 1e3:g}", f"{found.lost:,}", f"{found.again:,}", f"{found.stale:,}", *waits))
    matrix(
        "one node dies, its replica takes over after 300 ms", ["nodes", "lag ms", "lost", "again", "stale", "p50 ms", "p99", "p99.9"], rows
    )


def draw(lines: list[Line]) -> None:
    style = re.search(r"<style>(.*?)</style>", (PICTURES / "life.svg").read_text(), re.DOTALL)
    assert style is not None
    independent = lines[0].values
    rates = f"One node does {independent[1]:.2f} million messages a second, 100 nodes {independent[100]:.0f} million"
    description = f"{rates}, if no message concerns another shard. Messages for other shards, and those of one group, make it less."
    title = "Messages a second by the number of nodes, simulated"
    (PICTURES / "scaling.svg").write_text(chart(title, description, style[1], lines))
    console.print("docs/pictures/scaling.svg")


main()
