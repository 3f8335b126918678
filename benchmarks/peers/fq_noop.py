"""fq with its defaults: stack and worker, on any store."""

import os

import redis
from measured import Producer, record_delay

from fq import App

URL = os.environ["BENCH_URL"]
STORE = URL.partition(":")[0]
ON_REDIS = STORE.startswith("redis")
app = App(URL)
client = redis.Redis.from_url(URL) if ON_REDIS else None
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
    assert client is not None
    client.rpush("bare", BODY)


if __name__ == "__main__":
    packages = ("redis", "hiredis") if ON_REDIS else ("psycopg",) if STORE == "postgresql" else ()
    Producer(send, asend=asend, many=many, bare=bare if ON_REDIS else None, packages=(*packages, "uvloop")).main()
