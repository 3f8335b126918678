"""The laws of the simulation in ``benchmarks/scaling``: no message gets lost in it, nodes add up, and a seed decides all. And its chart."""

import re
from itertools import product
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from attrs import evolve

from benchmarks.scaling import Cluster, Costs, Failure, Result, best_throughput, ceilings, simulate
from benchmarks.scaling.chart import Line, chart

COSTS = Costs()
SOME = Cluster(nodes=3, workers=2, rate=20_000, send_size=10)
CLUSTERS = {
    "waiting": Cluster(nodes=2, waiting=5_000),
    "sent": SOME,
    "more than can be done": evolve(SOME, rate=500_000, send_size=100),
    "one node": evolve(SOME, nodes=1),
    "for other shards": evolve(SOME, cross=0.3),
    "one hot shard": evolve(SOME, hot=0.5),
    "long work": evolve(SOME, rate=2_000, work=900.0),
    "a node dies": evolve(SOME, failure=Failure(at=40_000, failover=30_000, lag=5_000)),
    "a node dies and does not come back": evolve(SOME, failure=Failure(at=40_000, failover=10**9)),
    "the only node dies": evolve(SOME, nodes=1, failure=Failure(at=40_000, failover=30_000, lag=5_000)),
    "all at once": evolve(SOME, cross=0.3, hot=0.2, failure=Failure(at=40_000, failover=30_000, lag=5_000)),
}
every_cluster = pytest.mark.parametrize("cluster", CLUSTERS.values(), ids=CLUSTERS)


@every_cluster
@pytest.mark.parametrize("seed", range(3))
def test_each_message_is_somewhere(cluster: Cluster, seed: int) -> None:
    found = simulate(cluster, COSTS, 0.1, seed)

    assert found.made > 0
    assert found.made + found.again == found.done + found.stale + found.lost + found.waiting + found.held + found.moving
    assert min(found.waiting, found.held, found.moving, found.lost, found.stale) >= 0
    assert all(0 <= busy <= 1 for busy in found.busy)


@every_cluster
def test_a_seed_decides_all(cluster: Cluster) -> None:
    found = simulate(cluster, COSTS, 0.05, 7)

    assert simulate(cluster, COSTS, 0.05, 7) == found
    assert cluster.rate == 0 or simulate(cluster, COSTS, 0.05, 8) != found


def test_nothing_is_lost_or_repeated_unless_a_node_dies() -> None:
    for cluster in (cluster for cluster in CLUSTERS.values() if cluster.failure is None):
        found = simulate(cluster, COSTS, 0.05)
        assert (found.lost, found.again, found.stale) == (0, 0, 0)


@pytest.mark.parametrize(("nodes", "workers"), list(product([2, 5, 20], [2, 8])))
def test_nodes_add_up_where_no_message_concerns_another(nodes: int, workers: int) -> None:
    one = best_throughput(Cluster(workers=workers), COSTS, 0.05).throughput
    many = best_throughput(Cluster(workers=workers, nodes=nodes), COSTS, 0.05).throughput

    assert many == pytest.approx(nodes * one, rel=0.03)


@pytest.mark.parametrize("workers", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("turn_size", [64, 256])
def test_the_arithmetic_bounds_the_simulation_and_is_nearly_reached(workers: int, turn_size: int) -> None:
    cluster = Cluster(workers=workers, turn_size=turn_size)
    bound = ceilings(cluster, COSTS, sends=False).least
    found = best_throughput(cluster, COSTS, 0.2).throughput

    assert 0.75 * bound <= found <= 1.02 * bound


def test_a_hot_shard_bounds_what_is_sent_to_all() -> None:
    cluster = Cluster(nodes=10, workers=8, hot=0.3, send_size=100)
    bound = ceilings(cluster, COSTS).hot
    below, above = (simulate(evolve(cluster, rate=share * bound / 10), COSTS, 0.3) for share in (0.8, 1.5))

    assert below.wait(0.99) < above.wait(0.99)
    assert above.busy[0] > 0.99 > max(above.busy[1:])
    assert below.waiting < 0.05 * below.made
    assert above.waiting > 0.1 * above.made


def test_messages_to_other_shards_cost_throughput() -> None:
    rates = [best_throughput(Cluster(nodes=10, workers=8, cross=cross), COSTS, 0.05).throughput for cross in (0.0, 0.1, 0.5)]

    assert rates == sorted(rates, reverse=True)
    assert rates[0] > 1.5 * rates[2]


def test_more_shards_for_the_same_messages_mean_more_empty_turns() -> None:
    polls = [simulate(Cluster(nodes=nodes, workers=2, rate=2_000, send_size=10), COSTS, 0.1) for nodes in (1, 10, 30)]
    shares = [found.empty / found.turns for found in polls]

    assert shares == sorted(shares)
    assert all(found.waiting < 100 for found in polls)


DYING = Cluster(nodes=5, workers=2, rate=20_000, send_size=10, failure=Failure(at=50_000, failover=100_000, lag=0.0))


def died(lag: float, **changes: object) -> Result:
    failure = Failure(at=50_000, failover=100_000, lag=lag)
    return simulate(evolve(DYING, failure=failure, **changes), COSTS, 0.3)


def test_a_replica_that_has_everything_loses_and_repeats_nothing() -> None:
    found = died(0.0)

    assert (found.lost, found.again, found.stale) == (0, 0, 0)
    assert found.waiting < 1_000, "what waited for the replica is done"


def test_the_further_behind_a_replica_is_the_more_is_repeated() -> None:
    again = [died(lag).again for lag in (5_000.0, 15_000.0, 40_000.0)]

    assert again == sorted(again)
    assert 0 < again[0] < again[2]


def test_a_dead_node_delays_its_own_messages_and_no_others() -> None:
    found, whole = died(0.0), simulate(evolve(DYING, failure=None), COSTS, 0.3)

    assert found.wait(0.5) < 5
    assert whole.wait(0.999) < 10
    assert 50 < found.wait(0.999) < 200


# The chart.


def test_the_chart_has_a_line_and_a_name_for_each_kind() -> None:
    lines = [Line("one", {1: 0.3, 10: 3.0, 100: 30.0}), Line("two", {1: 0.3, 10: 2.0, 100: 9.0})]
    drawn = chart("A title", "A description", "", lines)
    texts = [element.text for element in ET.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]

    assert drawn == chart("A title", "A description", "", lines)
    assert {"one", "two", "nodes", "100"} <= set(texts)
    assert len(re.findall(r'class="way (?:blue|green)"', drawn)) == 2


def test_the_page_shows_the_figures_that_the_simulation_gives() -> None:
    page = (Path(__file__).parent.parent / "docs" / "scaling.md").read_text()
    row = next(line for line in page.splitlines() if line.startswith("| independent messages"))
    shown = [float(cell) for cell in row.split("|")[2:5]]
    found = [best_throughput(Cluster(nodes=nodes, workers=8), COSTS, 0.05).throughput / 1e6 for nodes in (1, 3, 10)]

    assert shown == [round(rate, 2) for rate in found]
