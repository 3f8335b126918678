"""fq with its defaults: stack and worker."""

import os

import redis
from measured import Producer, record_delay

from fq import App

app = App(os.environ["BENCH_URL"])
client = redis.Redis.from_url(os.environ["BENCH_URL"])
BODY = b"x" * 150  # about what a message of noop is long


@app.actor
def noop() -> None:
    """Do nothing."""


@app.actor
async def anoop() -> None:
    """Do nothing, asynchronously."""


@app.actor
def stamp(sent: float) -> None:
    """Record how long it took to start."""
    record_delay(sent)


ACTORS = {"noop": noop, "anoop": anoop, "stamp": stamp}


def send(actor: str, *args: float) -> None:
    ACTORS[actor].send(*args)


async def asend(actor: str, *args: float) -> None:
    await ACTORS[actor].asend(*args)


def many(actor: str, count: int) -> None:
    app.send_many(ACTORS[actor].call() for _ in range(count))


def bare() -> None:
    client.rpush("bare", BODY)


if __name__ == "__main__":
    Producer(send, asend=asend, many=many, bare=bare, packages=("redis", "hiredis", "uvloop")).main()
