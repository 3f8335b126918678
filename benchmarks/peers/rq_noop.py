"""RQ, whose worker forks a process for each job. No result is kept."""

import os

import redis
from measured import Producer, record_delay
from rq import Queue

queue = Queue(connection=redis.Redis.from_url(os.environ["BENCH_URL"]))


def noop() -> None:
    """Do nothing."""


async def anoop() -> None:
    """Do nothing, asynchronously."""


def stamp(sent: float) -> None:
    """Record how long it took to start."""
    record_delay(sent)


def send(actor: str, *args: float) -> None:
    queue.enqueue(f"rq_noop.{actor}", *args, result_ttl=0)


def many(actor: str, count: int) -> None:
    for at in range(0, count, 1_000):
        queue.enqueue_many([Queue.prepare_data(f"rq_noop.{actor}", result_ttl=0) for _ in range(min(1_000, count - at))])


if __name__ == "__main__":
    Producer(send, many=many, packages=("rq", "redis", "hiredis")).main()
