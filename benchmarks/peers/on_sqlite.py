"""The queues on SQLite: a file that all of them may delete and make anew."""

import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from attrs import frozen

from benchmarks.peers import Group, Left, Peer


@frozen
class SqliteStore:
    """A *file*, in a folder of its own."""

    file: Path

    @property
    def url(self) -> str:
        return f"sqlite:///{self.file}"

    @property
    def about(self) -> str:
        return f"SQLite {sqlite3.sqlite_version} as fq sees it, in {self.file.parent}, write-ahead log"

    def clear(self) -> None:
        for file in self.file.parent.iterdir():
            file.unlink()

    def cpu(self) -> float:
        return 0.0

    def watch(self, seconds: float) -> Mapping[str, float]:
        return {}

    def count(self, rows: str) -> int:
        """Return how many rows there are, in *rows* of a table; 0 if there is no such table yet."""
        with closing(sqlite3.connect(f"file:{self.file}?mode=ro", uri=True, timeout=10)) as connection:
            try:
                return int(connection.execute(f"SELECT count(*) FROM {rows}").fetchone()[0])
            except sqlite3.OperationalError:
                return 0


@contextmanager
def private_file() -> Iterator[SqliteStore]:
    """Give a file in a folder that ends with the context."""
    with tempfile.TemporaryDirectory(prefix="fq-bench-") as folder:
        yield SqliteStore(Path(folder) / "bench.db")


def rows(of: str) -> Left:
    """Count the rows of a table: ``table`` or ``table WHERE condition``."""
    return lambda store: store.count(of)


PEERS = (
    Peer(
        "fq",
        ("{bin}/python", "-m", "fq", "worker", "fq_noop:app", "--processes", "{processes}"),
        "defaults (8 threads, 1,000 coroutines), with fq[speed]: uvloop, msgspec; synchronous NORMAL",
        rows("messages"),
    ),
    Peer(
        "huey",
        ("{bin}/huey_consumer", "huey_noop.huey", "--workers", "8", "--quiet"),
        "8 threads (default 1), log off; takes a message before it runs it: at most once",
        rows("task"),
        colours=("sync",),
    ),
    Peer(
        "flexiq",
        ("{bin}/flexiq", "worker", "--app", "flexiq_noop:queue"),
        "defaults (a thread for each core), keeps finished jobs",
        rows("jobs WHERE status IN (0, 1)"),
    ),
)
GROUP = Group("sqlite", private_file, PEERS, quick=("fq", "huey", "flexiq"))
