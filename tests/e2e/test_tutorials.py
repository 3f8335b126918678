"""The tutorials of web frameworks work word for word: their files, their servers and their commands, in the order in which they are written."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import django
import pytest

from tests.free_port import free_port
from tests.wait_until import wait_until

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# ([\w/]+\.py)(, at the end)?\n")
ID = re.compile(r'"id":\s*"([^"]+)"')
PRINTED_ID = re.compile(r"^[0-9a-f]{8}-[0-9a-f-]{27}$", re.MULTILINE)
INSTALLS = ("python3 -m venv", "pip install")
DJANGO_SERVER = "python manage.py runserver"
SERVERS = ("uvicorn", "flask run", "flask fq worker", "fq worker", DJANGO_SERVER, "python manage.py fq worker")
NOT_YET = ('"words":null', '"confirmed": false', "READY", "RUNNING")
"""A reader who sees this asks again."""

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="the pages use curl")


class Reader:
    """Does what a page says, in *folder*: writes its files, starts its servers, and types its commands."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.id, self.printed, self.errors, self.asked = folder, "", "", "", ""
        self.servers: list[subprocess.Popen] = []
        own = {name: value for name, value in os.environ.items() if not name.startswith(("FQ_", "FLASK_", "DJANGO_"))}
        self.env = {**own, "PATH": f"{Path(sys.executable).parent}:{own['PATH']}", "PYTHONPATH": str(ROOT)}
        self.port = free_port()

    def follow(self, page: str) -> None:
        for kind, text in BLOCK.findall(
            page.replace("127.0.0.1:8000", f"127.0.0.1:{self.port}").replace("127.0.0.1:5000", f"127.0.0.1:{self.port}")
        ):
            if kind == "python" and (named := FILE.match(text)):
                with (self.folder / named[1]).open("a" if named[2] else "w") as file:
                    file.write(text)
            elif kind == "console":
                self.type(text)

    def type(self, text: str) -> None:
        for line in text.splitlines():
            command = line.removeprefix("$ ").replace("ID", self.id)
            if not line.startswith("$ ") or command.startswith(INSTALLS):
                continue
            if command.startswith(SERVERS):
                self.serve(command)
            else:
                self.run(command)

    def serve(self, command: str) -> None:
        port = f" --port {self.port}" if command.startswith(("uvicorn", "flask run")) else ""
        port = f" --noreload 127.0.0.1:{self.port}" if command == DJANGO_SERVER else port
        with (self.folder / "servers.log").open("a") as log:
            server = subprocess.Popen(f"exec {command}{port}", shell=True, cwd=self.folder, env=self.env, stdout=log, stderr=log)
        self.servers.append(server)
        if port:
            wait_until(lambda: server.poll() is not None or self.answers(), what=command)
        assert server.poll() is None, self.log()

    def answers(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    def run(self, command: str) -> None:
        def succeeds() -> bool:
            ran = subprocess.run(
                command, shell=True, cwd=self.folder, env=self.env, capture_output=True, text=True, check=False, timeout=100
            )
            assert ran.returncode == 0, ran.stdout + ran.stderr + self.log()
            self.printed, self.errors, self.asked = ran.stdout, ran.stderr, self.asked + ran.stdout
            return not any(text in ran.stdout for text in NOT_YET)

        wait_until(succeeds, what=command)
        if " -d " in command:
            self.id = ID.search(self.printed)[1]
        elif found := PRINTED_ID.search(self.printed):
            self.id = found[0]

    def log(self) -> str:
        return (self.folder / "servers.log").read_text() if self.servers else ""

    def stop(self) -> list[int]:
        for server in self.servers:
            server.send_signal(signal.SIGTERM)
        return [server.wait(60) for server in self.servers]


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path)
    yield reader
    for server in reader.servers:
        server.kill()
        server.wait()


@pytest.fixture
def page() -> Callable[[str], str]:
    return lambda name: (ROOT / "docs" / name).read_text(encoding="utf-8")


def test_the_page_of_fastapi_works_in_the_order_in_which_it_is_written(reader: Reader, page: Callable[[str], str]) -> None:
    tutorial, separator, rest = page("fastapi.md").partition("## What a client sees")
    reader.follow(tutorial)

    assert separator
    assert "event: end" in reader.printed
    assert '"result":{"title":"Ships","words":5000}' in reader.printed
    reader.follow(rest)
    assert "1 passed" in reader.printed
    assert set(reader.stop()) <= {0, -signal.SIGTERM}
    assert "Traceback" not in reader.log()


def test_the_page_of_flask_works_in_the_order_in_which_it_is_written(reader: Reader, page: Callable[[str], str]) -> None:
    tutorial, separator, rest = page("flask.md").partition("## Configuration")
    reader.follow(tutorial)

    assert separator
    assert reader.printed.strip() == '{"words":6}'
    assert reader.stop()[1] == 0, reader.log()
    assert "Traceback" not in reader.log()
    reader.follow(rest)
    assert "1 passed" in reader.printed


@pytest.mark.timeout(230)  # a dozen programs start, one after the other
def test_the_page_of_django_works_in_the_order_in_which_it_is_written(reader: Reader, page: Callable[[str], str]) -> None:
    text = page("django.md")
    if django.VERSION < (6, 0):
        text = text.replace("from django.tasks import", "from django_tasks import")  # as the page says
    first, before_tasks, rest = text.partition("## Django's own tasks")
    tutorial, before_settings, _ = rest.partition("## Settings")
    reader.follow(first)

    assert before_tasks and before_settings
    assert "Ran 1 test" in reader.errors
    assert "Dear ann@example.com, we have your order 1." in reader.log()
    reader.follow(tutorial)
    assert "SUCCESSFUL" in reader.asked
    assert reader.stop()[1] == 0, reader.log()
    assert "Traceback" not in reader.log()


def test_a_page_that_does_not_work_fails(reader: Reader) -> None:
    with pytest.raises(AssertionError):
        reader.follow("```console\n$ curl -s http://127.0.0.1:8000/\n```\n")
