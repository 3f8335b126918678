"""Oban for Python, with the pool of connections that it makes itself."""

import asyncio
import os

import uvloop
from measured import Producer, record_delay
from oban import Oban, job
from oban._config import Config
from oban.schema import install

BATCH = 1_000


@job()
async def anoop() -> None:
    """Do nothing."""


@job()
async def stamp(sent: float) -> None:
    """Record how long it took to start."""
    record_delay(sent)


JOBS = {"noop": anoop, "anoop": anoop, "stamp": stamp}
clients: list[Oban] = []


async def start() -> None:
    """Make the tables if there are none."""
    config = Config(dsn=os.environ["BENCH_URL"])
    pool = await config.create_pool()
    async with pool.connection() as connection:
        found = await (await connection.execute("SELECT 1 FROM pg_tables WHERE tablename = 'oban_jobs'")).fetchone()
    if found is None:
        await install(pool)
    clients.append(await config.create_oban(pool))


async def send(actor: str, *args: float) -> None:
    await clients[0].enqueue(JOBS[actor].new(*args))


async def many(actor: str, count: int) -> None:
    for at in range(0, count, BATCH):
        await clients[0].enqueue_many(JOBS[actor].new() for _ in range(min(BATCH, count - at)))


if __name__ == "__main__":
    from oban_noop import many, send, start  # a job is stored with the name of its module

    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    Producer(send, start=start, many=many, packages=("oban", "psycopg", "psycopg-pool", "orjson", "uvloop")).main()
