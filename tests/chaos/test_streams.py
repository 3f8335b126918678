"""Standard output and standard error that are full, closed, or without a reader: what is written there is lost, and no work is."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from shutil import rmtree

import pytest
from returns.result import Success

from fq import App
from tests.chaos.harness import ROOT, Rig, children, runs_actors
from tests.wait_until import wait_until

FULL = Path("/dev/full")
"""What every write to fails as on a disk without room."""

RECYCLED = ("--processes", "1", "--max-tasks-per-child", "5")

needs_full = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")


@needs_full
def test_a_child_that_cannot_print_ends_as_a_child_and_leaves_the_pid_file_alone(app: App, rig: Rig, tmp_path: Path) -> None:
    from tests.chaos.tasks import say

    file = tmp_path / "fq.pid"
    process = rig.start(*RECYCLED, "--pid-file", str(file), streams=f"> {FULL}")
    first = say.send("what finds no room").get(60_000).unwrap()
    wait_until(lambda: say.send("the same").get(60_000).unwrap() != first, what="the recycling")
    wait_until(lambda: first not in [child.pid for child in children(process)], what="the first child's end")

    assert int(file.read_text()) == process.pid
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert not file.exists()
    assert "handed back" not in rig.log(), "every child ended well"


@needs_full
def test_what_the_app_prints_while_it_is_imported_may_find_no_room(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "printing.py").write_text("from tests.chaos.tasks import *\nprint('imported')\n")
    rig.more = {"PYTHONPATH": f"{rig.environment['PYTHONPATH']}:{tmp_path}"}
    process = rig.start("--processes", "1", app="printing:app", streams=f"> {FULL}")
    wait_until(lambda: len(children(process)) == 1, what="the start")
    process.send_signal(signal.SIGTERM)

    assert process.wait(60) == 0


ALL = "<&- >&- 2>&-"
CLOSED = ("<&-", ">&-", "2>&-", ALL)
"""In the language of the shell: standard input, standard output, standard error, and all of them."""

FORKED = [pytest.param((), streams) for streams in CLOSED]
SPAWNED = [pytest.param(("--spawn",), streams, marks=[pytest.mark.chaos] if streams != ALL else []) for streams in CLOSED]


@pytest.mark.parametrize(("how", "streams"), FORKED + SPAWNED)
def test_a_worker_without_streams_works_and_reloads(app: App, rig: Rig, streams: str, how: tuple[str, ...]) -> None:
    from tests.chaos.tasks import say

    process = rig.start("--processes", "1", *how, streams=streams)
    first = say.send("to nobody").get(60_000).unwrap()
    process.send_signal(signal.SIGHUP)
    wait_until(lambda: say.send("to nobody").get(60_000).unwrap() != first, what="the reload")
    process.send_signal(signal.SIGTERM)

    assert process.wait(60) == 0


def piped(rig: Rig, *options: str) -> tuple[subprocess.Popen[bytes], int, int]:
    """Start a worker that writes to a pipe; return it with the pipe's ends."""
    reader, writer = os.pipe()
    command = [sys.executable, "-m", "fq", "worker", "tests.chaos.tasks:app", "--processes", "1", *options]
    return subprocess.Popen(command, env=rig.environment, cwd=ROOT, stdout=writer, stderr=writer), reader, writer


def test_a_worker_whose_log_has_lost_its_reader_works_reloads_and_stops(app: App, rig: Rig) -> None:
    from tests.chaos.tasks import say

    process, reader, writer = piped(rig, "--max-tasks-per-child", "5")
    os.close(reader)
    os.close(writer)
    first = say.send("to nobody").get(60_000).unwrap()
    wait_until(lambda: say.send("to nobody").get(60_000).unwrap() != first, what="the recycling")
    process.send_signal(signal.SIGHUP)
    seen = {child.pid for child in children(process)}
    wait_until(lambda: say.send("to nobody").get(60_000).unwrap() not in seen, what="the reload")
    process.send_signal(signal.SIGTERM)

    assert process.wait(60) == 0


def test_a_log_without_a_reader_does_not_hold_up_the_supervisor(app: App, rig: Rig) -> None:
    from tests.chaos.tasks import say

    process, reader, writer = piped(rig, "--heartbeat", "500")
    first = say.send("before").get(60_000).unwrap()
    fill(writer)
    (child,) = children(process)
    child.kill()

    assert say.send("after").get(60_000).unwrap() != first, "that a child has died is dropped from the log, and it is replaced"
    process.kill()
    process.wait()
    os.close(reader)
    os.close(writer)


def fill(pipe: int) -> None:
    """Write to *pipe* until it is full."""
    os.set_blocking(pipe, False)
    with suppress(BlockingIOError):
        while True:
            os.write(pipe, b"x" * 4_096)
    os.set_blocking(pipe, True)


def test_what_a_reader_takes_in_time_is_logged(app: App, rig: Rig) -> None:
    process, reader, writer = piped(rig)
    wait_until(lambda: runs_actors(process), what="the start")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    os.close(writer)
    said = os.read(reader, 65_536).decode()
    os.close(reader)

    assert ": 1 process, " in said
    assert "stopping" in said


@pytest.mark.parametrize("how", [(), ("--spawn",)])
def test_children_log_where_and_how_the_supervisor_does(app: App, rig: Rig, tmp_path: Path, how: tuple[str, ...]) -> None:
    from tests.chaos.tasks import work

    file = tmp_path / "worker.json"
    with rig.worker("--processes", "1", "--log-file", str(file), "--log-format", "json", *how) as process:
        assert work.send(5).get(60_000) == Success(10)
        (child,) = children(process)
    records = [json.loads(line) for line in file.read_text().splitlines()]

    assert any(record["process"] == child.pid and "will be tried again" in record["message"] for record in records)
    assert rig.log() == ""


def test_a_spawned_child_whose_log_file_is_out_of_reach_works_and_says_so(app: App, rig: Rig, tmp_path: Path) -> None:
    from tests.chaos.tasks import pid

    folder = tmp_path / "logs"
    folder.mkdir()
    with rig.worker("--processes", "1", "--spawn", "--log-file", str(folder / "worker.log")) as process:
        first = pid.send().get(60_000).unwrap()
        rmtree(folder)
        children(process)[0].kill()
        wait_until(lambda: pid.send().get(60_000).unwrap() != first, what="the replacement")

    assert "the log cannot be written" in rig.log()
