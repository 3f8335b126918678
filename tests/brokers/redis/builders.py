"""Short ways to say what these tests say over and over; those for all brokers are in ``tests/brokers/builders.py``."""

from collections.abc import Sequence

import redis
from attrs import evolve

from fq.brokers.records import ACK, ClaimRequest, Commit, Delivery, Disposition, Operation, StoreResultOp, Turn
from fq.brokers.redis import RedisBroker
from tests.brokers.builders import enqueue_op

BODY = b'{"message_id":"m","actor_name":"act","queue_name":"q","args":[1,2],"kwargs":{},"options":{},"priority":0}'


def fill(broker: RedisBroker, count: int, queue: str = "q", *, delay: int = 0, start: int = 0) -> None:
    """Post *count* messages, a few thousand at a time."""
    for first in range(start, start + count, 5_000):
        ids = range(first, min(first + 5_000, start + count))
        broker.enqueue([enqueue_op(f"m{number:07}", queue, delay=delay, body=BODY) for number in ids])


def done(deliveries: Sequence[Delivery], disposition: Disposition = ACK, *operations: Operation) -> list[Commit]:
    return [Commit(each.message_id, each.queue_name, each.token, disposition, operations) for each in deliveries]


def done_with_results(deliveries: Sequence[Delivery], ttl: int = 60_000) -> list[Commit]:
    return [
        Commit(each.message_id, each.queue_name, each.token, ACK, (StoreResultOp(each.message_id, each.message_id.encode(), ttl),))
        for each in deliveries
    ]


def drain(broker: RedisBroker, *queues: str, worker: str = "w", limit: int = 1_000) -> list[str]:
    """Run everything that is ready; return the ids in the order of their runs."""
    request = ClaimRequest(worker, queues or ("q",), limit)
    turn: Turn = broker.turn((), request)
    ids: list[str] = []
    while turn.deliveries:
        ids += [delivery.message_id for delivery in turn.deliveries]
        turn = broker.turn(done(turn.deliveries), request)
    return ids


class Efforts:
    """How long each script of *broker* keeps the server, ms of its main thread; what else goes on on this machine does not count."""

    def __init__(self, broker: RedisBroker, client: redis.Redis) -> None:
        self._client = client
        self.each: list[float] = []
        line = broker._namespace.client
        original = line.call

        def call(*arguments: object) -> object:
            before = self._spent()
            reply = original(*arguments)
            self.each.append(self._spent() - before)
            return reply

        line.call = call

    def _spent(self) -> float:
        spent = self._client.info("cpu")
        return (spent["used_cpu_user_main_thread"] + spent["used_cpu_sys_main_thread"]) * 1_000

    @property
    def worst(self) -> float:
        return max(self.each)


def tune(broker: RedisBroker, **changes: float) -> RedisBroker:
    """Change the `Tuning` of *broker*, which has not waited for anything yet; return it."""
    namespace = broker._namespace
    namespace.tuning = evolve(namespace.tuning, **changes)
    namespace.client.probe_seconds = namespace.tuning.probe_seconds
    return broker
