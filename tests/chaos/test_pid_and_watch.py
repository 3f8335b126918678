"""``--pid-file`` and ``--watch``, with real processes."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from returns.pipeline import is_successful

from fq import App
from fq.cli.pid_file import pid_file
from tests.chaos.harness import ROOT, Rig, children
from tests.wait_until import wait_until


def assert_held_until_the_end(file: Path, process: subprocess.Popen[bytes]) -> None:
    """The pid file is the process's, and goes when that is told to stop."""
    assert int(file.read_text()) == process.pid
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert not file.exists()


def test_a_pid_file_of_a_process_that_is_gone_is_taken_over_and_removed_at_the_end(rig: Rig, tmp_path: Path) -> None:
    file = tmp_path / "fq.pid"
    file.write_text("999999\n")
    process = rig.start("--processes", "1", "--pid-file", str(file))
    wait_until(lambda: children(process), what="the start")

    assert_held_until_the_end(file, process)


def test_a_pid_file_of_a_process_that_lives_is_left_alone(rig: Rig, tmp_path: Path) -> None:
    file = tmp_path / "fq.pid"
    with pid_file(file):
        process = rig.start("--processes", "1", "--pid-file", str(file))

        assert process.wait(60) == 4
        assert file.read_text() == f"{os.getpid()}\n"
        assert f"process {os.getpid()} has this pid file" in rig.log()


def test_a_pid_file_that_holds_something_else_is_refused(rig: Rig, tmp_path: Path) -> None:
    file = tmp_path / "fq.pid"
    file.write_text("important notes\n")
    process = rig.start("--processes", "1", "--pid-file", str(file))

    assert process.wait(60) == 4
    assert file.read_text() == "important notes\n"


def test_a_reload_keeps_the_pid_file_and_a_stop_removes_it(app: App, rig: Rig, tmp_path: Path) -> None:
    from tests.chaos.tasks import pid

    file = tmp_path / "fq.pid"
    process = rig.start("--processes", "1", "--pid-file", str(file))
    first = pid.send().get(60_000).unwrap()
    process.send_signal(signal.SIGHUP)
    wait_until(lambda: pid.send().get(60_000).unwrap() != first, what="the reload")

    assert_held_until_the_end(file, process)


def test_a_worker_that_watches_reloads_when_a_file_changes_and_not_when_it_is_read(rig: Rig, tmp_path: Path) -> None:
    folder = tmp_path / "code"
    folder.mkdir()
    code = "import os\nfrom fq import App\napp = App(os.environ['FQ_URL'])\n@app.actor\ndef pid() -> int:\n    return os.getpid()\n"
    (folder / "watched.py").write_text(code)
    rig.more = {"PYTHONPATH": f"{ROOT}:{folder}", "PYTHONDONTWRITEBYTECODE": "1"}
    app = App(rig.url)

    @app.actor
    def pid() -> int:
        raise NotImplementedError

    process = rig.start("--processes", "1", "--watch", str(folder), app="watched:app")
    try:
        first = pid.send().get(60_000).unwrap()
        time.sleep(1.5)  # the watcher is a process of its own, and does not say when it has begun
        (folder / "watched.py").read_text()
        time.sleep(0.5)
        assert pid.send().get(60_000).unwrap() == first
        for times in range(1, 5):  # on a busy machine it may take longer than that to begin
            (folder / "watched.py").write_text(code + "# changed\n" * times)
            with suppress(AssertionError):
                wait_until(lambda: pid.send().get(60_000).unwrap() != first, timeout=40, what="the reload")
                break
        wait_until(lambda: pid.send().get(60_000).unwrap() != first, what="the reload")  # the child before may run another until it retires
        assert is_successful(pid.send().get(60_000))
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        app.broker.close()
