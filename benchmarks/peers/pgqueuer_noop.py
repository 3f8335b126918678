"""PgQueuer on asyncpg and uvloop, the fastest of its drivers."""

import asyncio
import json
import os
import sys

import asyncpg
import uvloop
from measured import Producer, record_delay
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

BATCH = 1_000
queries: list[Queries] = []


async def connect() -> AsyncpgDriver:
    return AsyncpgDriver(await asyncpg.connect(os.environ["BENCH_URL"]))


async def main() -> PgQueuer:
    """Return the queue with its actors."""
    queuer = PgQueuer(await connect())

    @queuer.entrypoint("noop")
    @queuer.entrypoint("anoop")
    async def anoop(job: Job) -> None:
        """Do nothing."""

    @queuer.entrypoint("stamp")
    async def stamp(job: Job) -> None:
        """Record how long it took to start."""
        record_delay(json.loads(job.payload or b"[0]")[0])

    return queuer


async def start() -> None:
    """Make the tables if there are none."""
    queries.append(Queries(await connect()))
    if not await queries[0].driver.fetch("SELECT 1 FROM pg_tables WHERE tablename = 'pgqueuer'"):
        await queries[0].install()


async def send(actor: str, *args: float) -> None:
    await queries[0].enqueue(actor, json.dumps(args).encode())


async def many(actor: str, count: int) -> None:
    for at in range(0, count, BATCH):
        size = min(BATCH, count - at)
        await queries[0].enqueue([actor] * size, [b"[]"] * size, [0] * size)


async def work() -> None:
    """Do what ``pgq run`` does: that command of this version fails when it sets up its log."""
    await (await main()).run(batch_size=BATCH)


if __name__ == "__main__":
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    if sys.argv[1] == "work":
        asyncio.run(work())
    Producer(send, start=start, many=many, packages=("pgqueuer", "asyncpg", "uvloop")).main()
