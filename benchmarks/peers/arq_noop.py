"""arq, with the concurrency of the other queues on asyncio. No result is kept."""

import logging
import os
from typing import Any

from arq import create_pool
from arq.connections import RedisSettings
from measured import Producer, record_delay

logging.disable(logging.INFO)  # a line for each job

redis = RedisSettings.from_dsn(os.environ["BENCH_URL"])


async def anoop(_: object) -> None:
    """Do nothing, asynchronously."""


async def stamp(_: object, sent: float) -> None:
    """Record how long it took to start."""
    record_delay(sent)


class WorkerSettings:
    functions = (anoop, stamp)
    redis_settings = redis
    max_jobs = 100
    keep_result = 0


pool: Any = None


async def start() -> None:
    global pool  # noqa: PLW0603  # a pool belongs to the loop
    pool = await create_pool(redis)


async def send(actor: str, *args: float) -> None:
    await pool.enqueue_job("anoop" if actor == "noop" else actor, *args)


if __name__ == "__main__":
    Producer(send, start=start, packages=("arq", "redis", "hiredis", "uvloop")).main()
