"""SAQ on Redis, with the concurrency of the other queues on asyncio. No result is kept."""

import logging
import os

from measured import Producer, record_delay
from saq import Queue

logging.disable(logging.INFO)  # a line for each job

queue = Queue.from_url(os.environ["BENCH_URL"])
DISCARDED = -1


def noop(_: object) -> None:
    """Do nothing."""


async def anoop(_: object) -> None:
    """Do nothing, asynchronously."""


async def stamp(_: object, *, sent: float) -> None:
    """Record how long it took to start."""
    record_delay(sent)


settings = {"queue": queue, "functions": [noop, anoop, stamp], "concurrency": 100}


async def send(actor: str, *args: float) -> None:
    await queue.enqueue(actor, ttl=DISCARDED, **dict(zip(("sent",), args, strict=False)))


if __name__ == "__main__":
    Producer(send, start=queue.connect, packages=("saq", "redis", "hiredis", "uvloop")).main()
