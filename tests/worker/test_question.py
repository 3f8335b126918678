"""A question that is answered by a fork."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from fq.worker.supervisor.question import Answer, ask_fork
from tests.processes import is_alive

ASK = """
import os, pathlib, signal, time
from fq.worker.supervisor.question import ask_fork
from fq.worker.supervisor.signals import Signals

asker, pids = os.getpid(), []

def stop():
    if os.getpid() == asker and not pids:
        pids.append(asker)
        os.kill(asker, signal.SIGTERM)

def answer():
    pathlib.Path({pid_file!r}).write_text(str(os.getpid()))
    time.sleep(600)

with Signals(booting=True):
    os.register_at_fork({when}=stop)
    ask_fork(answer)
"""


def test_it_is_answered_in_another_process() -> None:
    assert ask_fork(lambda: str(os.getppid())) == Answer(str(os.getpid()), 0)


@pytest.mark.parametrize("when", ["before", "after_in_parent"])
def test_a_stop_that_comes_while_the_process_forks_ends_both(tmp_path: Path, when: str) -> None:
    pid_file = tmp_path / "pid"
    asker = subprocess.run(
        [sys.executable, "-c", ASK.format(pid_file=str(pid_file), when=when)], capture_output=True, text=True, timeout=60
    )

    assert (asker.returncode, asker.stderr) == (0, "")
    assert not pid_file.exists() or not psutil.pid_exists(pid := int(pid_file.read_text())) or not is_alive(psutil.Process(pid))
