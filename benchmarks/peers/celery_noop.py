"""Celery on Redis. It acknowledges after the task, as fq does, not before, as by default."""

import os
from typing import Any

from celery import Celery
from measured import Producer, record_delay

app = Celery("bench", broker=os.environ["BENCH_URL"])
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    broker_connection_retry_on_startup=True,
)


@app.task(name="noop")
def noop() -> None:
    """Do nothing."""


@app.task(name="stamp")
def stamp(sent: float) -> None:
    """Record how long it took to start."""
    record_delay(sent)


ACTORS: dict[str, Any] = {"noop": noop, "stamp": stamp}


def send(actor: str, *args: float) -> None:
    ACTORS[actor].delay(*args)


if __name__ == "__main__":
    Producer(send, packages=("celery", "kombu", "redis", "hiredis")).main()
