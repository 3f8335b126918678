"""Dramatiq on its Redis broker, with its default middleware and, for async actors, its AsyncIO middleware."""

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AsyncIO
from measured import Producer, record_delay

broker = RedisBroker(url=os.environ["BENCH_URL"])
broker.add_middleware(AsyncIO())
dramatiq.set_broker(broker)


@dramatiq.actor
def noop() -> None:
    """Do nothing."""


@dramatiq.actor
async def anoop() -> None:
    """Do nothing, asynchronously."""


@dramatiq.actor
def stamp(sent: float) -> None:
    """Record how long it took to start."""
    record_delay(sent)


ACTORS = {"noop": noop, "anoop": anoop, "stamp": stamp}


def send(actor: str, *args: float) -> None:
    ACTORS[actor].send(*args)


if __name__ == "__main__":
    Producer(send, packages=("dramatiq", "redis", "hiredis")).main()
