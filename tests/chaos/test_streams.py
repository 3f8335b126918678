"""Standard output and standard error that are full, closed, or read by nobody: that costs what was written there, and no work."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fq import App
from tests.chaos.harness import ROOT, Rig, children
from tests.until import until

FULL = Path("/dev/full")
"""What every write to fails as on a disk without room."""

RECYCLED = ("--processes", "1", "--max-tasks-per-child", "5")

needs_full = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")


@needs_full
def test_a_child_that_cannot_print_ends_as_a_child_and_leaves_the_pid_file_alone(app: App, rig: Rig, tmp_path: Path) -> None:
    from tests.chaos.tasks import say

    file = tmp_path / "fq.pid"
    process = rig.start(*RECYCLED, "--pid-file", str(file), streams=f"> {FULL}")
    first = say.send("what finds no room").get(20_000).unwrap()
    until(lambda: say.send("the same").get(20_000).unwrap() != first, what="the recycling")
    until(lambda: first not in [child.pid for child in children(process)], what="the first child's end")

    assert int(file.read_text()) == process.pid
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert not file.exists()
    assert "handed back" not in rig.log(), "every child ended well"


@needs_full
def test_what_the_app_prints_while_it_is_imported_may_find_no_room(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "printing.py").write_text("from tests.chaos.tasks import *\nprint('imported')\n")
    rig.more = {"PYTHONPATH": f"{rig.environment['PYTHONPATH']}:{tmp_path}"}
    process = rig.start("--processes", "1", app="printing:app", streams=f"> {FULL}")
    until(lambda: len(children(process)) == 1, what="the start")
    process.send_signal(signal.SIGTERM)

    assert process.wait(20) == 0


@pytest.mark.parametrize("streams", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("how", [(), ("--spawn",)])
def test_a_worker_without_streams_works_and_reloads(app: App, rig: Rig, streams: str, how: tuple[str, ...]) -> None:
    from tests.chaos.tasks import say

    process = rig.start("--processes", "1", *how, streams=streams)
    first = say.send("to nobody").get(20_000).unwrap()
    process.send_signal(signal.SIGHUP)
    until(lambda: say.send("to nobody").get(20_000).unwrap() != first, what="the reload")
    process.send_signal(signal.SIGTERM)

    assert process.wait(20) == 0


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
    first = say.send("to nobody").get(20_000).unwrap()
    until(lambda: say.send("to nobody").get(20_000).unwrap() != first, what="the recycling")
    process.send_signal(signal.SIGHUP)
    seen = {child.pid for child in children(process)}
    until(lambda: say.send("to nobody").get(20_000).unwrap() not in seen, what="the reload")
    process.send_signal(signal.SIGTERM)

    assert process.wait(20) == 0
