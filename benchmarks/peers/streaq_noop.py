"""streaq, with the concurrency of the other queues on asyncio. No result is kept."""

import logging
import os
from typing import Any

from measured import Producer, record_delay
from streaq import Worker

logging.disable(logging.INFO)  # a line for each task

worker: Worker[Any] = Worker(redis_url=os.environ["BENCH_URL"], concurrency=100)


@worker.task(name="noop", ttl=0)
def noop() -> None:
    """Do nothing."""


@worker.task(name="anoop", ttl=0)
async def anoop() -> None:
    """Do nothing, asynchronously."""


@worker.task(name="stamp", ttl=0)
async def stamp(sent: float) -> None:
    """Record how long it took to start."""
    record_delay(sent)


ACTORS: dict[str, Any] = {"noop": noop, "anoop": anoop, "stamp": stamp}


async def start() -> None:
    await worker.__aenter__()


async def send(actor: str, *args: float) -> None:
    await ACTORS[actor].enqueue(*args)


async def many(actor: str, count: int) -> None:
    for at in range(0, count, 1_000):
        await worker.enqueue_many([ACTORS[actor].enqueue() for _ in range(min(1_000, count - at))])


if __name__ == "__main__":
    Producer(send, many=many, start=start, packages=("streaq", "coredis", "anyio")).main()
