"""tarsk, its build for Redis streams, as it comes."""

import os

from measured import Producer, record_delay
from tarsk import App

app = App(broker=os.environ["BENCH_URL"])


@app.task(name="noop")
def noop() -> None:
    """Do nothing."""


@app.task(name="anoop")
async def anoop() -> None:
    """Do nothing, asynchronously."""


@app.task(name="stamp")
def stamp(sent: float) -> None:
    """Record how long it took to start."""
    record_delay(sent)


ACTORS = {"noop": noop, "anoop": anoop, "stamp": stamp}


def send(actor: str, *args: float) -> None:
    ACTORS[actor].send(*args)


if __name__ == "__main__":
    Producer(send, packages=("tarsk-redis",)).main()
