"""What a running actor tells, on the command line: ``fq show`` and ``fq send --wait``."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from fq import App
from fq.brokers.operations import message_key
from fq.brokers.records import CONTINUE, ClaimRequest, Commit, SetMarkOp
from fq.cli import progress as shown
from fq.cli.progress import display, result_with_progress
from fq.core.progress import Progress
from fq.wire.progress import encode_progress, with_facts
from tests.cli.conftest import Fq, sent

TOLD = """
import threading
from fq import App, emit, progress

app = App("sqlite:///jobs.db")
gate = threading.Event()


@app.actor
def count(n: int) -> int:
    for i in range(n):
        progress(i + 1, of=n, note=f"page {i + 1}")
        gate.wait(60)
    return n


@app.actor(emits=str)
def spell(word: str) -> int:
    for letter in word:
        emit(letter)
    return len(word)
"""


@pytest.fixture
def telling(project: Path) -> None:
    """The project has actors that tell how far they are."""
    (project / "tasks.py").write_text(TOLD)


@contextmanager
def worker() -> Iterator[App]:
    """Run a worker of the project."""
    sys.path.insert(0, str(Path.cwd()))
    import tasks  # type: ignore[import-not-found]

    app: App = tasks.app
    with app.worker(threads=1):
        yield app


def test_a_running_message_is_shown_with_its_progress(fq: Fq, broker) -> None:
    message_id = sent(fq, "add", "1")
    (delivery,) = broker.turn((), ClaimRequest("w", ("default",), 1)).deliveries
    body = with_facts(encode_progress(3, 10, "page 3"), delivery.token, "w", delivery.deliveries, 5)
    mark = SetMarkOp(message_key("progress", message_id), body, 60_000)
    broker.turn((Commit(message_id, "default", delivery.token, CONTINUE, (mark,)),), ClaimRequest("w", ("default",), 0))

    assert "progress: 3 of 10: page 3\n" in fq("show", "tasks:app", message_id).stdout
    assert json.loads(fq("show", "tasks:app", message_id, "--json").stdout)["progress"] == {"done": 3, "of": 10, "note": "page 3", "at": 5}


def test_a_message_that_tells_nothing_is_shown_without(fq: Fq) -> None:
    message_id = sent(fq, "add", "1")

    assert "progress" not in fq("show", "tasks:app", message_id).stdout
    assert json.loads(fq("show", "tasks:app", message_id, "--json").stdout)["progress"] is None


def test_who_waits_sees_lines_on_standard_error_and_the_result_on_standard_output(
    telling: None, fq: Fq, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_line = shown.as_line

    def released(told: object) -> str:
        sys.modules["tasks"].gate.set()  # it has been shown: the actor may end
        return as_line(told)

    monkeypatch.setattr(shown, "as_line", released)
    with worker():
        ran = fq("send", "tasks:app", "count", "1", "--wait", "60000")

    assert (ran.exit_code, ran.stdout, ran.stderr) == (0, "1\n", "1 of 1: page 1\n")


def test_the_values_of_a_stream_are_lines(telling: None, fq: Fq) -> None:
    with worker():
        ran = fq("send", "tasks:app", "spell", "ab", "--wait", "60000")

    assert (ran.exit_code, ran.stdout, ran.stderr) == (0, "2\n", "a\nb\n")


def test_without_a_result_in_time_the_exit_code_is_1(telling: None, fq: Fq) -> None:
    ran = fq("send", "tasks:app", "count", "1", "--wait", "30")

    assert ran.exit_code == 1
    assert "within 30 ms" in ran.stderr


def test_in_a_terminal_it_is_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(shown, "Console", lambda stderr: Console(stderr=stderr, force_terminal=True, width=80))
    with display() as show:
        show(Progress(5, of=10, note="page 5"))
        show(Progress("upload"))
        show({"a": 1})

    printed = capsys.readouterr()
    assert "━" in printed.err
    assert printed.out == ""


def test_a_result_that_is_there_already_is_returned_at_once() -> None:
    app = App("memory://")

    @app.actor
    def add(a: int, b: int) -> int:
        return a + b

    handle = add.send(1, 2)
    app.run_until_idle()

    assert result_with_progress(handle, 1_000) == 3
