"""A reload while the new code is slow, wrong, or cannot even be tried: the old code goes on, and hears, until there is something to take its place."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen

import psutil
import pytest
from attrs import define
from returns.result import Success

from fq import App
from fq.worker.supervisor.reload import HANDOVER
from tests.chaos.harness import ROOT, Rig, children, kill_all
from tests.wait_until import wait_until

CHANGING = """
import os, pathlib, sys, time
from tests.chaos.tasks import *
change = pathlib.Path(__file__).with_name("change")
exec(change.read_text() if change.exists() else "")
"""
"""An application that does what a file beside it says when it is imported."""


@define
class Changing:
    """A worker whose code changes."""

    app: App
    rig: Rig
    process: Popen[bytes]

    def start(self, *options: str) -> None:
        self.process = self.rig.start("--processes", "1", "--threads", "2", *options, app="changing:app")
        self.ask()

    def ask(self) -> int:
        """Return which child answers."""
        from tests.chaos.tasks import pid

        return pid.send().get(60_000).unwrap()

    def change(self, code: str) -> None:
        """Have the worker take up *code*."""
        (self.rig.folder / "change").write_text(code)
        self.process.send_signal(signal.SIGHUP)

    def says(self, text: str, times: int = 1) -> None:
        wait_until(lambda: self.rig.log().count(text) >= times, what=text)

    def rehearsals(self) -> list[psutil.Process]:
        return [child for child in children(self.process) if "changing:app" in child.cmdline() and child.environ().get("FQ_REHEARSAL")]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, self.rig.log()


@pytest.fixture
def changing(app: App, rig: Rig, tmp_path: Path) -> Iterator[Changing]:
    (tmp_path / "changing.py").write_text(CHANGING)
    rig.more = {"PYTHONPATH": f"{ROOT}:{tmp_path}", "PYTHONDONTWRITEBYTECODE": "1"}
    changing = Changing(app, rig, None)  # type: ignore[arg-type]  # until it starts
    yield changing
    if changing.process is not None and changing.process.poll() is None:
        kill_all(changing.process)


HANG = "pathlib.Path(__file__).with_name('hangs').touch(); time.sleep(600)"


def test_while_the_new_code_hangs_the_old_goes_on_and_a_stop_is_heard(changing: Changing) -> None:
    changing.start()
    changing.change(HANG)
    wait_until((changing.rig.folder / "hangs").exists, what="the import")
    changing.ask()
    (hung,) = changing.rehearsals()
    changing.stop()

    wait_until(lambda: not hung.is_running(), what="the end of the rehearsal")


def test_the_next_reload_tries_the_code_that_is_there_then(changing: Changing) -> None:
    changing.start()
    first = changing.ask()
    changing.change(HANG)
    wait_until((changing.rig.folder / "hangs").exists, what="the import")
    changing.change("")
    wait_until(lambda: changing.ask() != first, what="the reload")

    changing.stop()


def test_a_rehearsal_ends_with_the_worker_that_wanted_it(changing: Changing) -> None:
    changing.start()
    changing.change(HANG)
    wait_until((changing.rig.folder / "hangs").exists, what="the import")
    (hung,) = changing.rehearsals()
    changing.process.kill()
    changing.process.wait()

    wait_until(lambda: not hung.is_running(), what="the end of the rehearsal")


class TestWithAFolder:
    """On a file in a folder that can go away."""

    @pytest.fixture
    def rig(self, tmp_path: Path) -> Rig:
        (tmp_path / "data").mkdir()
        return Rig(f"sqlite:///{tmp_path}/data/chaos.db", tmp_path)

    def test_a_program_that_takes_over_waits_for_a_folder_that_is_away(self, changing: Changing) -> None:
        changing.start()
        first = changing.ask()
        data, aside = changing.rig.folder / "data", changing.rig.folder / "aside"
        changing.change(f"if {HANDOVER!r} in os.environ: pathlib.Path({str(data)!r}).rename({str(aside)!r})")
        changing.says("waiting for the broker")
        aside.rename(data)
        wait_until(lambda: changing.ask() != first, what="the reload")

        changing.stop()


WRONG = [
    ("raise RuntimeError('no')", "RuntimeError: no"),
    ("sys.exit(0)", "SystemExit: 0"),
    ("app = None", "expected an App"),
    ("app = App(os.environ['FQ_URL'])", "has no actors"),
    ("import threading; threading.Thread(target=time.sleep, args=(600,)).start(); raise RuntimeError('threads')", "RuntimeError: threads"),
]


@pytest.mark.parametrize(("code", "reason"), WRONG, ids=[reason for _, reason in WRONG])
def test_code_that_would_end_the_worker_is_refused_with_the_reason(changing: Changing, code: str, reason: str) -> None:
    changing.start("--queues", "default")
    first = changing.ask()
    changing.change(code)
    changing.says("not reloading")

    assert reason in changing.rig.log()
    assert changing.ask() == first
    changing.stop()


def test_leases_are_renewed_while_the_new_code_is_tried_and_last_while_it_is_imported(changing: Changing) -> None:
    from tests.chaos.tasks import grip

    changing.start("--heartbeat", "500")
    handle = grip.send(7)
    wait_until(lambda: changing.rig.runs("grip"), what="the first run")
    with changing.rig.worker("--processes", "1", "--heartbeat", "500"):  # it takes what no other worker holds
        changing.change("time.sleep(1.5)")
        changing.says("drains")
        assert handle.get(60_000) == Success(0)

    assert changing.rig.runs("grip") == {"7": 1}
    changing.stop()


@pytest.fixture
def interpreter(changing: Changing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The worker's Python, which can be removed."""
    link = tmp_path / "python"
    link.symlink_to(sys.executable)
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    changing.rig.more = {**changing.rig.more, "PYTHONPATH": f"{ROOT}:{tmp_path}:{packages}"}
    monkeypatch.setattr(sys, "executable", str(link))
    return link


def test_without_an_interpreter_there_is_no_reload_and_all_goes_on(changing: Changing, interpreter: Path) -> None:
    changing.start()
    first = changing.ask()
    interpreter.unlink()
    changing.change("")
    changing.says("not reloading")

    assert changing.ask() == first
    changing.stop()


def test_nor_is_there_one_if_it_goes_between_the_rehearsal_and_the_reload(changing: Changing, interpreter: Path) -> None:
    changing.start()
    first = changing.ask()
    changing.change(f"pathlib.Path({str(interpreter)!r}).unlink()")
    changing.says("cannot be started")
    changing.process.send_signal(signal.SIGUSR1)
    changing.process.send_signal(signal.SIGUSR2)

    assert changing.ask() == first, "signals are heard again"
    changing.stop()


def test_a_child_that_cannot_be_started_is_tried_again(changing: Changing, interpreter: Path) -> None:
    changing.start("--spawn")
    first = changing.ask()
    target = interpreter.readlink()
    interpreter.unlink()
    psutil.Process(first).kill()
    changing.says("cannot be started", times=2)
    interpreter.symlink_to(target)

    assert changing.ask() != first
    changing.stop()


def test_a_worker_with_metrics_reloads_at_the_same_address(changing: Changing) -> None:
    changing.start("--metrics", "127.0.0.1:0")
    first = changing.ask()
    changing.change("")
    wait_until(lambda: changing.ask() != first, what="the reload")

    changing.stop()
