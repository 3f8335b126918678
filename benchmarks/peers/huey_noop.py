"""Huey on Redis or SQLite. It takes a task out of the queue before it runs it: at most once."""

import os
from typing import Any

from huey import RedisHuey, SqliteHuey
from measured import Producer, record_delay

URL = os.environ["BENCH_URL"]
huey = SqliteHuey("bench", filename=URL.removeprefix("sqlite:///")) if URL.startswith("sqlite") else RedisHuey("bench", url=URL)


@huey.task()
def noop() -> None:
    """Do nothing."""


@huey.task()
def stamp(sent: float) -> None:
    """Record how long it took to start."""
    record_delay(sent)


ACTORS: dict[str, Any] = {"noop": noop, "stamp": stamp}


def send(actor: str, *args: float) -> None:
    ACTORS[actor](*args)


if __name__ == "__main__":
    import huey_noop  # the name of a task has that of its module, which is __main__ here

    Producer(huey_noop.send, packages=("huey", "redis", "hiredis")).main()
