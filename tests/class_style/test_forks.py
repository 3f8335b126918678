"""Functions that class-style middleware wants to have run in processes of their own, beside the workers."""

import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fq.worker.supervisor.sidecars import Sidecars
from tests.processes import running
from tests.wait_until import wait_until

TASKS = """
import os, pathlib, time
from fq import App, default_middleware, hooks, Retries

class Beacon:
    @property
    def forks(self):
        return [beacon]

def beacon():
    pathlib.Path("beacon").write_text(f"{os.getpid()} {os.getppid()}")
    time.sleep(60)

app = App("sqlite:///tasks.db", middleware=default_middleware.outside(Retries, hooks(Beacon())))

@app.actor
def add() -> None: ...
"""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_fq_worker_runs_the_forks_of_its_middleware_for_as_long_as_it_runs_itself(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)
    beacon = tmp_path / "beacon"
    root = Path(__file__).parent.parent.parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(tmp_path)])}
    command = [sys.executable, "-m", "fq", "worker", "tasks:app", "--processes", "1", "--log-file", str(tmp_path / "log")]
    with running(command, cwd=tmp_path, env=environment, start_new_session=True) as worker:
        wait_until(lambda: beacon.exists() and beacon.read_text())
        pid, parent = map(int, beacon.read_text().split())

        assert parent == worker.pid
        assert alive(pid)
        worker.terminate()
        worker.wait(60)
    wait_until(lambda: not alive(pid))


@pytest.fixture(autouse=True)
def quietly() -> Iterator[None]:
    logging.getLogger("fq.worker").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("fq.worker").setLevel(logging.NOTSET)


def reap(running: Sidecars) -> int:
    """Wait for its process to end, and tell *running*; this process may have other children, of other tests."""
    pid, status = os.waitpid(next(sidecar.pid for sidecar in running._sidecars if sidecar.pid), 0)
    running.reaped(pid, status)
    return pid


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def test_a_helper_that_dies_is_started_again_and_one_that_returns_is_not(tmp_path: Path) -> None:
    file = tmp_path / "runs"

    def run() -> None:
        with file.open("a") as out:
            out.write("run\n")
        if len(lines(file)) < 3:
            raise ValueError("again")

    running = Sidecars([run], restart_delay_seconds=0.0)
    for _ in range(3):
        running.start_missing()
        running.start_missing()  # once is enough
        reap(running)
    running.start_missing()

    assert lines(file) == ["run"] * 3
    assert not any(sidecar.pid for sidecar in running._sidecars)


def test_stopping_ends_a_helper_that_does_not_listen(tmp_path: Path) -> None:
    file = tmp_path / "pid"

    def stubborn() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        file.write_text(str(os.getpid()))
        time.sleep(60)

    running = Sidecars([stubborn], kill_after_seconds=0.2)
    running.start_missing()
    wait_until(lambda: lines(file))
    pid = int(file.read_text())
    running.stop()

    assert not alive(pid)
    running.stop()  # nothing to do any more


def test_the_end_of_another_process_changes_nothing() -> None:
    Sidecars().reaped(1, 0)
    Sidecars().stop()
