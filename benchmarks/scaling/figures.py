"""The arithmetic: what one node, one worker and one hot key allow. The simulation has to agree with it, as ``tests/test_scaling.py`` checks."""

from attrs import evolve, frozen

from benchmarks.scaling.engine import simulate
from benchmarks.scaling.records import Cluster, Costs, Result


@frozen
class Ceilings:
    """
    What bounds a cluster: messages a second for all its nodes together.

    Attributes:
        servers: that the processors of the servers allow.

        workers: that the workers allow, each of which does one turn after the other.

        hot: that the node with the hot key allows; infinite if there is none.

        connections: that each node has: one for turns and one to listen for each worker.
    """

    servers: float
    workers: float
    hot: float
    connections: int

    @property
    def least(self) -> float:
        """The one that holds."""
        return min(self.servers, self.workers, self.hot)


def server_cost(cluster: Cluster, costs: Costs, sends: bool = True) -> float:
    """Return what a message costs the server, µs, if calls and turns are full. A message to another shard is written down, read, and sent once more."""
    own = costs.claim + costs.commit + costs.turn_call / cluster.turn_size * (cluster.visit + 1) / cluster.visit
    sent = costs.enqueue + costs.send_call / cluster.send_size if sends else 0.0
    return own + sent + cluster.cross * 2 * costs.outbox


def worker_time(cluster: Cluster, costs: Costs) -> float:
    """Return how long a worker takes for a message, µs, if turns are full and servers idle. The last turn of a visit commits, and claims nothing."""
    size, visit = cluster.turn_size, cluster.visit
    full = costs.round_trip + costs.turn_call + costs.client_call + (costs.claim + costs.commit + costs.client + cluster.work) * size
    return (visit * full + costs.round_trip + costs.turn_call + costs.client_call) / (visit * size)


def ceilings(cluster: Cluster, costs: Costs, sends: bool = True) -> Ceilings:
    """
    Return what bounds *cluster*, of whose messages each is sent, too, unless they wait already.

    >>> ceilings(Cluster(nodes=100, workers=4), Costs()).connections
    800
    """
    of_node = 1e6 / server_cost(cluster, costs, sends)
    share = cluster.hot + (1 - cluster.hot) / cluster.nodes
    return Ceilings(
        servers=cluster.nodes * of_node,
        workers=cluster.nodes * cluster.workers * 1e6 / worker_time(cluster, costs),
        hot=of_node / share if cluster.hot else float("inf"),
        connections=2 * cluster.workers * cluster.nodes,
    )


def best_throughput(cluster: Cluster, costs: Costs, seconds: float = 0.1, seed: int = 1) -> Result:
    """Return what *cluster* does when there is more waiting than it can do in so many *seconds*."""
    enough = int(2 * seconds * ceilings(cluster, costs, sends=False).servers / cluster.nodes)
    return simulate(evolve(cluster, waiting=enough, rate=0.0), costs, seconds, seed)
