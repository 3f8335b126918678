"""``fq workers`` orders real worker processes about: quiet, stacks of one whose GIL is held, and stop. On SQLite and on Redis."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fq import App
from fq.app.worker_processes import worker_processes
from tests.brokers.redis.servers import binaries, server
from tests.processes import kill
from tests.wait_until import wait_until

TASKS = """
import ctypes, pathlib, time
from fq import App

app = App({url!r})


@app.actor
def hold_the_gil() -> None:
    pathlib.Path("holds").touch()
    ctypes.PyDLL(None).sleep(600)


@app.actor
def add(a: int) -> int:
    return a + 1
"""


@pytest.fixture(params=["sqlite", "redis"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[App]:
    """An app like that of the worker, in this process."""
    url = f"sqlite:///{tmp_path}/jobs.db"
    if request.param == "redis":
        if not binaries():
            pytest.skip("no Redis and no Valkey here")
        started = server(next(iter(binaries())))
        started.client().flushall()
        url = started.url
    (tmp_path / "tasks.py").write_text(TASKS.format(url=url))
    app = App(url)

    @app.actor
    def hold_the_gil() -> None: ...

    @app.actor
    def add(a: int) -> int:
        return a + 1

    yield app
    app.broker.close()


@pytest.fixture
def worker(app: App, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker with two processes, all of which have reported."""
    command = [sys.executable, "-m", "fq", "worker", "tasks:app", "--processes", "2", "--threads", "2", "--heartbeat", "300"]
    with (tmp_path / "worker.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_until(lambda: [each.report is not None for each in worker_processes(app.broker)] == [True, True], what="two reports")
        yield process
    finally:
        kill(process, whole_group=True)  # a child whose GIL is held does not end by itself


@pytest.fixture
def fq(tmp_path: Path) -> Callable[..., str]:
    """Run ``fq workers`` with these arguments, and return what it prints."""

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "fq", "workers", "tasks:app", *arguments, "--timeout", "60"]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    return run


def test_a_worker_is_quiet_active_and_stopped_by_order(
    app: App, worker: subprocess.Popen[bytes], fq: Callable[..., str], tmp_path: Path
) -> None:
    add = app.get_actor("add")
    assert fq("quiet", "--all") == "1 worker (2 processes) quiet\n"
    handle = add.send(1)
    wait_until(lambda: all(each.report and each.report.is_quiet for each in worker_processes(app.broker)), what="the quiet")
    assert handle.status().state == "ready"

    assert fq("resume", worker_processes(app.broker)[0].name) == "1 worker (1 process) active\n"
    assert handle.get(60_000).unwrap() == 2

    assert fq("stop", "--all", "--yes") == "1 worker (2 processes) stopping\n"
    assert worker.wait(60) == 0
    assert worker_processes(app.broker) == ()
    assert "asks this worker to be stopped" in (tmp_path / "worker.log").read_text()


def test_the_stacks_of_a_process_whose_gil_is_held(
    app: App, worker: subprocess.Popen[bytes], fq: Callable[..., str], tmp_path: Path
) -> None:
    app.get_actor("hold_the_gil").send()
    wait_until((tmp_path / "holds").exists, what="the message")
    texts = [each["stacks"] for each in json.loads(fq("stacks", "--all", "--json"))]
    held = [text for text in texts if "in hold_the_gil" in text]

    assert len(texts) == 2
    assert len(held) == 1
    assert "holds the GIL" in held[0]
