"""FlexiQ on SQLite as it comes: WAL with `synchronous=NORMAL`, in Rust; its log is at WARNING."""

import logging
import os

from flexiq import Queue
from measured import BATCH, Producer, record_delay

logging.getLogger("flexiq").setLevel("WARNING")  # it logs two lines for each message
queue = Queue(db_path=os.environ["BENCH_URL"].removeprefix("sqlite:///"))


@queue.task(name="noop")
def noop() -> None:
    """Do nothing."""


@queue.task(name="anoop")
async def anoop() -> None:
    """Do nothing, asynchronously."""


@queue.task(name="stamp")
def stamp(sent: float) -> None:
    """Record how long it took to start."""
    record_delay(sent)


ACTORS = {"noop": noop, "anoop": anoop, "stamp": stamp}


def send(actor: str, *args: float) -> None:
    ACTORS[actor].delay(*args)


def many(actor: str, count: int) -> None:
    for first in range(0, count, BATCH):
        ACTORS[actor].map([()] * min(BATCH, count - first))


if __name__ == "__main__":
    Producer(send, many=many, packages=("flexiq",)).main()
