"""The supervisor does not import the app: a process of its own does, which says what the supervisor must know, and then each child."""

import signal
from pathlib import Path

import psutil
import pytest

from tests.chaos.harness import ROOT, Rig, children
from tests.processes import is_alive
from tests.wait_until import wait_until

APP = """
import os, pathlib
from fq import App

imports = pathlib.Path(__file__).with_name("imports")
with imports.open("a") as file:
    file.write(f"{os.getpid()}\\n")
"""

ACTOR = """
app = App("memory://")

@app.actor
def noop() -> None: ...
"""


@pytest.fixture
def importers(rig: Rig, tmp_path: Path) -> Path:
    """Return the file in which each process that imports ``mine`` writes its id."""
    (tmp_path / "mine.py").write_text(APP + ACTOR)
    rig.more = {"PYTHONPATH": f"{ROOT}:{tmp_path}"}
    return tmp_path / "imports"


def pids(file: Path) -> list[int]:
    return [int(line) for line in file.read_text().split()] if file.exists() else []


@pytest.mark.parametrize("how", [(), ("--spawn",)])
def test_the_supervisor_does_not_import_the_app(rig: Rig, importers: Path, how: tuple[str, ...]) -> None:
    with rig.worker("--processes", "2", *how, app="mine:app") as process:
        wait_until(lambda: len(pids(importers)) == 3, what="the imports")
        alive = {child.pid for child in children(process)}

        assert set(pids(importers)[1:]) == alive
        assert process.pid not in pids(importers)


def test_with_preload_only_the_supervisor_imports_it(rig: Rig, importers: Path) -> None:
    with rig.worker("--processes", "2", "--preload", app="mine:app") as process:
        wait_until(lambda: len(children(process)) == 2, what="the children")

        assert pids(importers) == [process.pid]


def test_a_broker_that_only_the_app_can_make_is_imported_with_it(rig: Rig, importers: Path) -> None:
    own = "from fq.brokers import MemoryBroker\nclass Mine(MemoryBroker): ...\n" + ACTOR.replace('"memory://"', "broker=Mine()")
    importers.with_name("mine.py").write_text(APP + own)
    with rig.worker("--processes", "1", app="mine:app") as process:
        wait_until(lambda: children(process) and process.pid in pids(importers), what="the imports")


@pytest.mark.parametrize("signals", [1, 2])
def test_a_stop_does_not_wait_for_children_that_still_import_the_app(rig: Rig, importers: Path, signals: int) -> None:
    slow = "import time\nif imports.read_text().count('\\n') > 1:\n    imports.with_name('slow').touch()\n    time.sleep(600)\n"
    importers.with_name("mine.py").write_text(APP + slow + ACTOR)
    process = rig.start("--processes", "1", app="mine:app")
    wait_until(importers.with_name("slow").exists, what="the import in the child")
    for _ in range(signals):
        process.send_signal(signal.SIGTERM)

    assert process.wait(30) == 0
    assert "cannot go on" not in rig.log()


@pytest.mark.parametrize(
    ("code", "exit_code", "said"),
    [
        ("import sys; sys.exit(7)", 7, ""),
        ("import sys; sys.exit('no licence')", 1, "no licence"),
        ("import os; os.kill(os.getpid(), 11)", 1, "mine:app cannot be imported: the process that imported it was killed by SIGSEGV"),
        ("1 / 0", 2, "mine cannot be imported"),
    ],
)
def test_what_ends_the_import_ends_the_worker_and_is_said_once(rig: Rig, importers: Path, code: str, exit_code: int, said: str) -> None:
    importers.with_name("mine.py").write_text(APP + code)
    process = rig.start("--processes", "2", app="mine:app")

    assert process.wait(60) == exit_code
    assert rig.log().count(said) == 1 if said else not rig.log()
    assert len(pids(importers)) == 1


def test_what_the_import_has_started_ends_before_the_children_start(rig: Rig, importers: Path) -> None:
    started = "import subprocess\nimports.with_name('started').write_text(str(subprocess.Popen(['sleep', '600']).pid))\n"
    importers.with_name("mine.py").write_text(
        APP + f"if not imports.with_name('started').exists():\n    {started.strip().replace(chr(10), '; ')}\n" + ACTOR
    )
    with rig.worker("--processes", "1", app="mine:app"):
        wait_until(lambda: len(pids(importers)) == 2, what="the imports")

        started_id = int(importers.with_name("started").read_text())
        assert not (psutil.pid_exists(started_id) and is_alive(psutil.Process(started_id)))
