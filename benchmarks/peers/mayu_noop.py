"""mayu, as it comes. No result is kept, as by default."""

import os
from typing import Any

from mayu import App
from measured import Producer, record_delay

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


ACTORS: dict[str, Any] = {"noop": noop, "anoop": anoop, "stamp": stamp}


def send(actor: str, *args: float) -> None:
    ACTORS[actor].send(*args)


if __name__ == "__main__":
    Producer(send, packages=("mayu",)).main()
