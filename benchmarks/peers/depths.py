"""fq on Redis with few and with many waiting messages: drained while a producer replaces what is done, sent to, and idle beside them."""

import time
from collections.abc import Iterator

from attrs import evolve, frozen

from benchmarks.peers import Peer
from benchmarks.peers.bench import Bench
from benchmarks.peers.on_redis import FQ
from fq.brokers.protocol import Broker
from fq.brokers.records import ClaimRequest, Commit, EnqueueOp
from fq.brokers.redis import RedisBroker
from fq.core.message import Message
from fq.wire.codec import encode

DEPTHS = (1_000, 1_000_000)
BATCH, TURN = 1_000, 256
ELSEWHERE = "elsewhere"
"""The queue of the messages that wait while a worker of another queue has nothing to do."""

APART: Peer = evolve(FQ, worker=(*FQ.worker, "--queues", "default"))


def endless_messages(queue: str) -> Iterator[EnqueueOp]:
    """Yield messages for the actor ``noop``, each with an id of its own, without end."""
    message = Message(message_id="THE-ID", actor_name="noop", queue_name=queue, message_timestamp=time.time_ns() // 1_000_000)
    head, tail = encode(message).split(b"THE-ID")
    number = 0
    while True:
        number += 1
        message_id = f"{number:036d}"
        yield EnqueueOp(message_id, queue, "noop", 0, 0, head + message_id.encode() + tail)


def turns(broker: Broker, more: Iterator[EnqueueOp], seconds: float) -> float:
    """Return the messages per second in turns by hand, each of which sends, claims and acknowledges 256."""
    request, done = ClaimRequest("bench", ("default",), TURN), 0
    commits: list[Commit] = []
    began = time.perf_counter()
    while (elapsed := time.perf_counter() - began) < seconds:
        broker.enqueue([next(more) for _ in range(TURN)])
        turn = broker.turn(commits, request)
        commits = [Commit(delivery.message_id, delivery.queue_name, delivery.token) for delivery in turn.deliveries]
        done += len(commits)
    broker.turn(commits, evolve(request, limit=0))
    return done / elapsed


@frozen
class Depth:
    """Measures fq with *waiting* messages."""

    bench: Bench
    waiting: int

    def measure(self) -> None:
        """Record all figures of this depth."""
        bench = evolve(self.bench, condition=f"{self.waiting:,} waiting")
        bench.rates = self.bench.rates
        broker = RedisBroker(bench.store.url)
        more = self.fill(broker, "default")
        bench.record(FQ, {"turns": turns(broker, more, bench.window)})
        bench.record(FQ, {"steady": self.steady(bench, broker, more)})
        broker.close()
        bench.record(FQ, bench.ask(FQ, "sends", bench.window / 2))
        self.idle(bench)

    def fill(self, broker: RedisBroker, queue: str) -> Iterator[EnqueueOp]:
        """Let *waiting* messages be all that there is; return more of them."""
        self.bench.store.clear()
        more = endless_messages(queue)
        for _ in range(self.waiting // BATCH):
            broker.enqueue([next(more) for _ in range(BATCH)])
        return more

    def steady(self, bench: Bench, broker: RedisBroker, more: Iterator[EnqueueOp]) -> float:
        """Return the messages per second of one worker, beside a producer that replaces what is done."""
        sent = FQ.left(bench.store)

        def top_up(seconds: float) -> None:
            nonlocal sent
            deadline = time.perf_counter() + seconds
            while time.perf_counter() < deadline:
                if FQ.left(bench.store) >= self.waiting + 2 * BATCH:
                    time.sleep(0.001)
                    continue
                broker.enqueue([next(more) for _ in range(BATCH)])
                sent += BATCH

        with bench.worker(FQ):
            bench.until(FQ, lambda: FQ.left(bench.store) < sent, 0.002)
            top_up(0.5)  # until the worker has reached its full speed
            began, before = time.perf_counter(), sent - FQ.left(bench.store)
            top_up(bench.window)
            return (sent - FQ.left(bench.store) - before) / (time.perf_counter() - began)

    def idle(self, bench: Bench) -> None:
        """Record the delays and the memory of a worker with nothing to do, while the messages wait in a queue that it does not serve."""
        broker = RedisBroker(bench.store.url)
        self.fill(broker, ELSEWHERE)
        broker.close()
        with bench.awake(APART) as process:
            bench.watch(APART, process, 1.0)
            bench.start_times(APART)
