"""procrastinate on psycopg 3: its asynchronous connector for workers, its synchronous one for producers, which is the faster of the two there."""

import os
import sys

import psycopg
from measured import Producer, record_delay
from procrastinate import App, PsycopgConnector, SyncPsycopgConnector

URL = os.environ["BENCH_URL"]
BATCH = 1_000
is_worker = "worker" in sys.argv
app = App(connector=PsycopgConnector(conninfo=URL, max_size=20) if is_worker else SyncPsycopgConnector(conninfo=URL))


@app.task(name="anoop")
async def anoop() -> None:
    """Do nothing."""


@app.task(name="stamp")
async def stamp(sent: float) -> None:
    """Record how long it took to start."""
    record_delay(sent)


TASKS = {"noop": anoop, "anoop": anoop, "stamp": stamp}


def send(actor: str, *args: float) -> None:
    TASKS[actor].defer(**({"sent": args[0]} if args else {}))


def many(actor: str, count: int) -> None:
    for at in range(0, count, BATCH):
        TASKS[actor].batch_defer(*({} for _ in range(min(BATCH, count - at))))


def start() -> None:
    """Make the tables if there are none."""
    app.open()
    with psycopg.connect(URL) as connection:
        has_tables = connection.execute("SELECT to_regclass('procrastinate_jobs') IS NOT NULL").fetchone() == (True,)
    if not has_tables:
        app.schema_manager.apply_schema()


if __name__ == "__main__":
    Producer(send, many=many, start=start, packages=("procrastinate", "psycopg", "psycopg-pool")).main()
