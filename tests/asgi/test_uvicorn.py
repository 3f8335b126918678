"""The example with FastAPI, served by a real uvicorn."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.asgi.conftest import Events
from tests.free_port import free_port
from tests.processes import kill
from tests.wait_until import wait_until
from tests.web.browser import opened

pytestmark = pytest.mark.xdist_group("uvicorn")  # so that those who share a server start one

ROOT = Path(__file__).parents[2]
WHALES = {"title": "Whales", "pages": 4}


class Server:
    """A uvicorn that serves the example, at *url*."""

    def __init__(self, folder: Path, url: str = "") -> None:
        self.url = url or f"http://127.0.0.1:{free_port()}"
        self.log = folder / "uvicorn.log"
        command = [sys.executable, "-m", "uvicorn", "examples.fastapi.site:site", "--port", self.url.rpartition(":")[2]]
        env = {**os.environ, "PYTHONPATH": str(ROOT), "TASKS_SECRET": "the same in all processes"}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log)
        try:
            wait_until(self.answers, what="the start of uvicorn")
        except BaseException:
            kill(self.process)
            raise

    def answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", int(self.url.rpartition(":")[2]))) == 0

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that tests do not stop."""
    server = Server(tmp_path_factory.mktemp("shared"))
    yield server
    code = server.stop()
    assert code in (0, -signal.SIGTERM), server.log.read_text()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    kill(server.process)


def test_a_report_is_ordered_followed_and_read(shared: Server) -> None:
    ordered = httpx2.post(f"{shared.url}/reports", json=WHALES)
    task = f"{shared.url}/tasks/{ordered.json()['id']}"
    with httpx2.stream("GET", f"{task}/events", timeout=60) as stream:
        events = Events.of(stream.read().decode())

    assert ordered.status_code == 202
    assert [json.loads(each) for each in events.named("value")] == [f"Whales, page {n}" for n in range(1, 5)]
    assert json.loads(events.named("end")[0])["result"] == {"title": "Whales", "words": 1_000}
    assert httpx2.get(task).json()["state"] == "succeeded"
    assert httpx2.get(f"{shared.url}/fq/").status_code == 200


def test_handlers_of_both_colours_send_and_one_waits(shared: Server) -> None:
    later = httpx2.post(f"{shared.url}/reports/now", json=WHALES).json()
    now = httpx2.post(f"{shared.url}/reports/short", json=WHALES, timeout=60).json()
    failed = httpx2.post(f"{shared.url}/reports/short", json={**WHALES, "title": "impossible"}, timeout=60)

    assert httpx2.get(f"{shared.url}/tasks/{later['id']}?wait=30000", timeout=60).json()["result"]["words"] == 1_000
    assert now["result"]["words"] == 1_000
    assert failed.json()["error"] == {"type": "ValueError"}
    assert "1234" not in failed.text
    assert httpx2.post(f"{shared.url}/reports", json={**WHALES, "pages": 0}).status_code == 422


def test_an_open_stream_does_not_keep_the_server_from_stopping_and_the_task_runs_on_elsewhere(server: Server, tmp_path: Path) -> None:
    ordered = httpx2.post(f"{server.url}/reports", json={"title": "Whales", "pages": 50}).json()
    with httpx2.stream("GET", f"{server.url}/tasks/{ordered['id']}/events", timeout=60) as stream:
        lines = stream.iter_lines()
        assert any(line.startswith("event: value") for line in lines)
        code = server.stop()
        rest = list(lines)

    assert code in (0, -signal.SIGTERM), server.log.read_text()
    assert "Traceback" not in server.log.read_text()
    assert "event: end" not in rest
    again = Server(tmp_path)
    try:
        assert httpx2.get(f"{again.url}/tasks/{ordered['id']}?wait=30000", timeout=60).json()["result"]["words"] == 12_500
    finally:
        kill(again.process)


def test_a_browser_follows_a_report_over_a_restart_of_the_server(server: Server, tmp_path: Path) -> None:
    with opened() as browser:
        page = browser.new_page()
        page.goto(server.url)
        page.click("#order")
        page.wait_for_selector("#pages li:nth-child(3)")
        server.stop()
        again = Server(tmp_path, server.url)
        try:
            page.wait_for_function("document.getElementById('end').textContent !== ''", timeout=60_000)
            end, pages = page.text_content("#end"), page.locator("#pages li").all_text_contents()
        finally:
            kill(again.process)

    assert end == "5000 words"
    assert pages == [f"Whales, page {n}" for n in range(1, 21)]
