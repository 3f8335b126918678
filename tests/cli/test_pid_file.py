"""``--pid-file``: one worker for each file, as the lock on the file says."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fq.cli.pid_file import LOCK, PidFileTaken, check_pid_file, pid_file
from tests.processes import running

HOLD = """
import sys
from pathlib import Path
from fq.cli.pid_file import pid_file
with pid_file(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""

FORK = """
import os, sys
from pathlib import Path
from fq.cli.pid_file import pid_file
with pid_file(Path(sys.argv[1])):
    if not os.fork():
        sys.stdin.read()
        os._exit(0)
    print("held", flush=True)
    sys.stdin.read()
"""

RELOAD = """
import os, sys
from pathlib import Path
from fq.cli.pid_file import pid_file
from fq.worker.inherited_descriptors import handed_to_program, stop_inheritance
stop_inheritance()
with pid_file(Path(sys.argv[1])):
    if len(sys.argv) == 2:
        with handed_to_program() as environment:
            os.execve(sys.executable, [sys.executable, "-c", sys.orig_argv[2], sys.argv[1], "again"], environment)
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "fq.pid"


@contextmanager
def worker(file: Path, code: str = HOLD) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the pid file."""
    with running([sys.executable, "-c", code, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


def test_the_file_has_the_id_and_is_removed_at_the_end(file: Path) -> None:
    with pid_file(file):
        assert file.read_text() == f"{os.getpid()}\n"

    assert not file.exists()


def test_without_a_file_there_is_nothing_to_do() -> None:
    with pid_file(None):
        check_pid_file(None, 1)


def test_a_file_of_another_worker_is_refused_with_its_process_id(file: Path) -> None:
    with worker(file) as process:
        with pytest.raises(PidFileTaken, match=f"fq.pid: process {process.pid} has this pid file"), pid_file(file):
            pass
        with pytest.raises(PidFileTaken, match=f"fq.pid: process {process.pid} has this pid file"):
            check_pid_file(file, os.getpid())
        assert file.read_text() == f"{process.pid}\n"


def test_the_owner_itself_may_have_it(file: Path) -> None:
    with worker(file) as process:
        check_pid_file(file, process.pid)


def test_a_file_of_a_worker_that_was_killed_is_no_obstacle(file: Path) -> None:
    with worker(file) as process:
        process.kill()
        process.wait()
        assert file.read_text() == f"{process.pid}\n"

        check_pid_file(file, os.getpid())
        with pid_file(file):
            assert file.read_text() == f"{os.getpid()}\n"


def test_a_process_id_that_is_in_use_again_is_no_obstacle(file: Path) -> None:
    file.write_text(f"{os.getppid()}\n")

    with pid_file(file):
        assert file.read_text() == f"{os.getpid()}\n"


def test_an_empty_file_is_no_obstacle(file: Path) -> None:
    file.touch()

    with pid_file(file):
        assert file.read_text() == f"{os.getpid()}\n"


def test_a_program_that_replaces_itself_keeps_the_file(file: Path) -> None:
    with worker(file, RELOAD) as process:
        assert file.read_text() == f"{process.pid}\n"
        with pytest.raises(PidFileTaken, match=f"process {process.pid} has this pid file"):
            check_pid_file(file, os.getpid())


def test_a_fork_does_not_keep_the_file_of_a_worker_that_has_ended(file: Path) -> None:
    with worker(file, FORK) as process:
        process.kill()
        process.wait()

        check_pid_file(file, os.getpid())


@pytest.mark.parametrize("text", ["important notes\n", "-1", "12 34"])
def test_a_file_that_holds_something_else_is_refused_and_left_alone(file: Path, text: str) -> None:
    file.write_text(text)

    with pytest.raises(PidFileTaken, match="expected a process id: is this the right file"), pid_file(file):
        pass
    with pytest.raises(PidFileTaken, match="expected a process id: is this the right file"):
        check_pid_file(file, os.getpid())
    assert file.read_text() == text


def test_what_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing" / "fq.pid"):
        with pytest.raises(PidFileTaken, match="the pid file cannot be opened: "), pid_file(path):
            pass


def test_the_lock_of_a_parent_is_not_taken_for_ones_own(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LOCK, f"{os.getppid()}:0")

    with pid_file(file):
        assert file.read_text() == f"{os.getpid()}\n"
