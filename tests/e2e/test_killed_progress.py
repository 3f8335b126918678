"""A worker is killed while an actor tells its progress: the redelivery begins with none, and its stream begins anew. Real processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fq import App, Handle
from tests.processes import kill
from tests.wait_until import wait_until

TASKS = """
import os, pathlib, time
from fq import App, emit, get_current_message, progress

app = App("sqlite:///jobs.db")


def wait_for(name):
    while not pathlib.Path(name).exists():
        time.sleep(0.01)


@app.actor(emits=str)
def work() -> int:
    deliveries = get_current_message().deliveries
    if deliveries == 1:
        emit("old")
        progress(80, of=100)
        pathlib.Path("pid.new").write_text(str(os.getpid()))
        os.rename("pid.new", "pid")
        time.sleep(600)
    wait_for("go")
    progress(10, of=100)
    emit("new")
    wait_for("end")
    return deliveries
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "tasks.py").write_text(TASKS)
    return tmp_path


def start(project: Path) -> subprocess.Popen[bytes]:
    """Start a worker of *project*."""
    command = [sys.executable, "-m", "fq", "worker", "tasks:app", "--processes", "1", "--threads", "1", "--heartbeat", "300"]
    with (project / "worker.log").open("ab") as log:
        return subprocess.Popen(command, cwd=project, stdout=log, stderr=log, start_new_session=True)


@pytest.fixture
def handle(project: Path) -> Iterator[Handle[int]]:
    """The handle of a message of the actor of *project*, in this process."""
    app = App(f"sqlite:///{project}/jobs.db")

    @app.actor(emits=str)
    def work() -> int:
        return 0

    yield work.send()
    app.broker.close()


def done(handle: Handle[int]) -> object:
    found = handle.progress()
    return None if found is None else found.done


@pytest.mark.parametrize("whole_worker", [False, True], ids=["the child", "the whole worker"])
def test_a_redelivery_begins_with_none(project: Path, handle: Handle[int], whole_worker: bool) -> None:
    worker = start(project)
    try:
        wait_until((project / "pid").exists, what="the first delivery")
        wait_until(lambda: done(handle) == 80, what="its progress")
        child = int((project / "pid").read_text())
        if whole_worker:
            os.killpg(worker.pid, signal.SIGKILL)
            with suppress(ProcessLookupError):  # it may have ended with its supervisor
                os.kill(child, signal.SIGKILL)
            worker.wait(60)
            worker = start(project)
        else:
            os.kill(child, signal.SIGKILL)
        wait_until(lambda: (handle.status().state, handle.status().deliveries) == ("running", 2), what="the second delivery")
        assert done(handle) is None, "80 % is of the first"
        (project / "go").touch()
        wait_until(lambda: done(handle) == 10, what="the progress of the second")
        (project / "end").touch()
        seen: list[object] = []
        for found in handle.watch(timeout=60_000, interval=20, on_restart=lambda: seen.append("restart")):  # type: ignore[call-arg]
            seen.append(found)
        worker.send_signal(signal.SIGTERM)
        worker.wait(60)
    finally:
        kill(worker, whole_group=True)

    assert seen == ["old", "restart", "new", 2]
    assert handle.progress() is None
