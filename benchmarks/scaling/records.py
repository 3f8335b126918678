"""What goes into a simulation, and what comes out of it. Times are µs, unless a name says otherwise."""

from attrs import field, frozen


@frozen
class Costs:
    """
    What one message, or one call, costs.

    The defaults are what a quiet machine needs for a drained message (``docs/performance.md``), in the proportions that ``python -m benchmarks.scaling``
    measures. That command prints the costs of your machine.

    Attributes:
        send_call, turn_call: of the processor of a server, for a call that sends, or a turn, without its messages. An empty poll is a turn.

        enqueue, claim, commit: of the processor of a server, for one message.

        outbox: the same, to write a message for another shard down, and to read it.

        client: of the processor of a worker, for one message that does nothing.

        client_call: of the processor of a worker, for one turn; 0 where that is part of *client*.

        round_trip: of the network, without the server.
    """

    send_call: float = 25.0
    turn_call: float = 72.0
    enqueue: float = 3.2
    claim: float = 1.3
    commit: float = 1.3
    outbox: float = 3.2
    client: float = 7.2
    client_call: float = 0.0
    round_trip: float = 200.0


@frozen
class Failure:
    """Node 0 dies *at* a time; its replica, which lacks the last *lag*, takes over *failover* later."""

    at: float = 300_000.0
    failover: float = 500_000.0
    lag: float = 1_000.0


@frozen
class Cluster:
    """
    Nodes with one shard each, and who works on them.

    Attributes:
        workers: worker processes for each node. Each turns over all shards.

        waiting: messages that wait in each shard at the beginning.

        rate: messages that are sent each second, for each node; in calls of *send_size* messages.

        turn_size: how many messages a turn claims at most.

        visit: how many turns a worker takes on a shard before it goes on to the next.

        cross: the share of messages whose commit sends one to another shard, by way of the outbox of its own, which is emptied each *relay*.

        hot: the share of all sends that goes to shard 0, beside its part of the rest, as with a group or a unique key that all have in common.

        work: how long an actor keeps the processor of its worker.

        failure: of node 0, if any.
    """

    nodes: int = 1
    workers: int = 4
    waiting: int = 0
    rate: float = 0.0
    send_size: int = 100
    turn_size: int = 256
    visit: int = 4
    cross: float = 0.0
    relay: float = 10_000.0
    hot: float = 0.0
    work: float = 0.0
    failure: Failure | None = None


@frozen
class Result:
    """
    What happened in so many *seconds*.

    Attributes:
        made: messages that were sent or waited at first, and those that commits sent.

        done: messages whose commit was applied; one that was delivered again counts again.

        again: messages that were delivered again after a node had died.

        stale: commits that came too late.

        lost: messages that had reached a node, and not its replica.

        waiting, held, moving: where the others are at the end: in a shard, in a worker, or in an outbox and on the way.

        turns, empty: turns that workers took, and those among them that found nothing and committed nothing.

        busy: the share of the time for which each node was at work.

        waits: how long messages waited from their send to the start of their run, ms, each with the number of messages, lowest first.
    """

    seconds: float
    made: int
    done: int
    again: int
    stale: int
    lost: int
    waiting: int
    held: int
    moving: int
    turns: int
    empty: int
    busy: tuple[float, ...] = field(repr=False)
    waits: tuple[tuple[float, int], ...] = field(repr=False)

    @property
    def throughput(self) -> float:
        """Messages done per second."""
        return self.done / self.seconds

    def wait(self, q: float) -> float:
        """Return the *q* quantile of the waits, ms; 0 if nothing ran."""
        left = q * sum(number for _, number in self.waits)
        for wait, number in self.waits:
            left -= number
            if left <= 0:
                return wait
        return self.waits[-1][0] if self.waits else 0.0
