"""docket, with the concurrency of the other queues on asyncio. No result is kept."""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from docket import Docket
from measured import Producer, record_delay


async def anoop() -> None:
    """Do nothing, asynchronously."""


async def stamp(sent: float) -> None:
    """Record how long it took to start."""
    record_delay(sent)


tasks: list[Callable[..., Any]] = [anoop, stamp]
ACTORS = {"noop": anoop, "anoop": anoop, "stamp": stamp}
docket = Docket(name="bench", url=os.environ["BENCH_URL"], execution_ttl=timedelta(0))


async def start() -> None:
    await docket.__aenter__()


async def send(actor: str, *args: float) -> None:
    await docket.add(ACTORS[actor])(*args)


async def many(actor: str, count: int) -> None:
    for at in range(0, count, 1_000):
        await docket.add_many([docket.call(ACTORS[actor])() for _ in range(min(1_000, count - at))])


if __name__ == "__main__":
    Producer(send, many=many, start=start, packages=("pydocket", "redis", "hiredis")).main()
