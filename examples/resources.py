"""
Resources: a pool that a worker opens once, and a transaction for each message, which is rolled back when the actor fails.

``python -m examples.resources`` runs three payments, one of which fails, on a database in a temporary file.
"""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue
from typing import TypeAlias

from fq import App, injected

SCHEMA = "CREATE TABLE payments (invoice INTEGER PRIMARY KEY, amount INTEGER NOT NULL CHECK (amount > 0))"
POOL_SIZE = 2

Pool: TypeAlias = "SimpleQueue[sqlite3.Connection]"

app = App("memory://")


@app.resource(scope="process")
def folder() -> Iterator[Path]:
    """A folder for the database, which is gone when the worker ends."""
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


@app.resource(scope="process")
def pool(folder: Path = injected()) -> Iterator[Pool]:
    """Open the connections of this process. They come after the folder, and so are closed before it goes."""
    connections = [sqlite3.connect(folder / "payments.db", check_same_thread=False) for _ in range(POOL_SIZE)]
    connections[0].execute(SCHEMA)
    free: Pool = SimpleQueue()
    for connection in connections:
        free.put(connection)
    print(f"the worker has opened {POOL_SIZE} connections")
    yield free
    for connection in connections:
        connection.close()
    print("the worker has closed them")


@app.resource(scope="message")
def transaction(pool: Pool = injected(pool)) -> Iterator[sqlite3.Connection]:
    """A transaction: committed when the actor has succeeded, rolled back when it has failed."""
    connection = pool.get()
    try:
        with connection:
            yield connection
    finally:
        pool.put(connection)


@app.actor(max_retries=0)
def pay(invoice: int, amount: int, *, db: sqlite3.Connection = injected()) -> int:
    """Note a payment, and return the sum of all so far."""
    db.execute("INSERT INTO payments VALUES (?, ?)", (invoice, abs(amount)))
    if amount <= 0:
        raise ValueError(f"invoice {invoice}: {amount} is no amount to pay")
    return int(db.execute("SELECT sum(amount) FROM payments").fetchone()[0])


def main() -> None:
    """Pay three invoices, one of which cannot be paid, and print what came of it; then pay one without a worker."""
    handles = [pay.send(1, 30), pay.send(2, -5), pay.send(3, 12)]
    app.run_until_idle()
    for invoice, handle in enumerate(handles, start=1):
        print(f"invoice {invoice}:", handle.get().map(lambda paid: f"paid; {paid} in all").value_or("not paid"))

    with closing(sqlite3.connect(":memory:")) as fake:
        fake.execute(SCHEMA)
        print("called directly:", pay(4, 7, db=fake), "in all")


if __name__ == "__main__":
    main()
