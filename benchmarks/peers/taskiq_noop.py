"""taskiq on Redis streams, the one of its Redis brokers that acknowledges. No result backend, as by default."""

import os

from measured import Producer, record_delay
from taskiq_redis import RedisStreamBroker

broker = RedisStreamBroker(os.environ["BENCH_URL"])


@broker.task(task_name="noop")
def noop() -> None:
    """Do nothing."""


@broker.task(task_name="anoop")
async def anoop() -> None:
    """Do nothing, asynchronously."""


@broker.task(task_name="stamp")
async def stamp(sent: float) -> None:
    """Record how long it took to start."""
    record_delay(sent)


ACTORS = {"noop": noop, "anoop": anoop, "stamp": stamp}


async def send(actor: str, *args: float) -> None:
    await ACTORS[actor].kiq(*args)


if __name__ == "__main__":
    Producer(send, start=broker.startup, packages=("taskiq", "taskiq-redis", "redis", "hiredis", "uvloop")).main()
