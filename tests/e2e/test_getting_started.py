"""The page for newcomers works word for word: its files, its commands and its Python, in the order in which they are written."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pytest

from tests.processes import kill, running
from tests.wait_until import wait_until

PAGE = Path(__file__).parents[2] / "docs" / "getting-started.md"
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INSTALLS = ("python3 -m venv", "pip install")


class Newcomer:
    """Does what the page says, in *folder*."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.session: list[str] = []

    def follow(self, page: str) -> None:
        for kind, text in BLOCK.findall(page):
            if kind == "console":
                for line in text.splitlines():
                    if line.startswith("$ ") and not line.startswith(tuple(f"$ {command}" for command in INSTALLS)):
                        self.run_session()
                        self.run_command(shlex.split(line.removeprefix("$ ")))
            elif text.startswith("# tasks.py"):
                (self.folder / "tasks.py").write_text(text)
            else:
                self.session.append(typed(text) if text.startswith(">>>") else text)
        self.run_session()

    def run_session(self) -> None:
        """Type what has gathered into the Python session, a process that goes on from command to command."""
        done = self.folder / f"done-{len(self.session)}"
        self.python.stdin.write(f"exec({''.join(self.session)!r}, globals())\nopen({str(done)!r}, 'w').close()\n")
        self.python.stdin.flush()
        wait_until(lambda: done.exists() or self.python.poll() is not None, what="the end of what was typed")
        assert self.python.poll() is None, (self.folder / "session.log").read_text()
        done.unlink()
        self.session = []

    def run_command(self, words: list[str]) -> None:
        assert words[0] == "fq"
        if words[1] == "worker":
            self.work(words)
        else:
            self.fq(*words[1:])

    def work(self, words: list[str]) -> None:
        """Run a worker until nothing that is due waits, and press Ctrl-C."""
        with running([sys.executable, "-m", *words], cwd=self.folder, env=self.env) as worker:
            wait_until(
                lambda: all(queue["ready"] == queue["in_flight"] == 0 for queue in json.loads(self.fq("queues", "tasks:app", "--json")))
            )
            worker.send_signal(signal.SIGINT)
            assert worker.wait(60) == 0

    def fq(self, *words: str) -> str:
        ran = subprocess.run(
            [sys.executable, "-m", "fq", *words], cwd=self.folder, env=self.env, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    @property
    def env(self) -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if not name.startswith("FQ_")} | {"PYTHONPATH": str(PAGE.parent.parent)}

    def __enter__(self) -> Self:
        log = (self.folder / "session.log").open("w")
        code = "import sys\nfor line in sys.stdin: exec(line, globals())"
        self.python = subprocess.Popen(
            [sys.executable, "-c", code], cwd=self.folder, env=self.env, stdin=subprocess.PIPE, stdout=log, stderr=log, text=True
        )
        log.close()
        return self

    def __exit__(self, *_: object) -> None:
        self.python.stdin.close()  # that ends it
        try:
            self.python.wait(60)
        finally:
            kill(self.python)


def typed(session: str) -> str:
    """Return what is typed in *session*, a block with ``>>>``. If that shows an error, the code checks that the error comes."""
    code = "".join(line[4:] for line in session.splitlines(keepends=True) if line.startswith((">>> ", "... ")))
    _, shows_error, shown = session.partition("\nTraceback (most recent call last):\n...\n")
    if not shows_error:
        return code
    check = f"assert ''.join(traceback.format_exception_only(error)) == {shown!r}, error"
    return f"import traceback\ntry:\n    {code}except Exception as error:\n    {check}\nelse:\n    raise AssertionError('no error came')\n"


@pytest.fixture
def follow(tmp_path: Path) -> Callable[[str], None]:
    def run(page: str) -> None:
        with Newcomer(tmp_path) as newcomer:
            newcomer.follow(page)

    return run


def test_getting_started_works_in_the_order_in_which_it_is_written(follow: Callable[[str], None]) -> None:
    follow(PAGE.read_text(encoding="utf-8"))


def test_a_page_that_does_not_work_fails(follow: Callable[[str], None]) -> None:
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        follow("```python\n1 / 0\n```\n")
    with pytest.raises(AssertionError, match="no error came"):
        follow("```python\n>>> 1 / 1\nTraceback (most recent call last):\n...\nZeroDivisionError: division by zero\n```\n")
    with pytest.raises(AssertionError, match="no module 'nowhere'"):
        follow("```console\n$ fq queues nowhere:app\n```\n")
