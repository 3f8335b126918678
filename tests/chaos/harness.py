"""Worker processes to torment, and the account of what happened."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
from attrs import define, field

from tests.wait_until import wait_until

ROOT = Path(__file__).parent.parent.parent


@define
class Rig:
    """
    An application with a broker at *url*, whose account is kept in *folder*.

    *more*: of the environment of its workers; *here*: what the test itself has instead, which is more patience, say.
    """

    url: str
    folder: Path
    more: dict[str, str] = field(factory=dict)
    here: dict[str, str] = field(factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What the application reads."""
        here = {"FQ_URL": self.url, "FQ_CHAOS_LOG": str(self.folder / "account"), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""}
        return {**os.environ, **here, **self.more}

    def start(
        self, *options: str, app: str = "tests.chaos.tasks:app", streams: str = "", inside: Sequence[str] = ()
    ) -> subprocess.Popen[bytes]:
        """
        Start ``fq worker``, by the command *inside* if there is one.

        Its log goes to a file beside the account, unless *streams*, in the language of the shell, say something else.
        """
        worker = [*inside, sys.executable, "-m", "fq", "worker", app, *options]
        command = ["sh", "-c", f'exec "$@" {streams}', "sh", *worker] if streams else worker
        with (self.folder / "worker.log").open("ab") as log:
            return subprocess.Popen(command, env=self.environment, cwd=ROOT, stderr=log, stdout=log, start_new_session=True)

    @contextmanager
    def worker(self, *options: str, app: str = "tests.chaos.tasks:app") -> Iterator[subprocess.Popen[bytes]]:
        """A worker for as long as the context lasts; it must then stop gracefully, with exit code 0."""
        process = self.start(*options, app=app)
        try:
            wait_until(lambda: runs_actors(process), what="the worker's start")
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                code = process.wait(60)
            except subprocess.TimeoutExpired:
                kill_all(process)
                raise
        assert code == 0, self.log()

    def account(self) -> list[tuple[str, str]]:
        """Return what was noted: (event, number)."""
        path = self.folder / "account"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(event, number) for event, number, *_ in map(str.split, lines)]

    def moments(self, event: str, offset: int = 0) -> list[float]:
        """Return when each *event* was noted, seconds since the epoch, of those that stand in the account behind its first *offset* bytes."""
        with (self.folder / "account").open("rb") as file:
            file.seek(offset)
            return [float(moment) for noted, *_, moment in map(str.split, file.read().decode().splitlines()) if noted == event]

    def runs(self, event: str = "run") -> Counter[str]:
        """Return how often each number ran."""
        return Counter(number for noted, number in self.account() if noted == event)

    def log(self) -> str:
        """Return the worker's log."""
        return (self.folder / "worker.log").read_text()


def runs_actors(process: subprocess.Popen[bytes]) -> bool:
    """Has the worker a child with the threads that run actors? Its first child only examines the app, and ends."""
    with suppress(psutil.NoSuchProcess):
        return any(child.num_threads() > 5 for child in children(process))
    return False


def children(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return the worker's child processes."""
    try:
        return psutil.Process(process.pid).children()
    except psutil.NoSuchProcess:
        return []


def suspend_between_writes(process: psutil.Process, file: Path) -> None:
    """Stop *process* at a moment when it does not write to the database in *file*: all others would wait until it goes on."""
    process.suspend()
    while not _can_be_written(file):
        process.resume()
        time.sleep(0.01)
        process.suspend()


def _can_be_written(file: Path) -> bool:
    with closing(sqlite3.connect(file, timeout=0.2, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        connection.execute("ROLLBACK")
        return True


def kill_all(process: subprocess.Popen[bytes]) -> None:
    """Kill a worker and its children at once, as a machine that loses power does."""
    victims = [*children(process), psutil.Process(process.pid)]
    for victim in victims:
        with suppress(psutil.NoSuchProcess):
            victim.kill()
    process.wait(60)
