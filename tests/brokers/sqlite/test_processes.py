"""SQLite with real processes: many at once, and some that are killed."""

import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fq.brokers import SqliteBroker
from fq.brokers.records import ClaimRequest
from tests.brokers.builders import enqueue_ops
from tests.brokers.sqlite.process import committed

ROOT = Path(__file__).parent.parent.parent.parent
PATIENCE_SECONDS = 90


class Processes:
    """Real processes on one database; none of them outlives the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = str(folder / "jobs.db")
        self.running: list[subprocess.Popen[str]] = []

    def start(self, what: str, *arguments: str | Path) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "tests.brokers.sqlite.process", what, self.path, *map(str, arguments)]
        self.running.append(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        return self.running[-1]

    def stop(self) -> None:
        for process in self.running:
            process.kill()
            process.communicate()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    processes = Processes(tmp_path)
    yield processes
    processes.stop()


def query(path: str, statement: str) -> list[tuple]:
    with closing(sqlite3.connect(path, timeout=10)) as connection:
        return connection.execute(statement).fetchall()


def is_empty(broker: SqliteBroker) -> bool:
    return all(queue.ready + queue.delayed + queue.in_flight == 0 for queue in broker.queues())


def ended(process: "subprocess.Popen[str]") -> tuple[int, str]:
    said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, said


@pytest.mark.timeout(2 * PATIENCE_SECONDS)
def test_eight_processes_at_once_lose_nothing_commit_nothing_twice_and_find_nothing_locked(processes: Processes, tmp_path: Path) -> None:
    finished = tmp_path / "finished"
    producers = [processes.start("produce", f"p{number}", "2500") for number in range(4)]
    workers = [processes.start("work", f"w{number}", tmp_path / f"journal{number}", finished) for number in range(4)]
    said = [ended(producer) for producer in producers]
    broker = SqliteBroker(processes.path)
    while not is_empty(broker):
        broker.wait(ClaimRequest("watcher", (), 0), 100)
    finished.touch()
    said += [ended(worker) for worker in workers]
    journals = Counter(line for number in range(4) for line in (tmp_path / f"journal{number}").read_text("utf-8").splitlines())
    sent = [f"p{producer}-{number}" for producer in range(4) for number in range(2_500)]

    assert said == [(0, "")] * 8
    assert journals == Counter([*sent, *(f"{name}-child" for name in sent)])
    assert query(processes.path, "PRAGMA integrity_check") == [("ok",)]
    broker.close()


@pytest.mark.timeout(2 * PATIENCE_SECONDS)
def test_a_worker_that_is_killed_leaves_no_commit_half_applied(processes: Processes, tmp_path: Path) -> None:
    count = 6_000
    names = [f"m{number}" for number in range(count)]
    broker = SqliteBroker(processes.path)
    broker.enqueue(enqueue_ops(*names))
    for step in range(1, 6):
        worker = processes.start("work", f"w{step}", tmp_path / f"journal{step}", tmp_path / "never")
        assert broker.wait_result(f"m{step * count // 8}", PATIENCE_SECONDS * 1_000) == b"1"
        worker.send_signal(signal.SIGKILL)
        worker.wait(PATIENCE_SECONDS)
        check_whole(processes.path, names)
        broker.release(f"w{step}", {})
    done = {message_id for (message_id,) in query(processes.path, "SELECT message_id FROM results")}
    while turn_all(broker):
        pass

    assert len(done) < 2 * count, "the workers had done everything before they were killed: this has tested nothing"
    assert {message_id for (message_id,) in query(processes.path, "SELECT message_id FROM results")} == {
        *names,
        *(f"{name}-child" for name in names),
    }
    assert query(processes.path, "SELECT * FROM messages") == []
    assert query(processes.path, "PRAGMA integrity_check") == [("ok",)]
    broker.close()


def check_whole(path: str, names: list[str]) -> None:
    """A message is there and has left nothing yet, or is gone and has left both its result and its follow-up."""
    with closing(sqlite3.connect(path, timeout=10)) as connection:
        connection.execute("BEGIN")
        there = {message_id for (message_id,) in connection.execute("SELECT message_id FROM messages")}
        results = {message_id for (message_id,) in connection.execute("SELECT message_id FROM results")}
    for name in names:
        child = f"{name}-child"
        assert (name in there, name in results, child in there or child in results) in {(True, False, False), (False, True, True)}
        assert (child in there) + (child in results) < 2


def turn_all(broker: SqliteBroker) -> int:
    request = ClaimRequest("last", ("q", "r"), 1_000)
    deliveries = broker.turn((), request).deliveries
    broker.turn([committed(delivery) for delivery in deliveries], ClaimRequest("last", (), 0))
    return len(deliveries)


def test_a_broker_can_be_taken_across_a_fork(processes: Processes) -> None:
    code, said = ended(processes.start("fork", "f"))
    found = {message_id for (message_id,) in query(processes.path, "SELECT message_id FROM messages")}

    assert (code, said) == (0, "")
    assert found == {"f-before", "f-after", *(f"f-{who}-{number}" for who in ("parent", "0", "1", "2") for number in range(50))}
    assert query(processes.path, "PRAGMA integrity_check") == [("ok",)]


def test_a_process_that_waits_hears_at_once_of_a_message_from_another(processes: Processes, tmp_path: Path) -> None:
    broker = SqliteBroker(processes.path)
    processes.start("work", "w", tmp_path / "journal", tmp_path / "never")
    for number in range(20):
        broker.enqueue(enqueue_ops(f"m{number}"))

        assert broker.wait_result(f"m{number}", PATIENCE_SECONDS * 1_000) == b"1"
    broker.close()


@pytest.mark.timeout(2 * PATIENCE_SECONDS)
def test_one_of_four_processes_that_want_a_unique_key_at_once_gets_it(processes: Processes) -> None:
    said = [ended(process) for process in [processes.start("place", f"p{number}", "200") for number in range(4)]]
    broker = SqliteBroker(processes.path)
    new = broker.marks_in("new", limit=1_000)
    delivered = broker.turn((), ClaimRequest("w", ("q",), 1_000)).deliveries

    assert said == [(0, "")] * 4
    assert [mark.order for mark in new] == list(range(200))
    assert sorted(f"new-{delivery.message_id}" for delivery in delivered) == sorted(mark.key for mark in new)
    broker.close()


@pytest.mark.timeout(2 * PATIENCE_SECONDS)
def test_a_due_mark_of_another_process_ends_the_wait_of_a_worker(processes: Processes) -> None:
    broker = SqliteBroker(processes.path)
    request = ClaimRequest("w", ("q",), 1)
    before = broker.turn((), request)
    process = processes.start("set_due_mark", "k")
    broker.wait(request, 10 * PATIENCE_SECONDS * 1_000)

    assert (before.has_due_marks, broker.turn((), request).has_due_marks) == (False, True)
    assert ended(process) == (0, "")
    broker.close()
