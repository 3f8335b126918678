"""The layers in real workers, on every broker, in both colours."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from fq import App, concurrency_limit, rate_limit
from tests.limits.stores import Backend
from tests.processes import running


class Meter:
    """Counts what runs, and how much of it ran at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.running = self.most = 0
        self.starts: list[float] = []

    def __enter__(self) -> None:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
            self.starts.append(time.monotonic())

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.running -= 1


def drained(app: App, meter: Meter, count: int) -> bool:
    until = time.monotonic() + 60
    with app.worker(threads=6):
        while time.monotonic() < until and (len(meter.starts) < count or meter.running):
            time.sleep(0.01)
    return len(meter.starts) == count and not app.broker.dead_letters()


@pytest.mark.parametrize("asynchronous", [False, True])
def test_no_more_than_two_run_at_once_and_all_of_them_do(live: Backend, asynchronous: bool):
    app, meter = App(broker=live.broker), Meter()
    if asynchronous:

        @app.actor(concurrency_limit(limit=2), max_retries=0)
        async def work(n: int) -> None:
            with meter:
                await asyncio.sleep(0.01)
    else:

        @app.actor(concurrency_limit(limit=2), max_retries=0)
        def work(n: int) -> None:
            with meter:
                time.sleep(0.01)

    app.send_many(work.call(n) for n in range(40))

    assert drained(app, meter, 40)
    assert meter.most == 2


def test_no_more_than_five_start_within_a_window(live: Backend):
    app, meter = App(broker=live.broker), Meter()

    @app.actor(rate_limit(limit=5, window=1_500), max_retries=0)
    def work(n: int) -> None:
        with meter:
            pass

    app.send_many(work.call(n) for n in range(10))

    assert drained(app, meter, 10)
    # Between a slot and the actor's first line a busy machine may do other things for a while.
    assert all(later - earlier > 0.5 for earlier, later in zip(meter.starts, meter.starts[5:], strict=False))


TASKS = """
import os, time
from fq import App, concurrency_limit
app = App("sqlite:///jobs.db")

@app.actor(concurrency_limit(limit=1, key="one"))
def work(n: int) -> None:
    with open("log", "a") as log:
        log.write(f"{n} {os.getpid()}\\n")
    time.sleep(0 if n else 1.5)

if __name__ == "__main__":
    for n in range(3):
        work.send(n)
"""
ROOT = Path(__file__).parent.parent.parent


def test_a_worker_process_that_is_killed_holds_up_nobody(tmp_path: Path):
    """Its slot lapses after 15 minutes; but it is its message's, whose next delivery takes it over."""
    (tmp_path / "tasks.py").write_text(TASKS)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(tmp_path)))}
    subprocess.run([sys.executable, "tasks.py"], cwd=tmp_path, env=environment, check=True, timeout=60)
    command = [sys.executable, "-m", "fq", "worker", "tasks:app", "--processes", "1", "--threads", "2"]
    with running(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL) as worker:
        ran = killed = ""
        until = time.monotonic() + 60
        while time.monotonic() < until and not {"0", "1", "2"} <= set(ran.split()[::2]):
            time.sleep(0.02)
            ran = (tmp_path / "log").read_text() if (tmp_path / "log").exists() else ""
            if not killed and (started := [line.split()[1] for line in ran.splitlines() if line.startswith("0 ")]):
                killed = started[0]
                os.kill(int(killed), signal.SIGKILL)
        worker.terminate()
        worker.wait(60)

    assert {"0", "1", "2"} <= set(ran.split()[::2])
    assert ran.count("0 ") == 2
