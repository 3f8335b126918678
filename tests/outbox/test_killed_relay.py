"""Workers that move rows are killed at any moment: each committed row is sent once, and no other. Real processes."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fq import App, Outbox
from tests.brokers.harness import Harness
from tests.every_broker import harness, kind
from tests.postgres_server import postgres_url
from tests.processes import kill
from tests.wait_until import wait_until

__all__ = ["harness", "kind"]

TASKS = """
import os
from fq import App, Outbox, get_current_message

app = App(os.environ["URL"], outbox=Outbox("sqlite:///shop.db", poll=10))


@app.actor
def welcome(number: int) -> None:
    fd = os.open("seen", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{number} {get_current_message().message_id}\\n".encode())
    os.close(fd)
"""
ROWS = 300


@pytest.fixture
def workers() -> Iterator[list[subprocess.Popen[bytes]]]:
    """The workers of a test; what is left of them is killed at its end."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for worker in started:
        kill(worker, whole_group=True)


def start(project: Path, url: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "fq", "worker", "tasks:app", "--processes", "1", "--threads", "1", "--heartbeat", "300"]
    with (project / "worker.log").open("ab") as log:
        return subprocess.Popen(command, cwd=project, stdout=log, stderr=log, start_new_session=True, env={**os.environ, "URL": url})


def test_no_kill_loses_or_doubles_a_row(harness: Harness, tmp_path: Path, workers: list[subprocess.Popen[bytes]]) -> None:
    url = str(harness.broker())
    if url == "memory://":
        pytest.skip("a broker in memory has no other processes")
    if url.startswith("postgres"):
        url = f"{postgres_url()}&schema=killed_relay"  # the clock of the harness stands still, so leases would last for ever
    (tmp_path / "tasks.py").write_text(TASKS)
    shop = sqlite3.connect(tmp_path / "shop.db", timeout=30)
    app = App(url, outbox=Outbox(lambda: sqlite3.connect(tmp_path / "shop.db", timeout=30)))

    @app.actor
    def welcome(number: int) -> None: ...

    app.outbox.create_table(shop)
    shop.commit()
    workers += [start(tmp_path, url) for _ in range(2)]
    chance = random.Random(7)
    for number in range(ROWS):
        welcome.call(number).send(on=shop)
        shop.commit() if number % 3 else shop.rollback()
        if number % 60 == 59:
            victim = workers.pop(0)
            time.sleep(chance.random() / 10)
            os.killpg(victim.pid, signal.SIGKILL)  # its child finds out by itself
            victim.wait()
            workers.append(start(tmp_path, url))
    wait_until(lambda: app.outbox.state().waiting == 0, what="the rows")
    wait_until(lambda: all(not (q.ready or q.in_flight or q.delayed) for q in app.broker.queues()), what="the messages")
    # What was running when its worker was killed runs again, and is the same message still.
    sent = sorted(int(line.split()[0]) for line in set((tmp_path / "seen").read_text().splitlines()))

    assert sent == [number for number in range(ROWS) if number % 3]
    shop.close()
