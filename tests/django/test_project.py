"""The project of ``examples/django``: its views by Django's test client, its tasks by a real worker process, on SQLite and on Redis."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.test import Client
from shop.tasks import count

from fq import App
from fq.brokers import broker_from_url
from fq.django import app as project_app
from tests.brokers.redis.servers import binaries, server
from tests.django.conftest import PROJECT, STATE
from tests.processes import kill
from tests.wait_until import wait_until

URLS = ["sqlite", *(["redis"] if binaries() else [])]


@pytest.fixture(params=URLS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty broker that other processes reach, too."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/fq.db"
        return
    running = server(next(iter(binaries())))
    with running.client() as client:
        client.flushall()
        yield running.url
        client.flushall()


@pytest.fixture
def shared_app(url: str) -> Iterator[App]:
    """The app of the project, on that broker."""
    broker = broker_from_url(url)
    with project_app.using_broker(broker):
        yield project_app
    broker.close()


def environment(url: str) -> dict[str, str]:
    root = str(PROJECT.parents[1])
    return {**os.environ, "FQ_URL": url, "SHOP_STATE": str(STATE), "SHOP_DEBUG": "0", "PYTHONPATH": root}


@contextmanager
def worker(url: str, log: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``manage.py fq worker``; end it by TERM."""
    command = [sys.executable, "manage.py", "fq", "worker", "-p", "1", "-t", "2", *options]
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=PROJECT, env=environment(url), stdout=file, stderr=file, start_new_session=True)
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, log.read_text()
    finally:
        kill(process, whole_group=True)


@pytest.mark.parametrize("options", [(), ("--spawn",)], ids=["forks", "spawns"])
def test_orders_are_confirmed_and_added_up_by_a_worker(
    shared_app: App, url: str, database: None, tmp_path: Path, options: tuple[str]
) -> None:
    client, log = Client(), tmp_path / "worker.log"
    with worker(url, log, *options):
        orders = [client.post("/orders/", {"email": "ann@example.com", "total": f"{n}.50"}).json()["order"] for n in range(3)]
        wait_until(lambda: all(client.get(f"/orders/{pk}/").json()["confirmed"] for pk in orders), what="the confirmations")
        result_id = client.post("/total/").json()["result"]
        wait_until(lambda: client.get(f"/total/{result_id}/").json()["status"] == "SUCCESSFUL", what="the total")
        counted = count.enqueue()
        wait_until(lambda: count.get_result(counted.id).is_finished, what="the async task")

    assert client.get(f"/total/{result_id}/").json() == {"status": "SUCCESSFUL", "total": "4.50"}
    assert count.get_result(counted.id).return_value == 3
    assert len(count.get_result(counted.id).worker_ids[0]) > 5
    assert log.read_text().count("We have received it") == 3
    assert "Traceback" not in log.read_text()


def test_a_command_of_manage_py_asks_the_same_broker(shared_app: App, url: str, database: None) -> None:
    Client().post("/orders/", {"email": "ann@example.com", "total": "9.50"})
    ran = subprocess.run(
        [sys.executable, "manage.py", "fq", "queues", "--json"],
        cwd=PROJECT,
        env=environment(url),
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    assert '"mail"' in ran.stdout


def test_a_worker_finds_the_project_by_the_settings_module_alone(tmp_path: Path) -> None:
    env = environment(f"sqlite:///{tmp_path}/fq.db") | {"DJANGO_SETTINGS_MODULE": "project.settings"}
    ran = subprocess.run(
        [sys.executable, "-m", "fq", "actors", "fq.django.project:app", "--json"],
        cwd=PROJECT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    assert "shop.tasks.total" in ran.stdout


SETTINGS = """
from project.settings import *

ROOT_URLCONF = "project.urls"
INSTALLED_APPS = [*INSTALLED_APPS, "extra"]
BASE_DIR = {folder!r}
"""


@pytest.mark.timeout(300)  # two workers start, one after the other, and each may take its minute
@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_the_worker_of_a_project_with_debug_reloads_changed_code(shared_app: App, url: str, database: None, tmp_path: Path) -> None:
    package = tmp_path / "extra"
    package.mkdir()
    code = "from fq.django import app\n\n\n@app.actor\ndef version() -> int:\n    return {}\n"
    (package / "__init__.py").touch()
    (package / "tasks.py").write_text(code.format(1))
    (tmp_path / "reloading.py").write_text(SETTINGS.format(folder=str(tmp_path)))
    env = environment(url) | {"SHOP_DEBUG": "1", "PYTHONPATH": f"{PROJECT.parents[1]}:{tmp_path}", "DJANGO_SETTINGS_MODULE": "reloading"}
    command = [sys.executable, "manage.py", "fq", "worker", "-p", "1"]
    log = tmp_path / "worker.log"

    due = [0.0]

    def change() -> None:
        """Write the second version, every ten seconds until it is seen: the process that watches may only have started."""
        if time.monotonic() >= due[0]:
            due[0] = time.monotonic() + 10
            (package / "tasks.py").write_text(code.format(2))

    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=PROJECT, env=env, stdout=file, stderr=file, start_new_session=True)
    try:
        wait_until(lambda: version(shared_app) == 1, what="the first version")
        wait_until(lambda: change() or version(shared_app) == 2, timeout=100, what="the second version")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, log.read_text()
    finally:
        kill(process, whole_group=True)


def version(app: App) -> object:
    """Return what the actor of the worker returns now."""
    from fq import Enqueue, Message

    (sent,) = app.enqueue(Enqueue(Message(message_id=app.new_message_id(), actor_name="version")))
    return app.handle(sent.message.message_id).get_result(block=True, timeout=60_000)
