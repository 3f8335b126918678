"""ArdiQ, with the concurrency at which it is fastest here."""

import os

from ardiq import Ardiq
from measured import Producer, record_delay

app = Ardiq(os.environ["BENCH_URL"], concurrency=100)


@app.task
def noop() -> None:
    """Do nothing."""


@app.task
async def anoop() -> None:
    """Do nothing, asynchronously."""


@app.task
async def stamp(sent: float) -> None:
    """Record how long it took to start."""
    record_delay(sent)


ACTORS = {"noop": noop, "anoop": anoop, "stamp": stamp}


async def send(actor: str, *args: float) -> None:
    await ACTORS[actor].enqueue(*args)


async def many(actor: str, count: int) -> None:
    for at in range(0, count, 1_000):
        await app.enqueue_many([ACTORS[actor].prepare() for _ in range(min(1_000, count - at))])


if __name__ == "__main__":
    Producer(send, asend=send, many=many, packages=("ardiq",)).main()
