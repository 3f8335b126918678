"""Resources in the processes of a real worker: opened after the fork, in each child once, and closed at its end."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fq import App, Handle
from tests.wait_until import wait_until

TASKS = """
import asyncio, os, pathlib
from collections.abc import AsyncIterator, Iterator
from fq import App, injected

app = App("sqlite:///jobs.db")


def note(what):
    with open("notes", "a") as notes:
        notes.write(f"{os.getpid()} {what}\\n")


@app.resource(scope="process")
def pool() -> Iterator[int]:
    note("tries")
    if not pathlib.Path("database").exists():
        raise OSError("no database")
    note("opens pool")
    yield os.getpid()
    note("closes pool")


@app.resource(scope="process")
async def client(pool: int = injected()) -> AsyncIterator[str]:
    async with asyncio.TaskGroup():
        note("opens client")
        yield f"client of {pool}"
        note("closes client")


@app.actor(max_retries=0)
async def work(*, client: str = injected(client)) -> str:
    return f"{client} in {os.getpid()}"
"""

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "tasks.py").write_text(TASKS)
    return tmp_path


@pytest.fixture
def start(project: Path) -> Iterator[Start]:
    """Starts a worker of *project*, which ends with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*options: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "fq", "worker", "tasks:app", "--threads", "1", *options]
        with (project / "worker.log").open("ab") as log:
            started.append(subprocess.Popen(command, cwd=project, stdout=log, stderr=log, start_new_session=True))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def send(project: Path) -> Handle[str]:
    """Send the message of *project*, from this process."""
    app = App(f"sqlite:///{project}/jobs.db")

    @app.actor(max_retries=0)
    async def work() -> str: ...

    return work.send()


def notes(project: Path) -> list[str]:
    path = project / "notes"
    return path.read_text().splitlines() if path.exists() else []


def test_each_child_opens_its_own_and_closes_them_in_reverse_when_the_worker_ends(project: Path, start: Start) -> None:
    (project / "database").touch()
    worker = start("--processes", "2")
    wait_until(lambda: sum("opens client" in note for note in notes(project)) == 2)
    result = send(project).get_result(block=True, timeout=60_000)
    worker.send_signal(signal.SIGTERM)

    assert worker.wait(60) == 0
    by_child: dict[str, list[str]] = {}
    for pid, what in (note.split(" ", 1) for note in notes(project)):
        by_child.setdefault(pid, []).append(what)
    assert list(by_child.values()) == [["tries", "opens pool", "opens client", "closes client", "closes pool"]] * 2
    assert str(worker.pid) not in by_child
    assert result in [f"client of {pid} in {pid}" for pid in by_child]


def test_a_worker_waits_for_its_database_and_then_runs_the_message_that_has_no_retries(project: Path, start: Start) -> None:
    handle = send(project)
    worker = start("--processes", "1")
    wait_until(lambda: len(notes(project)) >= 2)
    before = handle.status()
    (project / "database").touch()
    result = handle.get_result(block=True, timeout=60_000)
    worker.send_signal(signal.SIGTERM)

    assert (before.state, before.deliveries) == ("ready", 0)
    assert result.startswith("client of ")
    assert worker.wait(60) == 0
    log = (project / "worker.log").read_text()
    assert (
        "resource pool could not be opened: OSError: no database; this worker claims no messages until it is open. Trying again in 0.5 s"
        in log
    )
